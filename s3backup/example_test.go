package s3backup_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/s3backup"
)

// One MySQL or MariaDB server, a bucket, and nothing else: what a program for cron does.
func ExampleStore_Backup() {
	ctx := context.Background()
	var client *s3.Client                         // such as s3.NewFromConfig gives
	key, err := age.ParseX25519Recipient("age1…") // of age-keygen; its other half does not lie on this server
	if err != nil {
		log.Fatal(err)
	}
	store := s3backup.Store{
		S3: client, Bucket: "shop-backups", Site: "shop",
		Recipients: []age.Recipient{key}, Events: func(e s3backup.Event) { fmt.Println(e) },
	}
	manifest, err := store.Backup(ctx, s3backup.Dump{Databases: []string{"shop"}}, s3backup.Options{})
	if err != nil {
		log.Fatal(err) // there is no new backup, and the earlier ones are unharmed
	}
	fmt.Println(manifest.ID, manifest.Rows(), manifest.Position)
}

// What there is, and the newest from before a mistake into the server of this machine. The databases are exchanged only
// once everything is loaded and compared.
func ExampleStore_Restore() {
	ctx := context.Background()
	var store s3backup.Store // as for Backup, and with Identities
	entries, err := store.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.ID, e.Manifest.Rows(), e.Verified(), e.Problem)
	}
	mistake := time.Date(2026, 11, 25, 9, 41, 0, 0, time.UTC)
	restored, err := store.Restore(ctx, s3backup.Select{Before: mistake}, s3backup.Target{Replace: true, KeepOld: true})
	if err != nil {
		log.Fatal(err) // the databases are as they were
	}
	fmt.Println(restored.Backup.ID, restored.Rows, restored.Took, restored.Old)
}

// A night's proof: the newest backup is restored into a scratch server, compared, and the verdict laid beside it. Prune
// deletes nothing for which no newer backup has such a verdict.
func ExampleStore_Verify() {
	ctx := context.Background()
	store := s3backup.Store{Keep: s3backup.Retention{Within: 24 * time.Hour, Daily: 14, Monthly: 12}}
	verdict, err := store.Verify(ctx, s3backup.Select{}, s3backup.Scratch{Dir: "/var/tmp"})
	if err != nil {
		log.Fatal(err) // nothing was found out
	}
	fmt.Println(verdict)
	decisions, err := store.Prune(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range decisions {
		fmt.Println(d)
	}
}

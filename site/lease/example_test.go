package lease_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/site/lease"
)

// One deploy at a time: the work's context ends when the lease is lost.
func ExampleAcquire() {
	client := s3.New(s3.Options{})
	bucket := lease.Bucket{S3: client, Name: "deployments", Key: "lock.json"}
	held, err := lease.Acquire(context.Background(), bucket, lease.Options{Owner: "ann@laptop", Purpose: "deploy", Wait: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	err = deploy(held.Context())
	fmt.Println(err, held.Release())
}

func deploy(context.Context) error { return nil }

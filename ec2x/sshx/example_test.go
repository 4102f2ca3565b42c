package sshx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// A script gets its values by Quote, its data by standard input, and says by its exit status how it went.
func ExampleLocal() {
	name := "it's; rm -rf /"
	err := sshx.Local{}.Run(context.Background(), sshx.Script{
		Text:   "echo " + sshx.Quote(name) + "\nwc -c | tr -d ' '\nexit 3",
		Stdin:  strings.NewReader("12345"),
		Stdout: os.Stdout,
	})
	var exit *sshx.ExitError
	fmt.Println(errors.As(err, &exit), exit.Status)
	// Output:
	// it's; rm -rf /
	// 5
	// true 3
}

// A server is waited for while it boots; its host key is known before the first contact.
func ExampleDial() {
	ctx, hostPublic, userPrivate := context.Background(), "ssh-ed25519 AAAA…", "-----BEGIN OPENSSH PRIVATE KEY-----…"
	web, err := sshx.Dial(ctx, sshx.Target{
		Name: "web-1", Addr: "192.0.2.10:22", User: "admin", Key: userPrivate, HostKey: hostPublic, Wait: 2 * time.Minute,
	})
	if err != nil {
		return
	}
	defer web.Close()
	_ = web.Run(ctx, sshx.Script{Text: "apt-get install -y nginx", Root: true})
	db, err := web.Dial(ctx, "unix", "/run/mysqld/mysqld.sock") // as web-1 sees it
	if err != nil {
		return
	}
	defer db.Close()
}

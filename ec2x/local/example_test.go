package local_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// From nothing to a command on a bare Debian server, and back to nothing.
func ExampleCloud() {
	ctx := context.Background()
	cloud, err := local.New(local.Options{Progress: func(e local.Event) { fmt.Fprintln(os.Stderr, e.Detail) }})
	if err != nil {
		log.Fatal(err)
	}
	defer cloud.Close()

	hostKey, _ := sshx.NewKey()
	userKey, public := sshx.NewKey()
	web, err := cloud.Launch(ctx, ec2x.Spec{
		Site: "shop", Name: "web-1", Roles: []string{"web"}, Ports: []uint16{80}, HostKey: hostKey, AuthorizedKey: public,
	})
	if err != nil {
		log.Fatal(err)
	}
	host, err := sshx.Dial(ctx, sshx.Target{
		Name: web.Name, Addr: web.SSH.String(), User: web.User, Key: userKey, HostKey: web.HostKey, Wait: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	if err := host.Run(ctx, sshx.Script{Text: "uname -a", Stdout: os.Stdout}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a browser reaches it at", web.Published[80])

	if err := cloud.Terminate(ctx, web.ID); err != nil {
		log.Fatal(err)
	}
	if err := cloud.Delete(ctx, "shop", ec2x.DeleteOptions{Data: true}); err != nil {
		log.Fatal(err)
	}
}

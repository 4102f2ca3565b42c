package operate_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

// An in-house tool brings a site up on the machine's own Docker and shows what happens. The program that runs it calls
// cli.Main, too: it becomes the agent on the servers.
func ExampleOperator_Up() {
	cloud, err := local.New(local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	o := operate.Operator{
		Site: site.AllInOne("shop", "www.shop.example", site.Rails("./shop")), Cloud: cloud, LockWait: time.Minute,
		Events: func(e site.Event) {
			if e.State == site.StepDone {
				fmt.Println(e.Server, e.Step, e.Elapsed)
			}
		},
	}
	result, err := o.Up(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.URL, result.Release)
}

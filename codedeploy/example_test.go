package codedeploy_test

import (
	"fmt"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// What is linked into every release must not overlap: removing one link would go through another into shared data.
func ExampleTarget_Validate() {
	target := codedeploy.Target{
		Host: sshx.Local{}, Root: "/var/www/shop", Owner: "deploy",
		LinkedDirs: []string{"log", "config"}, LinkedFiles: []string{"config/master.key"},
	}
	fmt.Println(target.Validate())
	target.LinkedDirs = []string{"log", "tmp"}
	fmt.Println(target.Validate())
	// Output:
	// codedeploy: target: linked path "config/master.key" lies within linked path "config"; link only one of them
	// <nil>
}

// Command program is the program of the site that a test is about.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/cli"
)

// value is the site.Site as JSON in base64. The linker sets it.
var value string

func main() {
	var s site.Site
	data, err := base64.StdEncoding.DecodeString(value)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(cli.Main(s))
}

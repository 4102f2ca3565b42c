// Command scalable is a site whose array of app servers grows and shrinks with its load.
//
//	go run ./examples/scalable simulate [-trace FILE.csv …] [-boot 60s,120s,180s] [-peak SERVERS] [-seeds 5] [-json]
//	go run ./examples/scalable whatif [-policy lead] LOG
//
// simulate replays recorded traffic under the default policy and under those of others, prints what each would have cost and how many requests would
// have suffered, and draws the day of the highest demand. A trace is a CSV file of `unix,requests`; several may follow -trace.
//
// whatif replays the decisions that a site wrote (autoscale.Log) with another policy, and shows where it would have differed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	verbs := map[string]func(args []string, out, progress io.Writer) error{"simulate": simulate, "whatif": whatIf}
	verb := verbs[append(os.Args, "")[1]]
	if verb == nil {
		fmt.Fprintln(os.Stderr, "usage: scalable simulate [flags] | scalable whatif [flags] LOG; -h lists the flags")
		os.Exit(2)
	}
	switch err := verb(os.Args[2:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "scalable:", err)
		os.Exit(1)
	}
}

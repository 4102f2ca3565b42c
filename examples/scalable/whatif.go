package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// whatIf prints to out how another policy would have done in place of the one that wrote a log, and what comes of the flags to progress.
func whatIf(args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("whatif", flag.ContinueOnError)
	flags.SetOutput(progress)
	name := flags.String("policy", "lead", "`policy` that is tried")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("whatif: %d logs; one is needed, as autoscale.Log writes it", flags.NArg())
	}
	trial, err := choose(policies(), list{*name})
	if err != nil {
		return err
	}
	file, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	records, err := autoscale.ReadLog(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	answer, err := sim.Replay(records, trial[0].Policy, sim.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	_, err = fmt.Fprint(out, answer)
	return err
}

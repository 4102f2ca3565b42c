// Package autoscale decides how many servers an array should have, and says why.
//
// A [Policy] is a pure function: a [View] of what was measured goes in, a [Decision] with its reasons comes out. The loop that asks it and acts is somebody
// else's, so a policy can be tested on a table of numbers (package autoscaletest), replayed over last week's traffic (package sim), and run beside another
// one without acting ([Shadow]):
//
//	p := autoscale.Guard{Policy: autoscale.Lead{}}
//	view.Memory = remembered
//	decision := p.Decide(view)
//	fmt.Println(decision) // 7 servers: 412 req/s now, 530 ± 21 in 120 s: 7
//	remembered = decision.Memory
//
// [Lead], the default, forecasts demand one boot time ahead and keeps the headroom that its own forecast errors ask for. [Track], [Step] and [Vote] are the
// rules that clouds offer. They stand in one another: [Schedule] puts floors and ceilings around a policy, [Hold] delays its scale-in, [Max] takes the
// largest of several, and [Guard] keeps any of them from doing harm. [Explain] prints what each stage made of a decision. [Victims] says which servers go.
//
// A policy of one's own is a [PolicyFunc] of five lines, or a type with memory: see the example CustomPolicy for one from its first line to its test. [Log]
// writes each decision with all that it was made from, and sim.Replay answers from such a log what another policy would have done.
//
// The package launches and ends no servers, measures nothing, reads no clock, and has no cooldowns: servers that boot count, with the time at which they
// should be ready.
package autoscale

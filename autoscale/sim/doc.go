// Package sim replays a trace against a simulated array, through the same Decide as in earnest, and says what a policy would have cost and how many requests
// would have been late:
//
//	t, err := sim.ReadFile("access.csv", 0)
//	r := sim.Run(t, autoscale.Lead{}, sim.Options{Boot: 2 * time.Minute})
//	fmt.Print(r.Report())
//
// A step is 10 s. A server answers 100 requests per second (8 workers, 80 ms each); requests wait in one queue; an answer after more than 500 ms, or none,
// violates. A server is billed from launch, serves after its boot time, and is billed for 30 s more when it is drained; one is always on. [Result.J], the
// score, is what was paid over what a clairvoyant would have paid, plus 1 for each per cent of requests that violate.
//
// [Compare] replays many policies ([Baselines] are those of clouds and orchestrators) on many traces ([Recorded], [Synthetic], [ReadFile]); [Frontiers]
// tells what safety costs; [Plot] draws a day; [Replay] answers "what if" from the log of a running site; [Faults] is what goes wrong.
//
// Servers are all alike and equally busy, requests all take the same work, and the database behind them never tires: the simulation compares policies, it
// does not size a site.
package sim

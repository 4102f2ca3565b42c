package sim_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// A recording is replayed under a policy: what it cost, who had to wait, and why.
func ExampleRun() {
	traces, err := sim.Recorded()
	if err != nil {
		panic(err)
	}
	fortnight := traces[0].Slice(0, 14*24*time.Hour) // the first week is not scored
	r := sim.Run(fortnight, autoscale.Lead{}, sim.Options{Boot: 2 * time.Minute, Peak: 20, Seed: 1})
	fmt.Printf("J %.2f = %.2f × optimum + %.2f %% of the requests too late\n%s", r.J(), r.Cost(), r.Violations(), r.Report())
	// Output:
	// J 1.51 = 1.46 × optimum + 0.05 % of the requests too late
	//   requests    205387585 in 7.0 days: 0.051 % violate, 0.001 % are rejected
	//   servers     1016 hours, 1.458 times the 697 of the optimum; boot time 2m0s
	//   saved       89 % of the 9240 hours of the largest size all the time
	//   changes     103 a day
	//   elasticity  0.0 % under for 0.1 % of the time, 59.7 % over for 92.0 %, instability 4.9 %
	//   worst       1995-07-13 18:15  23973 of 677188 requests, 30 servers; 591 req/s now, 1084 ± 154 in 120 s: 18; 34 with what was wanted lately
	//               1995-07-10 13:30  17840 of 446653 requests, 12 servers; 596 req/s now, 603 ± 57 in 120 s: 8
	//               1995-07-15 02:30  13237 of 338340 requests, 8 servers; 385 req/s now, 452 ± 48 in 120 s: 8
	//               1995-07-13 12:00  11280 of 730210 requests, 23 servers; 484 req/s now, 967 ± 80.2 in 120 s: 23
	//               1995-07-14 00:00  10530 of 118146 requests, 8 servers; 178 req/s now, 355 ± 45.6 in 120 s: 5; 11 with what was wanted lately
}

// What goes wrong in earnest can go wrong here.
func ExampleFaults() {
	traces, _ := sim.Recorded()
	days := traces[1].Slice(40*24*time.Hour, 48*24*time.Hour) // the first half is not scored
	for _, f := range []sim.Faults{
		{},
		{BootJitter: 0.3, FailedBoots: 0.1},
		{Lifetime: 24 * time.Hour},
		{Lag: time.Minute},
		{Blackouts: []sim.Blackout{{From: 6*24*time.Hour + 17*time.Hour, To: 6*24*time.Hour + 18*time.Hour}}},
	} {
		r := sim.Run(days, autoscale.Guard{}, sim.Options{Peak: 20, Seed: 1, Faults: f})
		fmt.Printf("cost %.2f, violations %.1f %%\n", r.Cost(), r.Violations())
	}
	// Output:
	// cost 1.13, violations 0.0 %
	// cost 1.17, violations 0.0 %
	// cost 1.13, violations 0.2 %
	// cost 1.16, violations 0.0 %
	// cost 1.13, violations 0.1 %
}

// Policies are compared on traces that none of them was made for.
func ExampleCompare() {
	rows := sim.Compare(sim.Study{
		Traces: []sim.Trace{sim.Synthetic(1)[0].Slice(0, 4*24*time.Hour)}, Boots: []time.Duration{2 * time.Minute}, Seeds: 1,
		Options:  sim.Options{Peak: 20}, // what the comparisons of the package scale to
		Policies: append(sim.Baselines(), sim.Named{Name: "lead", Policy: autoscale.Lead{}}),
	})
	if err := sim.Table(os.Stdout, rows); err != nil {
		panic(err)
	}
	// Output:
	// policy      J  J at 120s   cost  violations    worst  actions/day
	//                       lead  1.167      1.167  1.164     0.002 %  0.002 %           88
	//                    hpa-cpu  1.229      1.229  1.227     0.001 %  0.001 %           50
	//                        kpa  1.371      1.371  1.371     0.000 %  0.000 %          578
	//               hpa-requests  1.394      1.394  1.394     0.000 %  0.000 %           52
	//                delayed-off  1.414      1.414  1.414     0.000 %  0.000 %          426
	//                  peak-hold  1.680      1.680  1.680     0.000 %  0.000 %          143
	//                     voting  1.723      1.723  1.723     0.000 %  0.000 %           24
	//   target-tracking-requests  2.017      2.017  2.017     0.000 %  0.000 %           64
	//        target-tracking-cpu  2.018      2.018  2.018     0.000 %  0.000 %           67
	//                 predictive  2.036      2.036  2.036     0.000 %  0.000 %           58
}

// What does safety cost? For each limit on late answers the cheapest setting that keeps it.
func ExampleFrontiers() {
	study := sim.Study{Traces: []sim.Trace{sim.Synthetic(1)[0].Slice(0, 4*24*time.Hour)}, Boots: []time.Duration{2 * time.Minute}, Seeds: 1,
		Options: sim.Options{Peak: 20}}
	err := sim.Frontiers(os.Stdout, study, []float64{1, 0.1, 0.01}, []sim.Family{
		{Name: "lead, penalty", Settings: []float64{20, 85, 320, 1280}, Make: func(x float64) autoscale.Policy { return autoscale.Lead{Penalty: x} }},
		{Name: "hpa-cpu, target", Settings: []float64{0.4, 0.6, 0.8}, Make: func(x float64) autoscale.Policy { return sim.HPA{Target: x} }},
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// cost over optimum at violations of        ≤ 1 %      ≤ 0.1 %     ≤ 0.01 %
	//                        lead, penalty   1.136 (20)   1.136 (20)   1.164 (85)
	//                      hpa-cpu, target  1.227 (0.8)  1.227 (0.8)  1.227 (0.8)
}

// A recording of one's own: when, and how many requests in the interval that began then.
func ExampleRead() {
	t, err := sim.Read(strings.NewReader("unix,requests\n1772409600,310\n1772409900,295\n1772410200,402\n"), "access.csv", 0)
	fmt.Println(t.Start.Format(time.DateTime), t.Interval, t.Requests, err)
	_, err = sim.Read(strings.NewReader("unix,requests\n1772409600,310\n1772409900,many\n"), "access.csv", 0)
	fmt.Println(err)
	// Output:
	// 2026-03-02 00:00:00 5m0s [310 295 402] <nil>
	// sim: read trace "access.csv": line 3: "1772409900,many" is not unix,requests
}

// The picture shows the day of the highest demand, or any other time.
func ExamplePlot() {
	r := sim.Run(sim.Synthetic(1)[0].Slice(0, 4*24*time.Hour), autoscale.Lead{}, sim.Options{Peak: 20, Seed: 1})
	var svg strings.Builder
	if err := (sim.Plot{Title: "an office under lead"}).SVG(&svg, r); err != nil {
		panic(err)
	}
	fmt.Println(svg.String()[:49])
	// Output:
	// <svg xmlns="http://www.w3.org/2000/svg" viewBox="
}

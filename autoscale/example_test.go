package autoscale_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/siteblocks/siteblocks/autoscale"
	"github.com/siteblocks/siteblocks/autoscale/autoscaletest"
	"github.com/siteblocks/siteblocks/autoscale/sim"
)

// evening is what a policy is shown: here the last view of a made-up evening.
func evening() autoscale.View {
	turns := autoscaletest.At("19:00", 700).Ramp("30m", 400).Play(autoscale.Track{})
	return turns[len(turns)-1].View
}

// The shortest policy that is of use: servers at 70 % of their capacity, by the peak of the last ten minutes.
func ExamplePolicyFunc() {
	peak := autoscale.PolicyFunc(func(v autoscale.View) autoscale.Decision {
		demand, ok := v.Peak(10 * time.Minute)
		if !ok {
			return v.Stay("unknown", "nothing is known")
		}
		return v.To(v.Servers(demand, 0.7), "peak", "the peak of {demand} req/s", autoscale.Num("demand", demand))
	})
	fmt.Println(peak.Decide(evening()))
	// Output:
	// 7 servers: the peak of 498 req/s
}

// Lead launches before the demand is there.
func ExampleLead() {
	for _, turn := range autoscaletest.At("09:00", 200).Ramp("5m", 500).Stay("10m").Ramp("10m", 300).Play(autoscale.Lead{}) {
		if turn.Decision.Target != turn.View.Array.Size() {
			fmt.Println(turn.View.Now.Format("15:04:05"), turn.Decision)
		}
	}
	// Output:
	// 08:10:10 3 servers: 200 req/s now, 200 ± 24 in 120 s: 3
	// 08:26:10 2 servers: 200 req/s now, 200 ± 24 in 120 s: 2 are enough, and were for 45 s
	// 09:00:30 3 servers: 221 req/s now, 230 ± 24 in 120 s: 3
	// 09:01:30 4 servers: 280 req/s now, 309 ± 28 in 120 s: 4
	// 09:01:50 5 servers: 300 req/s are more than the servers answer, and 406 in 120 s if it goes on like this: 5
	// 09:02:20 6 servers: 330 req/s are more than the servers answer, and 443 in 120 s if it goes on like this: 6
	// 09:04:00 7 servers: 430 req/s now, 486 ± 43 in 120 s: 7
	// 09:05:10 8 servers: 495 req/s now, 556 ± 49.5 in 120 s: 8
	// 09:05:20 9 servers: 498 req/s now, 687 ± 49.8 in 120 s: 9
	// 09:07:40 8 servers: 500 req/s now, 605 ± 50 in 120 s: 8 are enough, and were for 45 s
	// 09:11:50 6 servers: 500 req/s now, 440 ± 50 in 120 s: 6 are enough, and were for 45 s
	// 09:15:20 7 servers: 496 req/s now, 475 ± 49.6 in 120 s: 7
	// 09:16:50 6 servers: 467 req/s now, 428 ± 46.7 in 120 s: 6 are enough, and were for 45 s
	// 09:20:10 5 servers: 400 req/s now, 358 ± 40 in 120 s: 5 are enough, and were for 45 s
	// 09:23:30 4 servers: 333 req/s now, 297 ± 33.3 in 120 s: 4 are enough, and were for 45 s
}

// Policies stand in one another: what each stage made of the decision is in its reasons.
func ExampleExplain() {
	office := autoscale.Rule{Name: "office", Days: []time.Weekday{time.Monday}, From: autoscale.At(8, 0), To: autoscale.At(20, 0), Floor: 8}
	p := autoscale.Guard{Policy: autoscale.Schedule{Rules: []autoscale.Rule{office}, Policy: autoscale.Track{}}}
	v := evening()
	fmt.Print(autoscale.Explain(v, p.Decide(v)))
	// Output:
	// now         7  7 ready, 0 booting, base 1
	// track       7  402 req/s need 5, the held peak of 498 req/s 7
	// schedule    8  the floor office lifts 7 to 8
	// guard       8  nothing to object
	// final       8  launch 1
}

// Rules are by the clock on the wall, the end not included.
func ExampleSchedule() {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	p := autoscale.Schedule{Zone: berlin, Policy: autoscale.Track{}, Rules: []autoscale.Rule{
		{Name: "ticket sale", Days: []time.Weekday{time.Friday}, From: autoscale.At(10, 0), To: autoscale.At(11, 0), Floor: 12},
		{Name: "night", From: autoscale.At(23, 0), To: autoscale.At(6, 0), Empty: true},
	}}
	v := evening()
	for _, at := range []time.Time{
		time.Date(2026, 3, 6, 9, 57, 0, 0, berlin), time.Date(2026, 3, 6, 9, 58, 0, 0, berlin),
		time.Date(2026, 3, 6, 10, 59, 59, 0, berlin), time.Date(2026, 3, 6, 23, 0, 0, 0, berlin),
	} {
		for i := range v.Window {
			v.Window[i].At = v.Window[i].At.Add(at.Sub(v.Now))
		}
		v.Now = at
		fmt.Println(at.Format("15:04:05"), p.Decide(v))
	}
	// Output:
	// 09:57:00 7 servers: 7 is within the floors and ceilings that hold now
	// 09:58:00 12 servers: the floor ticket sale lifts 7 to 12
	// 10:59:59 12 servers: the floor ticket sale lifts 7 to 12
	// 23:00:00 0 servers: the ceiling night lowers 7 to 0
}

// A trial policy runs beside the acting one and cannot act.
func ExampleShadow() {
	p := autoscale.Shadow{Acting: autoscale.Track{}, Trial: autoscale.Lead{}}
	turns := autoscaletest.At("09:00", 500).Ramp("10m", 900).Play(p)
	last := turns[len(turns)-1].Decision
	m, _ := autoscale.Recall[autoscale.ShadowMemory](last.Memory)
	fmt.Println(last)
	fmt.Printf("the trial wanted another size in %d of %d decisions\n", m.Different, m.Asked)
	// Output:
	// 12 servers: 893 req/s need 12, the held peak of 900 req/s 12
	// the trial wanted another size in 36 of 420 decisions
}

// A log of last week answers what another policy would have done.
func ExampleLog() {
	var file bytes.Buffer
	log := &autoscale.Log{Policy: autoscale.Track{Target: 0.5}, To: &file}
	autoscaletest.At("09:00", 500).Ramp("30m", 1500).Ramp("30m", 500).Stay("1h").Play(log)
	fmt.Println("written:", log.Err())

	records, err := autoscale.ReadLog(&file)
	fmt.Println(len(records), "decisions read:", err)
	whatIf, _ := sim.Replay(records, autoscale.Track{Target: 0.8}, sim.Options{})
	fmt.Print(whatIf)
	// Output:
	// written: <nil>
	// 1080 decisions read: <nil>
	// was        43.8 server hours,  2.098 times optimum,  0.000 % of the requests violate,  328 changes a day
	// would      29.2 server hours,  1.397 times optimum,  0.000 % of the requests violate,  200 changes a day
	// 1027 of 1080 decisions differ
	//   2026-03-02 08:00:10
	//     was    9 servers: 500 req/s at 50 % a server need 9
	//     would  7 servers: 500 req/s need 6, the held peak of 500 req/s 6
	//   2026-03-02 08:09:10
	//     was    9 servers: 500 req/s need 9, the held peak of 500 req/s 9
	//     would  6 servers: the peak of the last minutes, 500 req/s at 80 % a server, needs 6
	//   2026-03-02 08:09:20
	//     was    9 servers: 500 req/s need 9, the held peak of 500 req/s 9
	//     would  6 servers: the peak of the last minutes, 500 req/s at 80 % a server, needs 6
}

// Those that boot serve nobody yet; of the others the emptiest goes first.
func ExampleChoose() {
	v := autoscale.View{Array: autoscale.Array{Servers: []autoscale.Server{
		{ID: "app-1", State: autoscale.Ready, Busy: 0.6},
		{ID: "app-2", State: autoscale.Ready, Busy: 0.2},
		{ID: "app-3", State: autoscale.Draining},
		{ID: "app-4", State: autoscale.Booting},
	}}}
	for _, s := range autoscale.Choose(autoscale.LeastBusy{}, v, 2) {
		fmt.Println(s.ID)
	}
	// Output:
	// app-4
	// app-2
}

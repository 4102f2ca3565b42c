package mysqlrepl

import (
	"cmp"
	"fmt"
	"time"
)

// Picture is what an observer knows of a pair at one moment.
type Picture struct {
	Epoch   Epoch
	Problem string // why Epoch could not be read; empty where it was
	Servers [2]Observation
}

// Observation is what an observer knows of one server.
type Observation struct {
	Server string
	Status *Status       // the latest answer; nil where there never was one
	Silent time.Duration // since the latest answer; 0 says that the latest question was answered
	// Refused says that the host answered, and that no server listens there. It tells a dead server from a hung one.
	Refused bool
	Problem string // what the latest question met; empty where it was answered
	// Unheard is for how long the server, as a replica, has received nothing of its source: neither a transaction nor
	// a heartbeat. 0 says that it did between the latest two answers.
	Unheard time.Duration
	// Startable says that a server which is down can be started from here: its Process is known.
	Startable bool
	// Stuck is for how long a write has been waiting on the server, as a source. 0 is not at all.
	Stuck time.Duration
}

// Limits say how patient Analyse is. The zero value is right for two servers within one region.
type Limits struct {
	Dead    time.Duration // a source that is refused and unheard is dead after this; zero is 300 ms
	Hung    time.Duration // a source that is silent and unheard is given up after this; zero is 1.5 s
	Degrade time.Duration // a source whose writes wait for a replica goes on without it after this; zero is 1.5 s
	Lag     time.Duration // a replica further behind is reported; zero is 30 s
}

func (l Limits) orDefault() Limits {
	return Limits{
		Dead: cmp.Or(l.Dead, 300*time.Millisecond), Hung: cmp.Or(l.Hung, 1500*time.Millisecond),
		Degrade: cmp.Or(l.Degrade, 1500*time.Millisecond), Lag: cmp.Or(l.Lag, 30*time.Second),
	}
}

// State is how a pair stands.
type State string

// The states.
const (
	Healthy       State = "healthy"        // the source writes, the replica acknowledges
	Degraded      State = "degraded"       // the source writes alone, and the epoch says so
	SourceDead    State = "source dead"    // nothing listens there any more
	SourceHung    State = "source hung"    // silent, or its writes stand still
	ReplicaBroken State = "replica broken" // it is gone, does not follow, or cannot apply what it receives
	CutOff        State = "cut off"        // observer, source and replica do not all reach each other
	Unfinished    State = "unfinished"     // the servers do not yet do what the epoch says
	Diverged      State = "diverged"       // the replica has transactions that the source lacks
	Unclear       State = "unclear"        // what is known does not suffice to say
)

// Action is what follows from a state.
type Action string

// The actions. Each is a method of Pair.
const (
	Nothing  Action = "nothing"
	Failover Action = "failover" // make the replica the source
	Degrade  Action = "degrade"  // let the source write without acknowledgment
	Restore  Action = "restore"  // let the source wait for its replica again
	Settle   Action = "settle"   // make the servers do what the epoch says
	Rejoin   Action = "rejoin"   // make the other server follow the epoch's source
)

// Analysis says how a pair stands, what follows and why. The reason is a sentence for a person; it names the servers.
type Analysis struct {
	State  State
	Action Action
	Reason string
	Remedy string // what a person can do; empty where nothing is needed
}

// Analyse says how a pair stands and what follows from it. It is a pure function: equal pictures give equal answers.
// It never proposes a failover of a source that its replica still hears, nor one to a replica that may lack
// transactions which the source has acknowledged.
func Analyse(p Picture, l Limits) Analysis {
	v := view{Picture: p, limits: l.orDefault()}
	if p.Problem != "" {
		return Analysis{Unclear, Nothing, "the epoch cannot be read: " + p.Problem, "mend the epoch's store; nothing is promoted without it"}
	}
	if p.Epoch.Number == 0 {
		return Analysis{Unclear, Nothing, "there is no epoch yet", "run Setup"}
	}
	for i, o := range p.Servers {
		if o.Server == p.Epoch.Source {
			v.source, v.replica = o, p.Servers[1-i]
		}
	}
	if v.source.Server == "" {
		return Analysis{Unclear, Nothing, fmt.Sprintf("%s, which is neither of the two servers", p.Epoch), "correct the servers' names"}
	}
	for _, rule := range rules {
		if a, applies := rule(v); applies {
			return a
		}
	}
	return Analysis{Healthy, Nothing, fmt.Sprintf("%s writes, %s acknowledges", v.source.Server, v.replica.Server), ""}
}

// view is a picture in which the roles are known.
type view struct {
	Picture
	limits          Limits
	source, replica Observation
}

// rules are asked in this order; the first that applies decides.
var rules = []func(view) (Analysis, bool){
	neitherAnswers, sourceSilent, unfinished, diverged, replicaSilent, notFollowing, cannotReceive, cannotApply, unheard, alone, notWaiting, stuck, behind,
}

func (o Observation) answers() bool { return o.Silent == 0 && o.Status != nil }

func neitherAnswers(v view) (Analysis, bool) {
	if v.source.answers() || v.replica.answers() {
		return Analysis{}, false
	}
	if v.source.Refused && v.replica.Refused && v.source.Startable && v.source.Silent >= v.limits.Hung && v.replica.Silent >= v.limits.Hung {
		return Analysis{Unfinished, Settle, fmt.Sprintf("both servers are down; %s was source and is started", v.source.Server), ""}, true
	}
	return Analysis{Unclear, Nothing, fmt.Sprintf("neither server answers: %s; %s", v.source.Problem, v.replica.Problem),
		"start the servers, or look whether this observer is cut off"}, true
}

// sourceSilent decides what the silence of a source is worth.
func sourceSilent(v view) (Analysis, bool) {
	if v.source.answers() {
		return Analysis{}, false
	}
	return v.silence(), true
}

func (v view) silence() Analysis {
	s, r := v.source, v.replica
	dead := Analysis{State: SourceHung, Action: Nothing, Reason: fmt.Sprintf("%s has not answered for %s", s.Server, rounded(s.Silent))}
	patience := v.limits.Hung
	if s.Refused {
		dead.State, dead.Reason, patience = SourceDead, s.Server+" refuses connections", v.limits.Dead
	}
	follows := r.Status.Replica
	switch {
	case v.Epoch.Degraded != "" && s.Refused && s.Startable && s.Silent >= v.limits.Hung:
		dead.Action, dead.Reason = Settle, dead.Reason+fmt.Sprintf(", and is started: %s may lack what it accepted without acknowledgment (%s)", r.Server, v.Epoch.Degraded)
	case v.Epoch.Degraded != "":
		dead.Reason += fmt.Sprintf("; %s does not take over, as it may lack what %s accepted without acknowledgment (%s)", r.Server, s.Server, v.Epoch.Degraded)
		dead.Remedy = "bring " + s.Server + " back; a Failover that accepts the loss says what it loses"
	case r.Status.Writable || follows == nil:
		dead.State, dead.Reason = Unclear, dead.Reason+fmt.Sprintf("; %s follows nobody", r.Server)
		dead.Remedy = "bring " + s.Server + " back"
	case follows.Receiver.State == ThreadRunning && r.Unheard < v.limits.Hung:
		dead.State, dead.Reason = CutOff, fmt.Sprintf("%s does not answer here, but %s still hears it", s.Server, r.Server)
		dead.Remedy = "mend the network between here and " + s.Server
	case follows.Applier.Number != 0:
		dead.Reason += fmt.Sprintf("; %s cannot take over, as it cannot apply what it received: %s", r.Server, follows.Applier.Error)
		dead.Remedy = "mend the applier of " + r.Server
	case s.Silent < patience:
		dead.State, dead.Reason = Unclear, dead.Reason+fmt.Sprintf("; given up after %s", patience)
	default:
		dead.Action, dead.Reason = Failover, dead.Reason+fmt.Sprintf(", and %s does not hear it either", r.Server)
	}
	return dead
}

// diverged looks at a replica that neither receives nor writes, since the positions of any other move between two questions.
func diverged(v view) (Analysis, bool) {
	r := v.replica
	if !r.answers() || r.Status.Replica != nil && r.Status.Replica.Receiver.State == ThreadRunning {
		return Analysis{}, false
	}
	own := r.Status.Executed.Minus(v.source.Status.Executed)
	if own.IsEmpty() {
		return Analysis{}, false
	}
	a := Analysis{Diverged, Nothing, fmt.Sprintf("%s has transactions that %s lacks: %s", r.Server, v.source.Server, own),
		fmt.Sprintf("look at them, then Reseed %s, which discards them", r.Server)}
	if v.Epoch.Degraded == "" && v.source.Status.SemiSync.Waits && v.source.Stuck >= v.limits.Degrade {
		a.Action = Degrade
	}
	return a, true
}

func unfinished(v view) (Analysis, bool) {
	switch {
	case v.replica.answers() && v.replica.Status.Writable:
		return Analysis{Unfinished, Settle, fmt.Sprintf("%s accepts writes, but %s", v.replica.Server, v.Epoch), ""}, true
	case !v.source.Status.Writable:
		return Analysis{Unfinished, Settle, fmt.Sprintf("%s does not accept writes, but %s", v.source.Server, v.Epoch), ""}, true
	}
	return Analysis{}, false
}

func replicaSilent(v view) (Analysis, bool) {
	if v.replica.answers() {
		return Analysis{}, false
	}
	if v.Epoch.Degraded != "" && v.replica.Refused && v.replica.Startable {
		return Analysis{ReplicaBroken, Rejoin, v.replica.Server + " is down", ""}, true
	}
	return v.without(fmt.Sprintf("%s has not answered for %s: %s", v.replica.Server, rounded(v.replica.Silent), v.replica.Problem),
		v.replica.Silent, "bring "+v.replica.Server+" back"), true
}

// without is what follows where the replica does not acknowledge, for a time that has lasted so long.
func (v view) without(reason string, lasted time.Duration, remedy string) Analysis {
	switch {
	case v.Epoch.Degraded != "":
		return Analysis{Degraded, Nothing, reason, remedy}
	case lasted >= v.limits.Degrade:
		return Analysis{ReplicaBroken, Degrade, reason + "; writes wait for it", remedy}
	}
	return Analysis{Unclear, Nothing, reason + fmt.Sprintf("; given up after %s", v.limits.Degrade), ""}
}

func notFollowing(v view) (Analysis, bool) {
	r := v.replica.Status.Replica
	switch {
	case r == nil:
		return v.mend(v.replica.Server + " follows nobody"), true
	case r.SourceID != 0 && r.SourceID != v.source.Status.ServerID:
		return v.mend(fmt.Sprintf("%s follows %s, which is not %s", v.replica.Server, r.Source, v.source.Server)), true
	case r.Receiver.State == ThreadStopped && r.Receiver.Number == 0, r.Applier.State == ThreadStopped && r.Applier.Number == 0:
		return v.mend(v.replica.Server + " has stopped to follow"), true
	case !v.replica.Status.SemiSync.Acknowledges:
		return v.mend(v.replica.Server + " does not acknowledge what it receives"), true
	}
	return Analysis{}, false
}

// mend has the replica follow again, which takes less than a second, unless writes have waited for too long already.
func (v view) mend(reason string) Analysis {
	if v.Epoch.Degraded == "" && v.source.Stuck >= v.limits.Degrade {
		return Analysis{ReplicaBroken, Degrade, reason + "; writes wait for it", ""}
	}
	return Analysis{ReplicaBroken, Rejoin, reason, ""}
}

func cannotReceive(v view) (Analysis, bool) {
	r := v.replica.Status.Replica.Receiver
	if r.State != ThreadStopped {
		return Analysis{}, false
	}
	a := v.without(fmt.Sprintf("%s cannot receive: %s", v.replica.Server, r.Error), max(v.source.Stuck, v.replica.Unheard), "Reseed "+v.replica.Server)
	a.State = ReplicaBroken
	return a, true
}

func cannotApply(v view) (Analysis, bool) {
	a := v.replica.Status.Replica.Applier
	if a.Number == 0 {
		return Analysis{}, false
	}
	return Analysis{ReplicaBroken, Nothing, fmt.Sprintf("%s cannot apply what it received: %s", v.replica.Server, a.Error),
		fmt.Sprintf("mend it or Reseed %s; until then it still acknowledges, but cannot take over", v.replica.Server)}, true
}

func unheard(v view) (Analysis, bool) {
	r := v.replica
	if r.Status.Replica.Receiver.State == ThreadRunning && r.Unheard < v.limits.Hung {
		return Analysis{}, false
	}
	a := v.without(fmt.Sprintf("%s has not heard %s for %s", r.Server, v.source.Server, rounded(r.Unheard)), r.Unheard, "mend the network between the two servers")
	if a.State != Unclear {
		a.State = CutOff
	}
	return a, true
}

// alone asks whether a source that wrote alone has its replica back.
func alone(v view) (Analysis, bool) {
	r := v.replica.Status.Replica
	if v.Epoch.Degraded == "" {
		return Analysis{}, false
	}
	if missing := v.source.Status.Executed.Minus(r.Received).Count(); missing > catchUp || r.Lag < 0 || r.Lag > v.limits.Lag {
		return Analysis{Degraded, Nothing, fmt.Sprintf("%s is still %d transactions behind", v.replica.Server, missing), ""}, true
	}
	return Analysis{Degraded, Restore, fmt.Sprintf("%s follows again", v.replica.Server), ""}, true
}

// catchUp is how many transactions a replica may still lack when the source begins to wait for it again.
const catchUp = 1000

func notWaiting(v view) (Analysis, bool) {
	if v.source.Status.SemiSync.Waits {
		return Analysis{}, false
	}
	return Analysis{Unfinished, Settle, fmt.Sprintf("%s does not wait for acknowledgments, and the epoch does not say that it need not", v.source.Server), ""}, true
}

func stuck(v view) (Analysis, bool) {
	if v.source.Stuck < v.limits.Hung {
		return Analysis{}, false
	}
	return Analysis{SourceHung, Nothing, fmt.Sprintf("a write on %s has waited for %s, while %s still hears it", v.source.Server, rounded(v.source.Stuck), v.replica.Server),
		fmt.Sprintf("look at the disk and the locks of %s; a Switchover or Failover moves the role", v.source.Server)}, true
}

func behind(v view) (Analysis, bool) {
	r := v.replica.Status.Replica
	if r.Lag <= v.limits.Lag {
		return Analysis{}, false
	}
	return Analysis{Healthy, Nothing, fmt.Sprintf("%s is %s behind; a failover would have to wait for that", v.replica.Server, rounded(r.Lag)), "find what holds its applier up"}, true
}

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

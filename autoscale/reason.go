package autoscale

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Reason is why one stage of a decision wants what it wants: the log line, the test's message and the screen show the same sentence.
type Reason struct {
	Stage   string  // who speaks: "lead", "schedule", "guard"; empty for a policy of one stage
	Target  int     // servers wanted after this stage
	Code    string  // what a program compares, such as "stale"
	Numbers Numbers // what the sentence is about
	Text    string  // the sentence; {name} stands for the number of that name
}

// Number is a named figure of a reason.
type Number struct {
	Name  string
	Value float64
}

// Num names a figure for a reason.
func Num[T ~int | ~int64 | ~float64](name string, value T) Number {
	return Number{Name: name, Value: float64(value)}
}

// Numbers are the figures of a reason, in the order of the sentence.
type Numbers []Number

// Of is the number of that name; NaN where there is none.
func (n Numbers) Of(name string) float64 {
	for _, one := range n {
		if one.Name == name {
			return one.Value
		}
	}
	return math.NaN()
}

// String is the sentence with its numbers in place.
func (r Reason) String() string {
	var out strings.Builder
	rest := r.Text
	for {
		open := strings.IndexByte(rest, '{')
		end := strings.IndexByte(rest[max(open, 0):], '}')
		if open < 0 || end < 0 {
			out.WriteString(rest)
			return out.String()
		}
		out.WriteString(rest[:open])
		name := rest[open+1 : open+end]
		switch x := r.Numbers.Of(name); {
		case !slices.ContainsFunc(r.Numbers, func(n Number) bool { return n.Name == name }):
			out.WriteString(rest[open : open+end+1])
		case math.IsNaN(x):
			out.WriteString("unknown")
		default:
			out.WriteString(figure(x))
		}
		rest = rest[open+end+1:]
	}
}

// figure prints x as a person would: three digits, no exponent.
func figure(x float64) string {
	digits := 0
	if a := math.Abs(x); a < 100 && a != math.Trunc(a) {
		digits = 1
		if a < 10 {
			digits = 2
		}
	}
	s := strconv.FormatFloat(x, 'f', digits, 64)
	if digits > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

type reasonJSON struct {
	Stage   string             `json:"stage,omitempty"`
	Target  int                `json:"target"`
	Code    string             `json:"code"`
	Text    string             `json:"text"`
	Numbers map[string]float64 `json:"numbers,omitempty"`
	Order   []string           `json:"order,omitempty"`
}

// MarshalJSON writes the finished sentence beside its numbers.
func (r Reason) MarshalJSON() ([]byte, error) {
	out := reasonJSON{Stage: r.Stage, Target: r.Target, Code: r.Code, Text: r.String()}
	for _, n := range r.Numbers {
		if math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
			continue
		}
		if out.Numbers == nil {
			out.Numbers = map[string]float64{}
		}
		out.Numbers[n.Name] = n.Value
		out.Order = append(out.Order, n.Name)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Reason) UnmarshalJSON(data []byte) error {
	var in reasonJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Reason{Stage: in.Stage, Target: in.Target, Code: in.Code, Text: in.Text}
	for _, name := range in.Order {
		r.Numbers = append(r.Numbers, Number{name, in.Numbers[name]})
	}
	return nil
}

// String is the decision on one line: its target and the sentence of the stage that had the last word.
func (d Decision) String() string {
	if len(d.Reasons) == 0 {
		return fmt.Sprintf("%d servers", d.Target)
	}
	return fmt.Sprintf("%d servers: %s", d.Target, d.Reasons[len(d.Reasons)-1])
}

// Explain is the chain of a decision, a line for each stage: what the policy wanted at first, what each later stage made of it, and what came out.
func Explain(v View, d Decision) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-9s %3d  %d ready, %d booting, base %s\n", "now", v.Array.Size(), v.Array.Ready(), v.Array.Booting(), figure(v.Array.Base))
	for _, r := range d.Reasons {
		stage := r.Stage
		if stage == "" {
			stage = "policy"
		}
		fmt.Fprintf(&out, "%-9s %3d  %s\n", stage, r.Target, r)
	}
	fmt.Fprintf(&out, "%-9s %3d  %s\n", "final", d.Target, change(d.Target-v.Array.Size()))
	return out.String()
}

func change(n int) string {
	switch {
	case n > 0:
		return fmt.Sprintf("launch %d", n)
	case n < 0:
		return fmt.Sprintf("drain %d", -n)
	}
	return "keep"
}

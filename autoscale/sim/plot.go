package sim

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

// Plot is a picture of a replay: demand, capacity, violations and decisions over time. The zero value shows the day around the highest demand.
type Plot struct {
	Title    string
	From, To time.Time // zero: 12 hours before and after the highest demand that was scored
	Width    int       // in pixels; zero: 1200
}

const (
	plotLeft, plotRight, plotTop = 64.0, 24.0, 84.0
	plotHeight, laneHeight       = 330.0, 64.0
)

const plotStyle = `<style>
text{font:13px system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,sans-serif;fill:#47536b}
.title{font-size:19px;font-weight:600;fill:#16203a}.sub{font-size:13px;fill:#66728a}.tick{font-size:11.5px;fill:#8a94a8}
.grid{stroke:#e6eaf1;stroke-width:1}.axis{stroke:#c3cad8;stroke-width:1}
.demand{fill:url(#water);stroke:none}.shore{fill:none;stroke:#2f6fed;stroke-width:1.4;stroke-linejoin:round}
.capacity{fill:none;stroke:#16203a;stroke-width:1.8}.spare{fill:#f3b33d;fill-opacity:.17;stroke:none}
.late{fill:#d92d3a}.up{fill:#17915a}.down{fill:#8b5cc7}
</style>
<defs><linearGradient id="water" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#2f6fed" stop-opacity=".42"/><stop offset="1" stop-color="#2f6fed" stop-opacity=".10"/></linearGradient></defs>
`

// canvas maps steps and requests per second to the picture.
type canvas struct {
	strings.Builder
	r           *Result
	from, to    int // steps
	width, high float64
}

// SVG writes the picture. Each decision shows its reason when pointed at.
func (p Plot) SVG(w io.Writer, r *Result) error {
	c := &canvas{r: r, width: 1200}
	if p.Width > 0 {
		c.width = float64(p.Width)
	}
	c.window(p)
	height := plotTop + plotHeight + laneHeight + 62
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img">`+"\n", c.width, height, c.width, height)
	c.WriteString(plotStyle)
	fmt.Fprintf(c, `<rect width="%g" height="%g" fill="#fff"/>`+"\n", c.width, height)
	c.head(p.Title)
	c.grid()
	c.curves()
	c.late()
	c.decisions()
	c.WriteString("</svg>\n")
	_, err := io.WriteString(w, c.String())
	return err
}

func (c *canvas) window(p Plot) {
	l := c.r.load
	step := func(t time.Time) int { return int(t.Sub(l.Trace.Start) / Step) }
	c.from, c.to = step(p.From), step(p.To)
	if p.From.IsZero() || p.To.IsZero() {
		peak := l.warm
		for i := l.warm; i < len(l.Rate); i++ {
			if l.Rate[i] > l.Rate[peak] {
				peak = i
			}
		}
		half := steps(12 * time.Hour)
		c.from = max(l.warm, min(peak-half, len(l.Rate)-2*half))
		c.to = c.from + 2*half
	}
	c.from = max(0, min(c.from, len(l.Rate)-2))
	c.to = max(c.from+2, min(c.to, len(l.Rate)))
	for i := c.from; i < c.to; i++ {
		c.high = max(c.high, c.capacity(i), float64(l.Arrivals[i])/Step.Seconds())
	}
	c.high = max(c.high*1.06, 1)
}

func (c *canvas) capacity(i int) float64 {
	o := c.r.load.Options
	return (float64(c.r.ready[i]) + o.Base) * o.Capacity
}

func (c *canvas) x(i float64) float64 {
	return plotLeft + (i-float64(c.from))/float64(c.to-c.from)*(c.width-plotLeft-plotRight)
}
func (c *canvas) y(rate float64) float64 { return plotTop + plotHeight*(1-rate/c.high) }

func (c *canvas) head(title string) {
	r := c.r
	if title == "" {
		title = r.load.Trace.Name
	}
	fmt.Fprintf(c, `<text class="title" x="%g" y="34">%s</text>`+"\n", plotLeft, html.EscapeString(title))
	fmt.Fprintf(c, `<text class="sub" x="%g" y="56">J %.3f · cost %.3f × optimum · %.3f %% of requests violate · %.0f actions a day · boot %s</text>`+"\n",
		plotLeft, r.J(), r.Cost(), r.Violations(), r.ActionsPerDay(), r.load.Options.Boot)
	x := c.width - plotRight
	for _, key := range []struct{ class, name string }{{"down", "scale in"}, {"up", "scale out"}, {"late", "violations"}, {"spare", "spare"}, {"capacity", "capacity"}, {"shore", "demand"}} {
		x -= float64(len(key.name)) * 7.4
		fmt.Fprintf(c, `<text x="%.0f" y="34" class="sub">%s</text>`, x, key.name)
		x -= 20
		switch key.class {
		case "shore", "capacity":
			fmt.Fprintf(c, `<path class="%s" d="M%.0f 30h14"/>`+"\n", key.class, x)
		default:
			fmt.Fprintf(c, `<rect class="%s" x="%.0f" y="24" width="12" height="12" rx="2"/>`+"\n", key.class, x)
		}
		x -= 18
	}
}

func (c *canvas) grid() {
	right, bottom := c.width-plotRight, plotTop+plotHeight
	unit := nice(c.high / 6)
	each := c.r.load.Options.Capacity
	for rate := 0.0; rate <= c.high; rate += unit {
		y := c.y(rate)
		fmt.Fprintf(c, `<path class="grid" d="M%g %.1fH%g"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%g</text>`+"\n", plotLeft, y, right, plotLeft-8, y+4, rate)
	}
	fmt.Fprintf(c, `<text class="tick" x="%g" y="%g">requests per second; a server answers %g</text>`+"\n", plotLeft, plotTop-10, each)
	start := c.r.load.Trace.Start
	span := time.Duration(c.to-c.from) * Step
	tick := time.Minute
	for _, tick = range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		if span/tick <= 14 {
			break
		}
	}
	format := "15:04"
	if tick >= 24*time.Hour {
		format = "2 Jan"
	}
	first := start.Add(time.Duration(c.from) * Step)
	for at := first.Truncate(tick); !at.After(first.Add(span)); at = at.Add(tick) {
		x := c.x(float64(at.Sub(start)) / float64(Step))
		if x < plotLeft {
			continue
		}
		fmt.Fprintf(c, `<path class="grid" d="M%.1f %gV%g"/><text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n",
			x, plotTop, bottom+laneHeight, x, bottom+laneHeight+18, at.Format(format))
	}
	fmt.Fprintf(c, `<path class="axis" d="M%g %gH%g"/>`+"\n", plotLeft, bottom, right)
	fmt.Fprintf(c, `<text class="tick" x="%g" y="%g" text-anchor="end">%s UTC</text>`+"\n", right, bottom+laneHeight+40, first.Format("Monday 2 January 2006"))
}

// nice is the next round number above x: 1, 2 or 5 times a power of ten.
func nice(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x {
			return m * power
		}
	}
	return 10 * power
}

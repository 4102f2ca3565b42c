package sim

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// curves draws demand, one point for each pixel, and capacity as stairs. What lies between them is what was paid for and not needed.
func (c *canvas) curves() {
	pixels := int(c.width - plotLeft - plotRight)
	per := max(1, (c.to-c.from)/pixels)
	var shore, stairs strings.Builder
	previous := -1.0
	for i := c.from; i < c.to; i += per {
		sum, n := 0.0, 0
		for k := i; k < min(i+per, c.to); k++ {
			sum += float64(c.r.load.Arrivals[k]) / Step.Seconds()
			n++
		}
		letter := "L"
		if i == c.from {
			letter = "M"
		}
		fmt.Fprintf(&shore, "%s%.1f %.1f", letter, c.x(float64(i)+float64(n)/2), c.y(sum/float64(n)))
	}
	for i := c.from; i < c.to; i++ {
		capacity := c.capacity(i)
		switch {
		case previous < 0:
			fmt.Fprintf(&stairs, "M%.1f %.1f", c.x(float64(i)), c.y(capacity))
		case capacity != previous:
			fmt.Fprintf(&stairs, "H%.1fV%.1f", c.x(float64(i)), c.y(capacity))
		}
		previous = capacity
	}
	left, right, bottom := c.x(float64(c.from)), c.x(float64(c.to)), c.y(0)
	fmt.Fprintf(&stairs, "H%.1f", right)
	fmt.Fprintf(c, `<path class="spare" d="%sV%.1fH%.1fZ"/>`+"\n", &stairs, bottom, left)
	fmt.Fprintf(c, `<path d="%sV%.1fH%.1fZ" fill="#fff"/><path class="demand" d="%sV%.1fH%.1fZ"/>`+"\n", &shore, bottom, left, &shore, bottom, left)
	fmt.Fprintf(c, `<path class="shore" d="%s"/><path class="capacity" d="%s"/>`+"\n", &shore, &stairs)
}

// late marks the steps with violations, as tall as their share of the requests.
func (c *canvas) late() {
	bottom := plotTop + plotHeight
	for i := c.from; i < c.to; i++ {
		violated := float64(c.r.violated[i])
		if violated < 1 {
			continue
		}
		share := min(1, violated/max(1, float64(c.r.load.Arrivals[i])))
		height := 4 + 20*share
		at := c.r.load.Trace.Start.Add(time.Duration(i) * Step)
		fmt.Fprintf(c, `<rect class="late" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %.0f requests, %.0f %%</title></rect>`+"\n",
			c.x(float64(i)), bottom-height, max(1.5, c.x(1)-c.x(0)), height, at.Format("15:04:05"), violated, 100*share)
	}
}

// decisions puts a triangle for each change of the size into the lane below, larger for more servers.
func (c *canvas) decisions() {
	middle := plotTop + plotHeight + laneHeight/2
	fmt.Fprintf(c, `<text class="tick" x="%g" y="%g" text-anchor="end">out</text><text class="tick" x="%g" y="%g" text-anchor="end">in</text>`+"\n",
		plotLeft-8, middle-8, plotLeft-8, middle+18)
	fmt.Fprintf(c, `<path class="grid" d="M%g %gH%g"/>`+"\n", plotLeft, middle, c.width-plotRight)
	for _, change := range c.r.Changes {
		i := float64(change.At.Sub(c.r.load.Trace.Start)) / float64(Step)
		if i < float64(c.from) || i >= float64(c.to) {
			continue
		}
		n := change.To - change.From
		class, sign, size := "up", -1.0, 4+2*min(7, float64(n))
		if n < 0 {
			class, sign, size = "down", 1, 4+2*min(7, float64(-n))
		}
		why := ""
		if len(change.Reasons) > 0 {
			why = change.Reasons[len(change.Reasons)-1].String()
		}
		x := c.x(i)
		fmt.Fprintf(c, `<path class="%s" d="M%.1f %.1fl%.1f %.1fh%.1fZ"><title>%s: %d to %d: %s</title></path>`+"\n", class, x, middle+sign*(size+4), -size/2, -sign*size, size,
			change.At.Format("15:04:05"), change.From, change.To, html.EscapeString(why))
	}
}

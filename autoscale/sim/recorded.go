package sim

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"slices"
	"sync"
)

//go:embed traces
var traces embed.FS

// Recorded are the traces that come with the package, both from the Internet Traffic Archive, in requests per minute: a web server of NASA's Kennedy Space
// Center in July 1995, and the site of the football World Cup of 1998 from May to July. What may be done with them is said in traces/NOTICE.txt.
func Recorded() ([]Trace, error) {
	read, err := recorded()
	out := slices.Clone(read)
	for i := range out {
		out[i].Requests = slices.Clone(out[i].Requests)
	}
	return out, err
}

var recorded = sync.OnceValues(func() ([]Trace, error) {
	var out []Trace
	for _, name := range []string{"nasa-jul95", "worldcup98"} {
		packed, err := traces.ReadFile("traces/" + name + ".csv.gz")
		if err != nil {
			return nil, fmt.Errorf("sim: recorded trace %q: %w", name, err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("sim: recorded trace %q: %w", name, err)
		}
		t, err := Read(r, name, 0)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
})

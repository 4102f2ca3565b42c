package haproxycfg_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/haproxycfg"
)

func Example() {
	file, err := haproxycfg.Render(haproxycfg.Config{
		Name: "shop",
		Frontends: []haproxycfg.Frontend{{
			Name:    "web",
			Binds:   []haproxycfg.Bind{{Addr: netip.MustParseAddrPort("127.0.0.1:8000")}},
			Backend: "app",

			TrustForwarded: true, // Apache is in front
		}},
		Backends: []haproxycfg.Backend{{
			Name:  "app",
			Check: haproxycfg.Check{Path: "/up", Host: "www.shop.example"},
			Servers: []haproxycfg.Server{
				{Name: "web-1", Addr: netip.MustParseAddrPort("10.0.1.11:3001"), Weight: 25},
				{Name: "app-1", Addr: netip.MustParseAddrPort("10.0.1.21:3001"), Weight: 100},
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, sections, _ := bytes.Cut(file, []byte("load-server-state-from-file global\n\n"))
	os.Stdout.Write(sections)
	// Output:
	// frontend web
	//     bind 127.0.0.1:8000
	//
	//     # After a reload the old process answers a client once more before it closes, so that no request is lost.
	//     option idle-close-on-response
	//
	//     default_backend app
	//
	// backend app
	//     balance roundrobin
	//
	//     # A server that refuses is passed over; a GET left without a word of answer is asked of another one.
	//     option redispatch 1
	//     retries 3
	//     retry-on conn-failure empty-response
	//     http-request disable-l7-retry unless METH_GET
	//
	//     # A server is well if it says so.
	//     option httpchk
	//     http-check send meth GET uri /up ver HTTP/1.1 hdr Host www.shop.example
	//     http-check expect status 200-399
	//     timeout check 2s
	//
	//     default-server check inter 2s fastinter 500ms downinter 1s rise 2 fall 3 slowstart 10s
	//     server web-1 10.0.1.11:3001 weight 25
	//     server app-1 10.0.1.21:3001 weight 100
}

func ExampleConfig_Validate() {
	c := frontEnd()
	c.Frontends[0].Backend = "ap"
	c.Frontends[0].Raw = []string{"option httplog\nlisten backdoor"}
	c.Backends[0].Servers[0].Weight = 300
	c.Backends[0].Servers[1].Name = "web-1-1;shutdown"
	fmt.Println(c.Validate())
	// Output:
	// haproxycfg: frontend "web": Raw[0] "option httplog\nlisten backdoor" has the control byte 0x0a
	// haproxycfg: frontend "web": Backend "ap" is no backend
	// haproxycfg: backend "app" server "web-1-1": Weight 300 is not within 1 and 256
	// haproxycfg: backend "app" server "web-1-1;shutdown": Name "web-1-1;shutdown" is not 1 to 64 of letters, digits and _.:-
}

func ExamplePlan() {
	next := array()
	servers := next.Backends[0].Servers
	servers[0].Weight = 50
	servers[1].State = haproxycfg.Drain
	next.Backends[0].Servers = append(servers[:len(servers)-1], haproxycfg.Server{Name: "app-4-1", Addr: addr("10.0.2.24:3001"), Weight: 100})
	changes, err := haproxycfg.Plan(array(), next)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(changes)
	fmt.Println("reload:", len(changes.Reload) > 0)
	// Output:
	// backend "app": weight web-1-1: 25 → 50
	// backend "app": join app-4-1: 10.0.2.24:3001 is new
	// backend "app": drain web-1-2: ready → drain
	// backend "app": leave app-3-4: it is there no more
	// reload: false
}

// The configuration that a server has is kept as JSON, by whoever laid it down.
func ExamplePlan_json() {
	kept, err := json.Marshal(frontEnd())
	if err != nil {
		fmt.Println(err)
		return
	}
	var old haproxycfg.Config
	if err := json.Unmarshal(kept, &old); err != nil {
		fmt.Println(err)
		return
	}
	next := frontEnd()
	next.Backends[0].Servers[0].State = haproxycfg.Drain
	changes, err := haproxycfg.Plan(old, next)
	fmt.Print(changes)
	fmt.Println(err)
	// Output:
	// backend "app": drain web-1-1: ready → drain
	// <nil>
}

func ExampleFiles() {
	files, err := haproxycfg.Files(frontEnd())
	for _, f := range files {
		fmt.Printf("%s %s %d bytes or more\n", f.Path, f.Mode, min(len(f.Content), 1000))
	}
	fmt.Println(err)
	// Output:
	// /etc/haproxy/haproxy.cfg -rw-r--r-- 1000 bytes or more
	// /var/lib/haproxy/server-state -rw-r--r-- 2 bytes or more
	// <nil>
}

func ExamplePlan_reload() {
	next := frontEnd()
	next.Backends[0].Check.Path = "/well"
	next.Frontends[0].Binds[0].Addr = addr("127.0.0.1:8001")
	changes, _ := haproxycfg.Plan(frontEnd(), next)
	fmt.Print(changes)
	// Output:
	// reload: frontend "web": Binds changed
	// reload: backend "app": Check changed
}

// An inventory that came back empty does not empty the load balancer.
func ExampleShrinkError() {
	next := frontEnd()
	next.Backends[0].Servers = nil
	changes, err := haproxycfg.Plan(frontEnd(), next)
	var shrunk *haproxycfg.ShrinkError
	fmt.Println(errors.As(err, &shrunk), shrunk)
	fmt.Println(len(changes.Steps), "steps for whoever means it")
	// Output:
	// true haproxycfg: backend "app": of 8 servers that get requests 0 would be left; confirm that it is meant
	// 8 steps for whoever means it
}

func ExampleExplain() {
	fmt.Println(haproxycfg.Explain(edge(), "[ALERT]    (71) : config : [/etc/haproxy/haproxy.cfg:26] : 'tune.bufsize' : too large.\n"))
	// Output:
	// haproxycfg: global: Raw[0]: HAProxy says of line 26: 'tune.bufsize' : too large.
}

func ExampleEdited() {
	file, _ := haproxycfg.Render(frontEnd())
	fmt.Println(haproxycfg.Edited(file))
	fmt.Println(haproxycfg.Edited(bytes.Replace(file, []byte("retries 3"), []byte("retries 9"), 1)))
	// Output:
	// false
	// true
}

// The listener through which applications find the source, whichever server that is.
func ExampleDatabase() {
	file, _ := haproxycfg.Render(database())
	for line := range strings.Lines(string(file)) {
		if strings.Contains(line, "3306") || strings.Contains(line, "/source") || strings.Contains(line, "on-marked-down") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// bind 127.0.0.1:3306
	// http-check send meth GET uri /source ver HTTP/1.1 hdr Host localhost
	// default-server check port 3307 inter 1s fastinter 250ms downinter 500ms rise 1 fall 2 backup on-marked-down shutdown-sessions
	// server db-1 10.0.1.51:3306
	// server db-2 10.0.2.51:3306
}

// A server joins the HAProxy of this machine, which is how a server that runs the current release gets its traffic.
func ExampleRuntime_Join() {
	ctx := context.Background()
	r := haproxycfg.Runtime{Host: sshx.Local{}}
	app := frontEnd().Backends[0]
	err := r.Join(ctx, app, haproxycfg.Server{Name: "app-4", Addr: netip.MustParseAddrPort("10.0.2.24:3001"), Weight: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := r.Await(ctx, "app", "app-4", haproxycfg.Stat.Usable); err != nil {
		fmt.Println(err)
	}
}

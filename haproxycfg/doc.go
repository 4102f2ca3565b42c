// Package haproxycfg turns the description of a load balancer into HAProxy's configuration, and changes the HAProxy
// that runs it without losing a request.
//
//	shop := haproxycfg.Config{
//		Name: "shop",
//		Frontends: []haproxycfg.Frontend{{
//			Name:    "web",
//			Binds:   []haproxycfg.Bind{{Addr: netip.MustParseAddrPort("127.0.0.1:8000")}},
//			Backend: "app",
//		}},
//		Backends: []haproxycfg.Backend{{
//			Name:    "app",
//			Check:   haproxycfg.Check{Path: "/up", Host: "www.shop.example"},
//			Servers: servers,
//		}},
//	}
//	err := haproxycfg.Reload(ctx, host, shop)
//
// Equal configurations give equal bytes; testdata holds whole files. HAProxy 2.6 and later read them; Debian's package
// and its unit are what the paths and Reload are made for. What has no field has a Raw line.
//
// # Changing what runs
//
// Plan says how to come from one configuration to the next, and Apply does it. Servers that join, leave, are drained, or
// get another weight need no reload: Runtime tells the running process, and the file is written besides. For the
// rest Reload starts a new process beside the old one.
//
//	changes, err := haproxycfg.Plan(old, next)
//	var shrunk *haproxycfg.ShrinkError
//	if errors.As(err, &shrunk) { … } // half of the servers would go: is that meant, or is the inventory wrong?
//	err = haproxycfg.Apply(ctx, haproxycfg.Runtime{Host: host}, next, changes)
//
// Apply takes no server away before half of those that are to be are usable without it. One caller at a time changes a
// host: reloads wait for each other, but a server that joins while another caller reloads is lost with the old process.
// Edited notices that somebody wrote into the file; Apply and Reload write over it.
//
// A server that joins gets its first request after its first good checks, and few at the beginning; one that leaves
// answers what it has first. A server is never found well by a visitor's request.
//
// # What is lost
//
// Measured on Debian 12 (HAProxy 2.6.12) and 13 (3.0.11), two cores for everything, clients of HTTP/1.1 that keep
// connections alive and repeat nothing: 20 of them with 200 requests a second of 20 ms (300 ms while servers leave), one in ten a POST, and
// 100 that are idle for two seconds at a time. 20 reloads, joins, leaves
// and restarts, each process killed once. Failed requests:
//
//	                                      this package         HAProxy's defaults
//	                                      2.6       3.0        2.6       3.0
//	reloads                               0         0          75        46
//	ready and unready servers join        0         0          322       317
//	servers leave                         0         0          74        72
//	each of four processes is killed      0         3 POSTs    6         6
//	each is restarted, drained or not     0         0          1         1
//	one hangs, and 3 reloads              0         0          0         0
//
// of 940 to 5,339 requests with this package and 726 to 21,109 with the defaults, where the same changes take longer. The
// slowest answer took 0.7 s with this package (2.4 s where one hung and Timeout was 2 s), 2 s with the defaults when a
// process was killed and 9 s when one hung.
//
// What a process was doing when it was killed is lost where it was a POST, 3 of 189 there; no request was sent twice. A
// client whose POST is lost on a connection that was kept alive finds the connection closed, without an answer, and
// browsers repeat it then.
//
// It rests on these, each of which HAProxy by itself does otherwise:
//
//   - After a reload the old process answers each idle client once more (idle-close-on-response) instead of closing the
//     connection under a request that is on its way.
//   - What is known of the servers is handed to the new process, which would take every server for well. The file is
//     emptied afterwards: at a start weeks later it would drain what was drained then.
//   - Reloads wait for each other and for their result. Overlapping ones reset connections.
//   - Addresses are tried before: `haproxy -c` passes one that is taken, and the reload then refuses connections.
//   - A server that joins is declared down in the line that enables it; each of its options is spelt, since it inherits
//     none, with check-ssl even, without which its checks would not be encrypted.
//   - A request without a word of answer is repeated if it is a GET or HEAD. HAProxy repeats all or none.
//
// # Who may do what
//
// Runtime uses HAProxy's socket, as a member of Global.Group or as root. Preflight, Reload and Apply run a script
// as root, with Debian's own perl for talking to HAProxy's master process.
//
// # Quoting
//
// Nothing is accepted that could leave its place: names, paths and addresses have narrow alphabets, header values are
// quoted, a Raw line begins with a keyword that exists in its section and begins no other one, and what is sent to
// the socket is one command. Of HAProxy's messages, which name lines, Explain makes errors that name fields.
//
// # What it does not do
//
// It does not read configurations, its own neither: a configuration is a value that its owner keeps. It takes
// addresses, not host names. It does not order certificates. It does not write Debian's unit, whose EXTRAOPTS must have
// the master's socket, as it has by itself. A WebSocket or TCP stream ends with the process that has it,
// Global.HardStopAfter after a reload. Servers whose keep-alive is shorter than Timeouts.KeepAlive cut
// requests: raise theirs (Puma's persistent_timeout is 20 s). Clients that send no request for longer than
// Timeouts.KeepAlive are disconnected, as everywhere.
package haproxycfg

// Package apachecfg turns the description of a web site into Apache's configuration, and looks after the Apache that
// runs it.
//
//	files, err := apachecfg.Files(apachecfg.Site{
//		Name:       "shop",
//		Host:       "www.shop.example",
//		Aliases:    []string{"shop.example"},
//		HTTP:       apachecfg.HTTP{Port: 80},
//		Root:       "/srv/shop/current/public",
//		HealthPath: "/up",
//		App:        apachecfg.App{Processes: []netip.AddrPort{one, two, three, four}},
//	})
//
// Put the files on a Debian server, enable the Modules, link EnabledPath to ConfigPath, remove DefaultPath, and call
// Reload. Equal sites give equal bytes; testdata holds whole files.
//
// # Who answers
//
// A request for a name that is not the site's gets 421, one for an alias a redirect to the canonical name with path
// and query as they were sent (308). Then, in this order: the health path goes to the app; during maintenance
// everything else but immutable files gets 503; a file below Root is sent; a cached page is sent; the app is asked,
// with the path as the visitor sent it. What visitors say in forwarding headers is dropped.
//
// # Processes that die
//
// Apache by itself closes a visitor's keep-alive connection without a word when a process dies under a request, and
// repeats nothing. Here such a GET or HEAD without a body is asked of another process, once; anything else gets 502
// and is never sent twice by Apache, nor by the visitor's browser, which repeats even a POST when a connection that
// was used before is cut. A process that refuses connections is passed over with any method.
//
// Measured on Debian 13 (Apache 2.4.71), 20 keep-alive clients without retries, 300 requests a second of 20 ms, each
// of four processes killed with SIGKILL once and started again after a second:
//
//	                                    failed GETs            failed POSTs
//	ProxyPass to a plain balancer       6 to 34 of 3,740       not measured
//	ErrorDocument alone                 7 of 3,894             not measured
//	this package                        0 of 3,360 to 3,894    8 of 3,884, answered 502 (0 of 380 with fewer)
//	this package, drained restarts      0 of 580               0 of 580
//	this package, plain restarts        0 or 1 of 320          up to 27 of 280, answered 502
//
// Plain restarts of all processes within a second can leave no process to ask a GET of: it gets 503. Draining is what
// promises that no request fails.
//
// It rests on three things: an ErrorDocument for 502 that leads to the app again, whose answer then has its own
// status; mod_lua, which presents the request to mod_proxy as a forward proxy's, for only these get a 502 instead of
// a cut connection; and a fixed number of Apache's own processes. It costs throughput: 3,200 empty requests a second
// instead of 3,900 on two cores that also ran the clients and the app.
//
// It cannot repeat a request after the first byte of its answer was sent, nor one with a body, nor a WebSocket.
// An answer that an app gives on purpose passes untouched, 502 and 503 too.
//
// # Restarts and reloads
//
// To restart a process without losing a POST, drain it first: Balancer.Without. Maintenance is a file, membership is
// switched by Balancer: neither needs a reload, which would cut idle keep-alive connections. For what does need one,
// Reload looks first (Preflight) and then waits until the new generation serves. It restarts Apache when a module
// was added: children that got mod_ssl and mod_http2 by a graceful reload crashed under a WebSocket.
//
// # Quoting
//
// Nothing is accepted that could leave its place: names, paths and addresses have narrow alphabets, texts are quoted.
// Apache reads a Header value three times: ${NAME} is replaced (also within quotes, without an escape), then quotes
// and backslashes go, then % and \n, \t, \r are expanded.
//
// # What it does not do
//
// It does not order certificates, does not write access control of its own, and configures one site for an Apache of
// its own: ports.conf is emptied.
package apachecfg

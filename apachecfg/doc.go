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
// and query as they were sent (308). Then, in this order: a body longer than MaxBody gets 413; a hidden path (a part of it
// begins with a dot, /.well-known/ aside) gets 404; the health path goes to the app; during maintenance everything else
// but immutable files gets 503; a file in Shared or below Root is sent; a cached page is sent; the app is asked, with the
// path as the visitor sent it. A page whose name has a question mark is never taken from the cache.
//
// # Processes that die
//
// Apache by itself closes a visitor's keep-alive connection without a word when a process dies under a request, and
// repeats nothing. Here such a GET or HEAD without a body is asked of another process, once, with the path and query that
// the visitor sent (a HEAD as a GET, whose body the visitor does not get). That happens only where the process closed
// the connection before the first line of its answer: an answer that breaks off in its header gets 502, one that does
// not begin in time 504. Anything else gets 502 and is never sent twice by Apache, nor by the visitor's browser, which
// repeats even a POST when a connection that was used before is cut. A process that refuses connections is passed over
// with any method.
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
// It rests on three things. An ErrorDocument for 502 leads to the app again, whose answer then has its own status;
// mod_proxy's notes tell how the process failed. mod_lua presents the request to mod_proxy as a forward proxy's, for only
// these get a 502 instead of a cut connection. And the number of Apache's own processes is fixed. It costs throughput:
// 3,200 empty requests a second instead of 3,900, with 4 × 50 threads on two cores that also ran the clients and the app.
//
// It cannot repeat a request after the first byte of its answer was sent, nor one with a body, nor a WebSocket.
// An answer that an app gives on purpose passes untouched, 502 and 503 too.
//
// # What visitors cannot do
//
// They cannot pass for a proxy: forwarding headers of proxies and clouds are dropped, and so is every header with an
// underscore, which apps cannot tell from one with a dash. Of Connection, by which a visitor could have mod_proxy drop
// headers that Apache sets, one word goes on: close, keep-alive or upgrade.
//
// They cannot hold the site up with a few bytes a second. A TLS greeting has 10 s, a header 10 s and with 500 bytes a
// second up to 20 s. A body has 20 s and one more for every 4,000 bytes that have come (408 then): a form of 900 kB has
// 4 minutes. A phone at 32 kbit/s keeps that up, also one that is faster at first and then loses its network for a while.
// Over HTTP/2 request.lua sees to it, for RequestReadTimeout does not (6 ms of processor time for a megabyte).
// Each such connection holds one of 2,048 threads (Threads) until then. Measured: pages were served within a second under
// 220 dripped greetings or headers that came back whenever Apache closed them, under 260 slow bodies with and without a
// length, and after 1,500 TLS connections had been opened and left idle. 2,300 bodies at 600 bytes a second held every
// thread; 24 s after the first of them pages were served again.
//
// What fills it still: 2,048 threads for 20 s each are about 100 such connections a second, for long; bodies at 4,000 bytes
// a second over 2,048 connections, which are 65 Mbit/s; answers that as many visitors read slowly; streams of HTTP/2 that
// stall for up to 60 s at a time. There is no limit for an address: many people share one. None of the
// modules here has such a limit; mod_qos (Debian's libapache2-mod-qos) has one, QS_SrvMaxConnPerIP, for a site whose
// visitors do not sit together behind one address.
//
// They do not see through links that the app makes. Below Root a link leads only to what belongs to the link's owner, in
// Shared and CachedPages nowhere. The password of the balancer's switches is read by root alone. Nothing that the app may
// write switches the site off: Capistrano's public/system/maintenance.html is a file like others.
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

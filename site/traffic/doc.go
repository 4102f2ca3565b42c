// Package traffic puts load on a site and says of every single request what became of it: the measure for reloads,
// deploys and failovers that nobody is to notice.
//
//	load := traffic.Load{Target: traffic.Target{Addr: addr, Host: "www.shop.example"}, Path: "/up", PostEvery: 10}
//	report, err := load.During(ctx, func() { deploy() })
//	fmt.Println(report) // 2,970 GET, 330 POST, 0 failed; p50 21ms, p99 48ms, max 190ms
//
// A client keeps its connection alive and sends one request at a time, as a browser does, and repeats nothing, as
// browsers and Go's own client silently do: what a server loses is seen. A connection that the server closes between
// two requests is no failure, and is counted (RFC 9112, section 9.5: either side may close an idle connection). One
// that it closes when the next request is already on its way is a failure, though a client might repeat an
// idempotent request there (section 9.3.1): a visitor's POST would be lost.
//
// Load goes to 127.0.0.0/8 only, unless the caller brings a dialler, and is bounded in number, rate and time.
//
// It speaks HTTP/1.1, plain or over TLS. It imports nothing of this module, so that tests of every package can use it.
package traffic

package haproxycfg

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Stat is what HAProxy counts for a frontend, a backend or a server of one.
type Stat struct {
	Proxy  string // name of the frontend or backend
	Server string // name of the server; "FRONTEND" or "BACKEND" for the whole
	Addr   netip.AddrPort
	Status string // HAProxy's word: OPEN, UP, DOWN, DRAIN, MAINT, "no check", or "UP 1/3" on the way down
	Weight int    // share now; less than the configured one during Backend.SlowStart

	Checked   bool   // whether there are checks
	LastCheck string // result of the last one, such as "L7OK" or "L4CON"

	Current int // requests that are being answered
	Queued  int // requests that wait for a place

	Total        int64 // requests ever, since the process started
	BytesIn      int64
	BytesOut     int64
	Failed       int64 // connections and answers that failed
	Answers5xx   int64
	Retries      int64
	Redispatches int64
}

// Usable tells whether a server gets requests now.
func (s Stat) Usable() bool {
	return (strings.HasPrefix(s.Status, "UP") || s.Status == "no check") && s.Weight > 0
}

// Stats are all figures, in the order of the file.
func (r Runtime) Stats(ctx context.Context) (list []Stat, err error) {
	err = r.within(ctx, "read stats", func(s *session) error { list, err = s.stats(ctx); return err })
	return list, err
}

// Servers are those of a backend, in the order in which they came.
func (r Runtime) Servers(ctx context.Context, backend string) (list []Stat, err error) {
	err = r.within(ctx, fmt.Sprintf("read servers of %q", backend), func(s *session) error {
		list, err = s.servers(ctx, backend)
		return err
	})
	return list, err
}

// Await waits until a server is as wanted, such as Stat.Usable, or ctx ends; the error says what it was last.
func (r Runtime) Await(ctx context.Context, backend, server string, want func(Stat) bool) error {
	return r.server(ctx, "await", backend, server, func(s *session, _ string) error {
		var last Stat
		err := poll(ctx, func() (bool, error) {
			now, err := s.find(ctx, backend, server)
			if err == nil {
				last = now
			}
			return err == nil && want(now), err
		})
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("still %s (last check %s) with %d requests: %w", last.Status, last.LastCheck, last.Current, context.Cause(ctx))
		}
		return err
	})
}

// ServersState is what StatePath carries over a reload: the state of all servers, complete.
func (r Runtime) ServersState(ctx context.Context) (state []byte, err error) {
	err = r.within(ctx, "read servers' state", func(s *session) error {
		replies, err := s.ask(ctx, "show servers state")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(replies[0], "1\n# be_id ") {
			return &CommandError{Command: "show servers state", Reply: replies[0]}
		}
		state = []byte(replies[0])
		return nil
	})
	return state, err
}

func (s *session) stats(ctx context.Context) ([]Stat, error) {
	replies, err := s.ask(ctx, "show stat")
	if err != nil {
		return nil, err
	}
	return parseStats(replies[0])
}

func (s *session) servers(ctx context.Context, backend string) ([]Stat, error) {
	all, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	var list []Stat
	found := false
	for _, e := range all {
		if e.Proxy != backend || e.Server == "FRONTEND" {
			continue
		}
		if e.Server == "BACKEND" {
			found = true
			continue
		}
		list = append(list, e)
	}
	if !found {
		return nil, ErrNoBackend
	}
	return list, nil
}

func (s *session) find(ctx context.Context, backend, server string) (Stat, error) {
	list, err := s.servers(ctx, backend)
	if err != nil {
		return Stat{}, err
	}
	for _, e := range list {
		if e.Server == server {
			return e, nil
		}
	}
	return Stat{}, ErrNoServer
}

// parseStats reads the reply to "show stat": comma-separated values under a line with their names.
func parseStats(reply string) ([]Stat, error) {
	text, ok := strings.CutPrefix(reply, "# ")
	if !ok {
		return nil, &CommandError{Command: "show stat", Reply: reply}
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var list []Stat
	for _, row := range rows[1:] {
		s, err := parseStat(func(name string) string {
			if i, ok := column[name]; ok {
				return row[i]
			}
			return ""
		})
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func parseStat(get func(string) string) (Stat, error) {
	var errs []error
	number := func(name string) int64 {
		text := get(name)
		if text == "" {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		errs = append(errs, err)
		return n
	}
	s := Stat{Proxy: get("pxname"), Server: get("svname"), Status: get("status"), Weight: int(number("weight")),
		Checked: get("check_status") != "" || get("check_rise") != "", LastCheck: get("check_status"),
		Current: int(number("scur")), Queued: int(number("qcur")), Total: number("stot"),
		BytesIn: number("bin"), BytesOut: number("bout"), Failed: number("econ") + number("eresp"),
		Answers5xx: number("hrsp_5xx"), Retries: number("wretr"), Redispatches: number("wredis")}
	if text := get("addr"); text != "" {
		var err error
		s.Addr, err = netip.ParseAddrPort(text)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return Stat{}, fmt.Errorf("stat of %s/%s: %w", s.Proxy, s.Server, err)
	}
	return s, nil
}

// The servers behind HAProxy in the tests, one for each address that is named: they say who they are and what they
// received, as slowly as asked, and write down every POST. On port 8443 they speak TLS, after the PROXY protocol where
// /etc/app/proxy is there; on port 3306 one stands for a database and says its address to whoever connects, while port
// 3307 answers 200 where /var/tmp/source names it. An address in /var/tmp/unready answers 503 to everything.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Seen is what a server received.
type Seen struct {
	Server, Method, URI, Host, Proto string
	Header                           http.Header
}

var posts *os.File

func main() {
	var err error
	if posts, err = os.OpenFile("/var/tmp/posts", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666); err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	var servers []*http.Server
	for _, addr := range os.Args[1:] {
		servers = append(servers, serve(addr)...)
	}
	<-stop
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() { s.Shutdown(context.Background()) })
	}
	all.Wait()
}

func serve(addr string) []*http.Server {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(addr, w, r) }), IdleTimeout: 20 * time.Second}
	switch host, port, _ := net.SplitHostPort(addr); port {
	case "3306":
		go database(addr, l)
		role := &http.Server{Addr: host + ":3307", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !named("/var/tmp/source", addr) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})}
		go role.ListenAndServe()
		return []*http.Server{role}
	case "8443":
		if _, err := os.Stat("/etc/app/proxy"); err == nil {
			l = proxied{l}
		}
		go s.ServeTLS(l, "/etc/app/cert.pem", "/etc/app/key.pem")
	default:
		go s.Serve(l)
	}
	return []*http.Server{s}
}

func named(file, addr string) bool {
	list, _ := os.ReadFile(file)
	for _, word := range strings.Fields(string(list)) {
		if word == addr {
			return true
		}
	}
	return false
}

func answer(addr string, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Server", addr)
	if named("/var/tmp/unready", addr) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		fmt.Fprintf(posts, "%s\n", body)
	}
	if ms, _ := strconv.Atoi(r.URL.Query().Get("ms")); ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	json.NewEncoder(w).Encode(Seen{addr, r.Method, r.RequestURI, r.Host, r.Proto, r.Header})
}

// database says who it is, and sends back every line.
func database(addr string, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			fmt.Fprintln(c, addr)
			io.Copy(c, c)
		}()
	}
}

// proxied takes the header of the PROXY protocol, version 2, off every connection.
type proxied struct{ net.Listener }

func (p proxied) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &unwrapped{Conn: c, r: bufio.NewReader(c)}, nil
}

type unwrapped struct {
	net.Conn
	r    *bufio.Reader
	once sync.Once
	err  error
}

func (u *unwrapped) Read(p []byte) (int, error) {
	u.once.Do(func() {
		head := make([]byte, 16)
		if _, u.err = io.ReadFull(u.r, head); u.err == nil {
			_, u.err = u.r.Discard(int(head[14])<<8 | int(head[15]))
		}
	})
	if u.err != nil {
		return 0, u.err
	}
	return u.r.Read(p)
}

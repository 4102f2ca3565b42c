// The app behind Apache in the tests: it says what it received, as slowly as asked, and writes down every POST.
package main

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// Seen is what the app received.
type Seen struct {
	Process, Method, URI, Host string
	Header                     http.Header
}

func main() {
	process := os.Args[1]
	posts, err := os.OpenFile("/var/tmp/posts", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		log.Fatal(err)
	}
	// No ServeMux: it redirects paths that it would spell differently.
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/own-headers":
			w.Header().Set("X-Frame-Options", "DENY")
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/dies":
			dies(w, r)
		case "/says-hsts":
			w.Header().Set("Strict-Transport-Security", "max-age=7")
		case "/bad-gateway":
			http.Error(w, "the app's own 502", http.StatusBadGateway)
		case "/socket":
			socket(w, r)
		default:
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // one that was cut off is not a POST
			}
			if r.Method == http.MethodPost {
				fmt.Fprintf(posts, "%s\n", body)
			}
			if ms, _ := strconv.Atoi(r.URL.Query().Get("ms")); ms > 0 {
				time.Sleep(time.Duration(ms) * time.Millisecond)
			}
			json.NewEncoder(w).Encode(Seen{Process: process, Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header})
		}
	})
	s := &http.Server{Addr: "127.0.0.1:" + process, Handler: handler}
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		s.Shutdown(context.Background())
		os.Exit(0)
	}()
	log.Fatal(s.ListenAndServe())
}

// dies writes down that it was asked. The first one asked ends as the query says, as if its process had been killed; the
// second one answers.
func dies(w http.ResponseWriter, r *http.Request) {
	f, err := os.OpenFile("/var/tmp/dies", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer f.Close()
	seen, _ := f.Stat()
	fmt.Fprintln(f, r.Method, r.RequestURI)
	if seen.Size() > 0 {
		fmt.Fprint(w, r.RequestURI)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	switch r.URL.Query().Get("how") {
	case "status":
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
	case "header":
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: te")
	case "hangs":
		time.Sleep(5 * time.Second)
	}
	c.Close()
}

// socket answers like a WebSocket's server and sends back what it gets.
func socket(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(accept[:]))
	rw.Flush()
	io.Copy(c, rw)
}

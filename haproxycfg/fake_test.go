package haproxycfg_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/haproxycfg"
)

// fake is a host whose HAProxy is a map: what it answers to the first words of a command.
type fake struct {
	answers map[string]string
	newer   bool                                 // answers like 3.2 and later: one prompt for a line, not one for each command in it
	deliver func(w io.WriteCloser, reply string) // zero writes it at once
	loads   bool                                 // its scripts find nothing wrong

	mu    sync.Mutex
	lines []string // received
}

const statHeader = "# pxname,svname,qcur,scur,stot,econ,eresp,wretr,wredis,status,weight,check_status,hrsp_5xx,addr,bin,bout,check_rise,\n"

func newFake() *fake {
	return &fake{answers: map[string]string{
		"prompt": "", "show version": "2.6.12-1+deb12u4\n",
		"show stat":          statHeader + "web,FRONTEND,,1,9,,,,,OPEN,,,0,,1,2,,\napp,app-1,0,0,4,0,0,0,0,UP,25,L7OK,0,10.0.1.21:3001,10,20,2,\napp,BACKEND,0,0,4,,,,,UP,25,,0,,,,,\n",
		"show servers state": "1\n# be_id be_name srv_id\n3 app 1\n",
		"add server":         "New server registered.\n", "del server": "Server deleted.",
		"enable health": "", "enable server": "", "set server": "", "set maxconn": "", "shutdown sessions": "", "enable dynamic-cookie": "",
	}}
}

func (f *fake) Run(_ context.Context, s sshx.Script) error {
	if !f.loads {
		return fmt.Errorf("no script is expected")
	}
	if s.Stdout != nil {
		io.WriteString(s.Stdout, "version 2.6.12\nvalid \nplaced\n")
	}
	return nil
}

func (f *fake) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go f.serve(server)
	return client, nil
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f.mu.Lock()
		f.lines = append(f.lines, strings.TrimSuffix(line, "\n"))
		f.mu.Unlock()
		var replies strings.Builder
		commands := strings.Split(strings.TrimSpace(line), "; ")
		for i, command := range commands {
			replies.WriteString(f.answer(command) + "\n")
			if !f.newer || i == len(commands)-1 {
				replies.WriteString("> ")
			}
		}
		if f.deliver != nil {
			f.deliver(c, replies.String())
			continue
		}
		io.WriteString(c, replies.String())
	}
}

func (f *fake) answer(command string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	words := strings.Fields(command)
	for n := len(words); n > 0; n-- {
		if answer, ok := f.answers[strings.Join(words[:n], " ")]; ok {
			return answer
		}
	}
	return "Unknown command: '" + command + "'\n"
}

// sent are the lines that came after the greeting.
func (f *fake) sent() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, l := range f.lines {
		if l != "prompt" && l != "show version; show version" && l != "show stat" {
			list = append(list, l)
		}
	}
	return list
}

func runtimeOf(f *fake) haproxycfg.Runtime { return haproxycfg.Runtime{Host: f} }

var _ sshx.Host = (*fake)(nil)

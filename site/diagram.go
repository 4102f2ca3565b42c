package site

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"fmt"
	"strings"
	"text/template"
)

//go:embed diagram.svg.tmpl
var diagramText string

var diagramTemplate = template.Must(template.New("diagram.svg").Funcs(template.FuncMap{"x": escape}).Parse(diagramText))

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer does not fail
	return b.String()
}

type diagramView struct {
	Name, Domain, Server, Static, Engine string
	Ports, Backups                       string
	Processes                            []diagramProcess
}

type diagramProcess struct {
	X    int
	Port uint16
}

// Middle of the process's box.
func (p diagramProcess) Middle() int { return p.X + 62 }

// Diagram draws the site as SVG. It needs no cloud. The same site gives the same bytes.
func (s Site) Diagram() (string, error) {
	if err := s.Validate(); err != nil {
		return "", err
	}
	server := s.With(RoleWeb)[0]
	v := diagramView{Name: s.Name, Domain: s.Domain, Server: server.Name, Engine: "MariaDB", Static: "static files · cached pages"}
	if s.Database.Engine == "mysql" {
		v.Engine = "MySQL"
	}
	v.Backups = fmt.Sprintf("a backup every %.0f min", s.Backup.withDefaults().Every.Minutes())
	var ports []string
	for _, p := range server.Ports {
		ports = append(ports, fmt.Sprint(p))
	}
	v.Ports = strings.Join(ports, " · ")
	all := s.App.Ports()
	shown := all[:min(len(all), 4)]
	for i, p := range shown {
		v.Processes = append(v.Processes, diagramProcess{X: 360 - len(shown)*70 + i*140 + 8, Port: p})
	}
	if more := len(all) - len(shown); more > 0 {
		v.Static += fmt.Sprintf(" · %d processes more", more)
	}
	var b bytes.Buffer
	if err := diagramTemplate.Execute(&b, v); err != nil {
		return "", fmt.Errorf("site: diagram: %w", err)
	}
	return b.String(), nil
}

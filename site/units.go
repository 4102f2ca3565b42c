package site

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"path"
	"strconv"
	"strings"
	"text/template"

	"github.com/siteblocks/siteblocks/site/internal/layout"
	"github.com/siteblocks/siteblocks/site/provision"
)

//go:embed app@.service
var appUnitText string

//go:embed siteblocks-boot.service
var bootUnitText string

//go:embed always.conf
var alwaysText string

// always is a drop-in by which a package's service is started again, however it ended.
func always(unit string) provision.File {
	return provision.File{Path: "/etc/systemd/system/" + unit + ".d/siteblocks.conf", Content: alwaysText}
}

var (
	appUnitTemplate  = template.Must(template.New("app@.service").Parse(appUnitText))
	bootUnitTemplate = template.Must(template.New(layout.BootUnit).Parse(bootUnitText))
)

// unitView is what the units' templates name.
type unitView struct {
	Site, Root, Current, Agent, Env, User, Database, Command string
	Config                                                   string // names the configuration that a process runs with
	Started                                                  string // where it is written down what a process runs with
	Memory, Tmp                                              string // bytes, or a share of the machine's memory
}

func (s Site) unitView() unitView {
	v := unitView{
		Site: s.Name, Root: s.Root(), Current: path.Join(s.Root(), "current"), Agent: layout.Agent, Env: layout.Environment, User: layout.AppUser, Started: layout.Started,
		Memory: "50%", Tmp: strconv.FormatInt(max(256<<20, 4*s.Web.withDefaults().MaxBody), 10),
		Database: s.DatabaseSoftware().Service, Command: unitQuote(strings.NewReplacer("%", "%%", "$", "$$").Replace(s.App.Command)),
	}
	if s.App.Memory > 0 {
		v.Memory = strconv.FormatInt(s.App.Memory, 10)
	}
	return v
}

// appUnitFile is the unit of one process. It names a digest of the unit and its environment, which is written
// down as a process starts: so it is seen, without comparing clocks, which one still runs with old ones.
func (s Site) appUnitFile(environment Secret) string {
	v := s.unitView()
	sum := sha256.Sum256([]byte(render(appUnitTemplate, v) + string(environment)))
	v.Config = hex.EncodeToString(sum[:6])
	return render(appUnitTemplate, v)
}

func (s Site) bootUnitFile() string { return render(bootUnitTemplate, s.unitView()) }

func render(t *template.Template, v unitView) string {
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		panic(err) // the templates name fields of unitView only
	}
	return b.String()
}

// unitQuote returns s as one word of a systemd unit or environment file. In units also % and $ are systemd's: they
// are doubled where a command line is built, and taken literally in environment files. Source: systemd.syntax(7).
func unitQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

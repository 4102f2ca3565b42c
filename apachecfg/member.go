package apachecfg

import (
	"fmt"
	"net/netip"
	"time"
)

func (s Site) members() []netip.AddrPort {
	if s.App.Proxy.IsValid() {
		return []netip.AddrPort{s.App.Proxy}
	}
	return s.App.Processes
}

// checked tells whether Apache asks the processes for HealthPath. A load balancer does that by itself.
func (s Site) checked() bool { return s.HealthPath != "" && !s.App.Proxy.IsValid() }

func (s Site) memberOptions() string {
	o := fmt.Sprintf("retry=1 connectiontimeout=2 ttl=%d upgrade=websocket",
		seconds(or(s.App.IdleTimeout, 10*time.Second)))
	if s.checked() {
		o += fmt.Sprintf(" hcmethod=GET hcuri=%s hcinterval=%d hcpasses=1 hcfails=2 hcexpr=well",
			s.HealthPath, seconds(or(s.App.CheckInterval, 2*time.Second)))
	}
	return o
}

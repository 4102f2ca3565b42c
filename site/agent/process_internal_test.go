package agent

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessesRunWhatRootWroteDown(t *testing.T) {
	const (
		now  = "0123456789abcdef0123456789abcdef"
		then = "fedcba9876543210fedcba9876543210"
		unit = `ExecStartPre=+/bin/sh -c 'mkdir -p /run/siteblocks/app && echo "$$INVOCATION_ID $$(readlink -f /var/www/shop/current) abc123" >/run/siteblocks/app/%i'`
	)
	block := func(port, state, started string) string {
		return "Port=" + port + "\nActiveState=" + state + "\nInvocationID=" + now + "\nNRestarts=2\nStarted=" + started + "\n\n"
	}
	out := block("8001", "active", now+" /var/www/shop/releases/20261201120000 abc123") +
		block("8002", "active", now+" /var/www/shop/releases/20261201110000 000000") +
		block("8003", "active", then+" /var/www/shop/releases/20261201120000 abc123") +
		block("8004", "activating", "") +
		block("9001", "active", now+" /var/www/shop/releases/x|y abc123")
	all, err := parseProcesses(out, unit, []uint16{8001, 8002, 8003, 8004})
	require.NoError(t, err)
	require.Equal(t, []Process{
		{Port: 8001, Running: true, Release: "20261201120000", Fresh: true, Died: 2},
		{Port: 8002, Running: true, Release: "20261201110000", Died: 2},
		{Port: 8003, Running: true, Died: 2}, // of an earlier start
		{Port: 8004, Died: 2},
		{Port: 9001, Running: true, Extra: true, Died: 2},
	}, all)

	_, err = parseProcesses("Port=x\n", unit, nil)
	require.Error(t, err)
}

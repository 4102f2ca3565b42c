package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBootIsGivenUpWhereNothingHappens looks at a process once a second, by made-up clocks.
func TestBootIsGivenUpWhereNothingHappens(t *testing.T) {
	start := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		cpu      func(second int) time.Duration
		answers  int // second of its first answer; zero: never
		died     int
		givenUp  int // second in which it is given up; zero: not within ten minutes
		contains string
	}{
		{name: "starved but working", cpu: func(s int) time.Duration { return time.Duration(s) * 20 * time.Millisecond }},
		{name: "idle", cpu: func(int) time.Duration { return time.Second }, givenUp: 60, contains: "neither worked nor answered for 1m0s"},
		{name: "ticking", cpu: func(s int) time.Duration { return time.Duration(s) * time.Millisecond }, givenUp: 60, contains: "neither worked"},
		{name: "works, then hangs", cpu: func(s int) time.Duration { return time.Duration(min(s, 100)) * time.Second }, givenUp: 160, contains: "neither worked"},
		{name: "a helper of it ends", cpu: func(s int) time.Duration {
			if s > 50 {
				return time.Duration(s-50) * 20 * time.Millisecond
			}
			return time.Duration(s) * time.Second
		}},
		{name: "answers 500 and works", cpu: func(s int) time.Duration { return time.Duration(s) * time.Second }, answers: 100, givenUp: 160, contains: "it answers, but"},
		{name: "dies", cpu: func(int) time.Duration { return 0 }, died: 3, givenUp: 0, contains: "it died 3 times"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := boot{patience: time.Minute}
			for s := range 600 {
				now := start.Add(time.Duration(s) * time.Second)
				if s == tt.answers && s > 0 {
					b.answers(now)
				}
				err := b.look(now, tt.cpu(s), tt.died)
				if err != nil {
					require.ErrorContains(t, err, tt.contains)
					require.Equal(t, tt.givenUp, s)
					return
				}
			}
			require.Empty(t, tt.contains, "it is given up")
		})
	}
}

func TestUnitCPUIsThatOfItsProcesses(t *testing.T) {
	proc := t.TempDir()
	for pid, text := range map[string][2]string{
		"10": {"1:name=systemd:/system.slice/system-app.slice/app@8001.service\n", "10 (puma) 5) S 1 10 10 0 -1 4194560 1 2 3 4 100 50 25 25 20 0\n"},
		"11": {"0::/system.slice/system-app.slice/app@8001.service\n", "11 (sh) S 10 10 10 0 -1 4194560 1 2 3 4 10 0 0 0 20 0\n"},
		"12": {"0::/system.slice/system-app.slice/app@8002.service\n", "12 (sh) S 10 10 10 0 -1 4194560 1 2 3 4 1000 0 0 0 20 0\n"},
		"13": {"0::/system.slice/app@8001.service\n", ""},
	} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "cgroup"), []byte(text[0]), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "stat"), []byte(text[1]), 0o644))
	}
	require.Equal(t, 2100*time.Millisecond, unitCPU(proc, "app@8001.service"))
	require.Zero(t, unitCPU(proc, "app@9.service"))
}

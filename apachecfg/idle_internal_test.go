package apachecfg

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCountThatDoesNotChangeIsDoubted(t *testing.T) {
	var w idleWatch
	start := time.Unix(0, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	require.False(t, w.idle(2, at(0)))
	require.False(t, w.doubtful(at(doubtAfter-1)))
	require.False(t, w.idle(1, at(doubtAfter)))
	require.False(t, w.doubtful(at(doubtAfter)), "it has just changed")
	require.True(t, w.doubtful(at(2*doubtAfter)))
	require.False(t, w.doubtful(at(2*doubtAfter+1)), "once each time")
	require.False(t, w.idle(0, at(2*doubtAfter+2)))
	require.True(t, w.idle(0, at(2*doubtAfter+3)))
}

func TestConnectionsThatAreSilent(t *testing.T) {
	const ends = " 127.0.0.1:38598 127.0.0.1:3004 "
	for line, want := range map[string]bool{
		"0 0" + ends + "bbr wscale:10,10 rto:220 bytes_sent:2945 lastsnd:5588 lastrcv:5568 lastack:5368": true,
		"0 0" + ends + "bbr wscale:10,10 rto:220 lastsnd:5568 lastrcv:5568":                              true,  // an answer within the clock's tick
		"0 0" + ends + "bbr wscale:10,10 lastsnd:100 lastrcv:5568 lastack:100":                           false, // no answer yet
		"0 0" + ends + "bbr wscale:10,10 lastrcv:5568":                                                   false, // sent just now
		"0 0" + ends + "bbr wscale:10,10 lastsnd:9000 lastrcv:100 lastack:90":                            false, // an answer under way
		"7 0" + ends + "bbr wscale:10,10 lastsnd:9000 lastrcv:8000 lastack:90":                           false, // its end not read yet
		"0 7" + ends + "bbr wscale:10,10 lastsnd:9000 lastrcv:8000 lastack:90":                           false,
		"": false, "Netid": false,
	} {
		require.Equal(t, want, silentConnection(line), line)
	}
}

package agent_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/agent"
)

func TestRequestsThatAreNotUnderstoodWholeAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"verb":"install","release":"20261201000000"}`:              "",
		`{"version":1,"verb":"restore","backup":"b","replace":true}`:             "",
		`{"version":1,"verb":"verify"}`:                                          "",
		`{"version":1,"verb":"remove","releases":["1","2"]}`:                     "",
		`{"version":2,"verb":"report"}`:                                          "request of version 2, this agent has version 1; run up",
		`{"verb":"report"}`:                                                      "request of version 0",
		`{"version":1,"verb":"format"}`:                                          `Verb: "format" is unknown`,
		`{"version":1}`:                                                          `Verb: "" is unknown`,
		`{"version":1,"verb":"install"}`:                                         `Release: "install" needs it`,
		`{"version":1,"verb":"remove"}`:                                          `Releases: "remove" needs it`,
		`{"version":1,"verb":"report","replace":true}`:                           `Replace: "report" takes none`,
		`{"version":1,"verb":"backup","shrink":true,"backup":"b","release":"r"}`: `Backup: "backup" takes none`,
		`{"version":1,"verb":"restore","erase":true}`:                            "run up, which brings the agent up to date",
		``: "EOF",
	} {
		_, err := agent.ReadRequest(strings.NewReader(text))
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestRequestIsReadAsItWasWritten(t *testing.T) {
	r := agent.Request{Version: agent.Version, Verb: agent.VerbRemove, Releases: []string{"1", "2"}}
	data, err := json.Marshal(r)
	require.NoError(t, err)
	read, err := agent.ReadRequest(strings.NewReader(string(data)))
	require.NoError(t, err)
	require.Equal(t, r, read)
}

package localtest

import (
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// Kill ends the whole server at once, as a power failure does. Its disk stays.
func (m *Machine) Kill(t testing.TB) {
	t.Helper()
	_, err := m.engine.ContainerKill(t.Context(), m.Container.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
}

// Start boots a killed server again and waits for it. Its published ports are others than before, and so is Host.
func (m *Machine) Start(t testing.TB) {
	t.Helper()
	_, err := m.engine.ContainerStart(t.Context(), m.Container.GetContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	_ = m.Host.Close()
	m.reach(t)
}

// Freeze stops every process of the server where it stands until thaw is called: it accepts connections and
// answers nothing, as a hung machine does.
func (m *Machine) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	id := m.Container.GetContainerID()
	_, err := m.engine.ContainerPause(t.Context(), id, client.ContainerPauseOptions{})
	require.NoError(t, err)
	return func() {
		_, err := m.engine.ContainerUnpause(t.Context(), id, client.ContainerUnpauseOptions{})
		require.NoError(t, err)
	}
}

// Cut takes the server off its Network until mend is called: packets to and from it vanish, and its published
// ports are gone. mend gives it other ones, and another Host.
func (m *Machine) Cut(t testing.TB) (mend func()) {
	t.Helper()
	require.NotEmpty(t, m.network, "a server is cut off a network made by Network")
	id := m.Container.GetContainerID()
	info, err := m.Container.Inspect(t.Context())
	require.NoError(t, err)
	before := info.NetworkSettings.Networks[m.network]
	require.NotNil(t, before)
	_, err = m.engine.NetworkDisconnect(t.Context(), m.network, client.NetworkDisconnectOptions{Container: id, Force: true})
	require.NoError(t, err)
	return func() {
		_, err := m.engine.NetworkConnect(t.Context(), m.network, client.NetworkConnectOptions{
			Container: id, EndpointConfig: &network.EndpointSettings{Aliases: before.Aliases},
		})
		require.NoError(t, err)
		_ = m.Host.Close()
		m.reach(t)
	}
}

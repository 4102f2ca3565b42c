package mysqlrepl

type mariaDBNotation struct{}

func (mariaDBNotation) parse(text string) (GTIDs, error) { return parseMariaDB(text) }

func (mariaDBNotation) configReplication(f *file) {
	f.why("One of a pair. It starts read-only and follows nobody until it is told its role: started by itself after a crash,\n" +
		"# it can neither accept writes that nobody has nor drop what it received and did not apply yet.")
	f.set("read_only", "ON")
	f.set("skip_slave_start", "ON")
	f.why("Several transactions are applied at once and committed in the source's order; what is not applied delays a failover.")
	f.set("slave_parallel_threads", applyWorkers)
	f.set("slave_parallel_mode", "optimistic")
	f.set("slave_net_timeout", netTimeoutSeconds)
	f.why("What a replica acknowledged outlives a crash of its server: what was received is kept, not fetched anew from a source that may be gone.")
	f.set("relay_log_recovery", "OFF")
}

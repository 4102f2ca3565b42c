package mysqlrepl

type mysqlNotation struct{}

func (mysqlNotation) parse(text string) (GTIDs, error) { return parseMySQL(text) }

func (mysqlNotation) configReplication(f *file) {
	f.why("One of a pair. It starts read-only and follows nobody until it is told its role: started by itself after a crash,\n" +
		"# it cannot accept writes that nobody has.")
	f.set("super_read_only", "ON")
	f.set("skip_replica_start", "ON")
	f.why("Several transactions are applied at once and committed in the source's order; what is not applied delays a failover.")
	f.set("replica_parallel_workers", applyWorkers)
	f.set("replica_preserve_commit_order", "ON")
	f.set("replica_net_timeout", netTimeoutSeconds)
	f.why("What a replica acknowledged outlives a crash of its server: what was received is kept, not fetched anew from a source that may be gone.")
	f.set("relay_log_recovery", "OFF")
}

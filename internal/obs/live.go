package obs

import "go.opentelemetry.io/otel/metric"

// LiveStats are counters of live queries since the start, and what there is of them.
type LiveStats struct {
	// Sessions are the connected clients, Subscriptions all their queries, Queries the different ones among them.
	Sessions, Subscriptions, Queries int
	// Runs counts executions, Lone those of them that served one client only because others had moved on; Moves the moments that
	// clients were moved to.
	Runs, Lone, Moves uint64
}

// WatchLive samples the live queries.
func (t *Telemetry) WatchLive(sample func() LiveStats) error {
	w := &watcher{meter: t.instruments.meter}
	sessions := w.gauge("runlog.live.sessions", "{client}", "Clients that follow queries.")
	subscriptions := w.gauge("runlog.live.subscriptions", "{query}", "Queries of all clients.")
	queries := w.gauge("runlog.live.queries", "{query}", "Different queries among them.")
	runs := w.counter("runlog.live.runs", "{run}", "Executions of live queries.")
	lone := w.counter("runlog.live.runs.lone", "{run}", "Those of them that served one client only.")
	moves := w.counter("runlog.live.moves", "{snapshot}", "Snapshots that clients were moved to.")
	return w.watch(func(o metric.Observer) {
		s := sample()
		o.ObserveInt64(sessions, int64(s.Sessions))
		o.ObserveInt64(subscriptions, int64(s.Subscriptions))
		o.ObserveInt64(queries, int64(s.Queries))
		o.ObserveInt64(runs, int64(s.Runs))
		o.ObserveInt64(lone, int64(s.Lone))
		o.ObserveInt64(moves, int64(s.Moves))
	})
}

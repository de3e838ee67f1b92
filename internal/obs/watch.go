package obs

import (
	"context"
	"errors"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"runlog/isolates"
	"runlog/log"
)

// What is here is sampled when somebody collects, at no cost in between. Functions given to Watch are called from a
// collecting goroutine, several at once at times, until Close.

// CacheStats are counters of a cache since it was made, and what it holds.
type CacheStats struct {
	Hits, Misses uint64
	Entries      int
	// Bytes is the size of what it holds.
	Bytes int64
}

// Positions are how far the log has come.
type Positions struct {
	// Applied is the newest offset in the indexes, Visible the newest that is durable too.
	Applied, Visible log.Offset
	// AppliedAt and VisibleAt are their timestamps.
	AppliedAt, VisibleAt log.Timestamp
}

// TableStats is what a table holds.
type TableStats struct {
	Name string
	// Documents counts the live ones.
	Documents int64
	// Disk is the size in bytes of its live documents on disk; 0 shows none.
	Disk int64
}

// WatchIsolates samples a pool under a name such as "functions" or "actions".
func (t *Telemetry) WatchIsolates(pool string, sample func() isolates.Stats) error {
	w := &watcher{meter: t.instruments.meter}
	size := w.gauge("runlog.isolates.size", "{isolate}", "Places in the pool of isolates.")
	inUse := w.gauge("runlog.isolates.in_use", "{isolate}", "Places taken.")
	waiting := w.gauge("runlog.isolates.waiting", "{run}", "Runs that wait for a place.")
	utilization := w.ratio("runlog.isolates.utilization", "Share of the places that are taken.")
	warm := w.gauge("runlog.isolates.warm", "{isolate}", "Evaluated runtimes kept for the next run.")
	runs := w.counter("runlog.isolates.runs", "{run}", "Runs, nested ones included.")
	warmRuns := w.counter("runlog.isolates.runs.warm", "{run}", "Runs that found their modules evaluated.")
	discarded := w.counter("runlog.isolates.discarded", "{isolate}", "Runtimes thrown away after a run.")
	compile := w.cache("runlog.compile_cache", "compiled modules")
	compileTime := w.floatCounter("runlog.compile.duration", "s", "Time spent compiling modules.")
	processes := newProcessGauges(w, pool)
	with := metric.WithAttributeSet(attribute.NewSet(attribute.String("pool", pool)))
	return w.watch(func(o metric.Observer) {
		s := sample()
		if s.Processes != nil {
			processes.observe(o, s.Processes)
		}
		o.ObserveInt64(size, int64(s.Size), with)
		o.ObserveInt64(inUse, int64(s.InUse), with)
		o.ObserveInt64(waiting, int64(s.Waiting), with)
		if s.Size > 0 {
			o.ObserveFloat64(utilization, float64(s.InUse)/float64(s.Size), with)
		}
		o.ObserveInt64(warm, int64(s.WarmRuntimes), with)
		o.ObserveInt64(runs, int64(s.Runs), with)
		o.ObserveInt64(warmRuns, int64(s.WarmRuns), with)
		o.ObserveInt64(discarded, int64(s.Discarded), with)
		compile.observe(o, s.CompileHits, s.CompileMisses, with)
		o.ObserveFloat64(compileTime, s.CompileTime.Seconds(), with)
	})
}

// A processGauges shows the child processes of a pool.
type processGauges struct {
	children       metric.Int64ObservableGauge
	started, ended metric.Int64ObservableCounter
	lost           metric.Int64ObservableCounter
	with           metric.ObserveOption
	states         [3]metric.ObserveOption
	ends           [isolates.ProcessEnds]metric.ObserveOption
}

func newProcessGauges(w *watcher, pool string) *processGauges {
	of := func(more ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, attribute.String("pool", pool))...))
	}
	g := &processGauges{
		children: w.gauge("runlog.isolates.processes", "{process}", "Child processes: busy ones run functions, idle ones are ready, others are starting."),
		started:  w.counter("runlog.isolates.processes.started", "{process}", "Child processes that became ready."),
		ended:    w.counter("runlog.isolates.processes.ended", "{process}", "Child processes that are gone, by cause; replaced ones were let go."),
		lost:     w.counter("runlog.isolates.runs.lost", "{run}", "Runs that ended with a child process through no fault of theirs; queries and mutations are done over."),
		with:     of(),
	}
	for i, state := range []string{"busy", "idle", "starting"} {
		g.states[i] = of(attribute.String("state", state))
	}
	for end := range isolates.ProcessEnds {
		g.ends[end] = of(attribute.String("cause", end.String()))
	}
	return g
}

func (g *processGauges) observe(o metric.Observer, s *isolates.ProcessStats) {
	for i, n := range []int{s.Busy, s.Idle, s.Starting} {
		o.ObserveInt64(g.children, int64(n), g.states[i])
	}
	o.ObserveInt64(g.started, int64(s.Started), g.with)
	for end, n := range s.Ended {
		o.ObserveInt64(g.ended, int64(n), g.ends[end])
	}
	o.ObserveInt64(g.lost, int64(s.Lost), g.with)
}

// IsolateWaits gives what records how long runs waited for a place in a pool.
func (t *Telemetry) IsolateWaits(pool string) func(wait time.Duration) {
	with := metric.WithAttributeSet(attribute.NewSet(attribute.String("pool", pool)))
	return func(wait time.Duration) {
		t.instruments.isolateWait.Record(context.Background(), wait.Seconds(), with)
	}
}

// WatchQueryCache samples the cache of query results.
func (t *Telemetry) WatchQueryCache(sample func() CacheStats) error {
	w := &watcher{meter: t.instruments.meter}
	lookups := w.cache("runlog.query_cache", "query results")
	entries := w.gauge("runlog.query_cache.entries", "{result}", "Query results kept.")
	size := w.gauge("runlog.query_cache.size", "By", "Size of the query results kept.")
	return w.watch(func(o metric.Observer) {
		s := sample()
		lookups.observe(o, s.Hits, s.Misses)
		o.ObserveInt64(entries, int64(s.Entries))
		o.ObserveInt64(size, s.Bytes)
	})
}

// WatchPositions samples how far the log has come.
func (t *Telemetry) WatchPositions(sample func() Positions) error {
	w := &watcher{meter: t.instruments.meter}
	applied := w.gauge("runlog.log.applied", "{entry}", "Newest offset in the indexes.")
	visible := w.gauge("runlog.log.visible", "{entry}", "Newest offset that is durable and visible.")
	lag := w.gauge("runlog.log.visible.lag", "{entry}", "Entries applied and not yet visible.")
	lagTime := w.seconds("runlog.log.visible.lag.duration", "Time between the commits last applied and last made visible.")
	return w.watch(func(o metric.Observer) {
		s := sample()
		o.ObserveInt64(applied, int64(s.Applied))
		o.ObserveInt64(visible, int64(s.Visible))
		// The two are read one after the other, so visible may have passed what was applied.
		o.ObserveInt64(lag, max(0, int64(s.Applied)-int64(s.Visible)))
		o.ObserveFloat64(lagTime, float64(max(0, int64(s.AppliedAt)-int64(s.VisibleAt)))/1e9)
	})
}

// KafkaStats say how publishing fares.
type KafkaStats struct {
	Publishing bool
	State      string
	// Published is the last commit that the brokers have; Lag counts those they do not, and LagSeconds is the age of the first.
	Published, Lag log.Offset
	LagSeconds     float64
	// Opened counts the openings of the topic, Lost the commits that brokers had acknowledged and lost.
	Opened int
	Lost   log.Offset
}

// WatchKafka samples the publisher.
func (t *Telemetry) WatchKafka(sample func() KafkaStats) error {
	w := &watcher{meter: t.instruments.meter}
	up := w.gauge("runlog.kafka.publishing", "{publisher}", "1 while commits are published, 0 while not; the attribute says the state.")
	published := w.gauge("runlog.kafka.published", "{entry}", "Last commit that the brokers acknowledged.")
	lag := w.gauge("runlog.kafka.lag", "{entry}", "Durable commits that are not published yet.")
	lagTime := w.seconds("runlog.kafka.lag.duration", "Age of the oldest commit that is not published yet.")
	opened := w.counter("runlog.kafka.opened", "{opening}", "Openings of the topic; each but the first had a failure before it.")
	lost := w.counter("runlog.kafka.lost", "{entry}", "Commits that brokers acknowledged and then did not have.")
	return w.watch(func(o metric.Observer) {
		s := sample()
		var publishing int64
		if s.Publishing {
			publishing = 1
		}
		o.ObserveInt64(up, publishing, metric.WithAttributeSet(attribute.NewSet(attribute.String("state", s.State))))
		o.ObserveInt64(published, int64(s.Published))
		o.ObserveInt64(lag, int64(s.Lag))
		o.ObserveFloat64(lagTime, s.LagSeconds)
		o.ObserveInt64(opened, int64(s.Opened))
		o.ObserveInt64(lost, int64(s.Lost))
	})
}

// WatchTables samples what each table holds.
func (t *Telemetry) WatchTables(sample func() []TableStats) error {
	w := &watcher{meter: t.instruments.meter}
	documents := w.gauge("runlog.table.documents", "{document}", "Live documents.")
	disk := w.gauge("runlog.table.disk", "By", "Size on disk of the live documents.")
	return w.watch(func(o metric.Observer) {
		for _, s := range sample() {
			with := metric.WithAttributeSet(attribute.NewSet(attribute.String("table", s.Name)))
			o.ObserveInt64(documents, s.Documents, with)
			if s.Disk > 0 {
				o.ObserveInt64(disk, s.Disk, with)
			}
		}
	})
}

// WatchDisk samples the size in bytes of everything on disk.
func (t *Telemetry) WatchDisk(sample func() int64) error {
	w := &watcher{meter: t.instruments.meter}
	disk := w.gauge("runlog.disk", "By", "Size of the data folder.")
	return w.watch(func(o metric.Observer) { o.ObserveInt64(disk, sample()) })
}

// WatchStorage samples the log's store.
func (t *Telemetry) WatchStorage(sample func() log.Metrics) error {
	w := &watcher{meter: t.instruments.meter}
	wal := w.gauge("runlog.storage.wal", "By", "Part of the data folder not yet sorted into tables.")
	memTables := w.gauge("runlog.storage.memtables", "By", "Memory of writes not yet sorted into tables.")
	cached := w.gauge("runlog.storage.cache.size", "By", "Memory of blocks read.")
	lookups := w.cache("runlog.storage.cache", "blocks")
	debt := w.gauge("runlog.storage.compaction.debt", "By", "What has yet to be rewritten until the tables are in order.")
	amplification := w.gauge("runlog.storage.read.amplification", "{table}", "Tables a read of a missing key may look at.")
	flushes := w.counter("runlog.storage.flushes", "{flush}", "Flushes of memory to tables.")
	compactions := w.counter("runlog.storage.compactions", "{compaction}", "Rewritings of tables.")
	return w.watch(func(o metric.Observer) {
		s := sample()
		o.ObserveInt64(wal, int64(s.WALSize))
		o.ObserveInt64(memTables, int64(s.MemTableSize))
		o.ObserveInt64(cached, int64(s.CacheSize))
		lookups.observe(o, uint64(s.CacheHits), uint64(s.CacheMisses))
		o.ObserveInt64(debt, int64(s.CompactionDebt))
		o.ObserveInt64(amplification, int64(s.ReadAmplification))
		o.ObserveInt64(flushes, s.Flushes)
		o.ObserveInt64(compactions, s.Compactions)
	})
}

// WatchProcess samples the memory of this process.
func (t *Telemetry) WatchProcess() error {
	w := &watcher{meter: t.instruments.meter}
	memory := w.gauge("runlog.process.memory", "By", "Memory of the process: resident as the system counts it, heap as in live and dead objects.")
	of := func(kind string) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("type", kind)))
	}
	resident, heap, total := of("resident"), of("heap"), of("runtime")
	return w.watch(func(o metric.Observer) {
		samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
		metrics.Read(samples)
		o.ObserveInt64(memory, int64(samples[0].Value.Uint64()), heap)
		o.ObserveInt64(memory, int64(samples[1].Value.Uint64()), total)
		if rss, err := residentMemory(); err == nil {
			o.ObserveInt64(memory, rss, resident)
		}
	})
}

// residentMemory reads proc_pid_statm(5).
func residentMemory() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errors.New("statm has too few fields")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// A watcher makes observable instruments and remembers what went wrong.
type watcher struct {
	meter       metric.Meter
	instruments []metric.Observable
	errs        []error
}

func (w *watcher) watch(observe func(metric.Observer)) error {
	if err := errors.Join(w.errs...); err != nil {
		return err
	}
	_, err := w.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		observe(o)
		return nil
	}, w.instruments...)
	return err
}

func (w *watcher) made(i metric.Observable, err error) {
	w.instruments = append(w.instruments, i)
	w.errs = append(w.errs, err)
}

func (w *watcher) gauge(name, unit, about string) metric.Int64ObservableGauge {
	i, err := w.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(about))
	w.made(i, err)
	return i
}

func (w *watcher) ratio(name, about string) metric.Float64ObservableGauge {
	i, err := w.meter.Float64ObservableGauge(name, metric.WithUnit("1"), metric.WithDescription(about))
	w.made(i, err)
	return i
}

func (w *watcher) seconds(name, about string) metric.Float64ObservableGauge {
	i, err := w.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(about))
	w.made(i, err)
	return i
}

func (w *watcher) counter(name, unit, about string) metric.Int64ObservableCounter {
	i, err := w.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(about))
	w.made(i, err)
	return i
}

func (w *watcher) floatCounter(name, unit, about string) metric.Float64ObservableCounter {
	i, err := w.meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(about))
	w.made(i, err)
	return i
}

// A cacheGauge shows a cache's lookups, and the share that found something.
type cacheGauge struct {
	hits, misses metric.Int64ObservableCounter
	ratio        metric.Float64ObservableGauge
}

func (w *watcher) cache(name, of string) cacheGauge {
	return cacheGauge{
		hits:   w.counter(name+".hits", "{lookup}", "Lookups of "+of+" that found them."),
		misses: w.counter(name+".misses", "{lookup}", "Lookups of "+of+" that did not."),
		ratio:  w.ratio(name+".hit", "Share of lookups of "+of+" that found them, since the start."),
	}
}

func (c cacheGauge) observe(o metric.Observer, hits, misses uint64, with ...metric.ObserveOption) {
	o.ObserveInt64(c.hits, int64(hits), with...)
	o.ObserveInt64(c.misses, int64(misses), with...)
	if hits+misses > 0 {
		o.ObserveFloat64(c.ratio, float64(hits)/float64(hits+misses), with...)
	}
}

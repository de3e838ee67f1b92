package obs

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// Buckets of durations in seconds, from a read out of a cache to the longest action.
var secondsBuckets = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 900,
}

// instruments are what callbacks record into. What can be sampled is in watch.go and functions.go.
type instruments struct {
	meter metric.Meter

	callDuration, queueDuration, attemptDuration, validateDuration  metric.Float64Histogram
	groupDuration, appendDuration, syncDuration, turnWait, turnHeld metric.Float64Histogram
	isolateWait                                                     metric.Float64Histogram
	batchSize                                                       metric.Int64Histogram
	queued                                                          metric.Int64Gauge

	syncs, syncedEntries, syncedBytes     metric.Int64Counter
	writes, refused, turnsRevoked, stalls metric.Int64Counter
}

// An instrumentMaker remembers what went wrong, so that a list of instruments reads as one.
type instrumentMaker struct {
	metric.Meter
	errs []error
}

func newInstruments(meter metric.Meter) (*instruments, error) {
	m := &instrumentMaker{Meter: meter}
	i := &instruments{
		meter: meter,

		callDuration:     m.seconds("runlog.function.duration", "Time from a call's arrival to its answer; of a mutation, to its durability."),
		queueDuration:    m.seconds("runlog.function.queue.duration", "Time a call waited before its function first ran."),
		attemptDuration:  m.seconds("runlog.function.attempt.duration", "Time of one run of a function's code."),
		validateDuration: m.seconds("runlog.commit.validate.duration", "Time a mutation waited for the writer's verdict."),
		groupDuration:    m.seconds("runlog.commit.batch.duration", "Time of the writer for one batch: validate, append, apply."),
		appendDuration:   m.seconds("runlog.commit.append.duration", "Time of the log's append for one batch."),
		syncDuration:     m.seconds("runlog.commit.sync.duration", "Time from a batch's append until it is durable and visible."),
		turnWait:         m.seconds("runlog.commit.turn.wait.duration", "Time a mutation waited for its turn in the writer's order."),
		turnHeld:         m.seconds("runlog.commit.turn.duration", "Time a turn kept the writer."),
		isolateWait:      m.seconds("runlog.isolates.wait.duration", "Time a run waited for a place in the pool of isolates."),
		batchSize:        m.sizes("runlog.commit.batch.size", "{commit}", "Commits in one batch."),
		queued:           m.gauge("runlog.commit.queue", "{submission}", "Submissions that waited when the last batch was closed."),

		syncs:         m.counter("runlog.log.syncs", "{sync}", "Batches of the log that became durable."),
		syncedEntries: m.counter("runlog.log.entries", "{entry}", "Entries of the log that became durable."),
		syncedBytes:   m.counter("runlog.log.written", "By", "Size of the batches that became durable."),
		writes:        m.counter("runlog.commit.writes", "{document}", "Documents changed by commits."),
		refused:       m.counter("runlog.commit.refused", "{submission}", "Submissions that lost against an entry before them."),
		turnsRevoked:  m.counter("runlog.commit.turns.revoked", "{turn}", "Turns whose time ran out."),
		stalls:        m.counter("runlog.log.stalls", "{stall}", "Times that appends were held up by storage."),
	}
	return i, errors.Join(m.errs...)
}

func (m *instrumentMaker) seconds(name, about string) metric.Float64Histogram {
	h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about),
		metric.WithExplicitBucketBoundaries(secondsBuckets...))
	m.errs = append(m.errs, err)
	return h
}

func (m *instrumentMaker) sizes(name, unit, about string) metric.Int64Histogram {
	h, err := m.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(about),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
	m.errs = append(m.errs, err)
	return h
}

func (m *instrumentMaker) counter(name, unit, about string) metric.Int64Counter {
	c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(about))
	m.errs = append(m.errs, err)
	return c
}

func (m *instrumentMaker) gauge(name, unit, about string) metric.Int64Gauge {
	g, err := m.Int64Gauge(name, metric.WithUnit(unit), metric.WithDescription(about))
	m.errs = append(m.errs, err)
	return g
}

package obs

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"runlog/exec"
	"runlog/schema"
)

// kinds is one more than the largest schema.FunctionKind.
const kinds = int(schema.HTTP) + 1

// errorKinds is one more than the largest exec.ErrorKind.
const errorKinds = int(exec.SystemErrorKind) + 1

// otherFunctions is the label of functions beyond Options.FunctionsMax, and of names no function has.
const otherFunctions = "other"

// series are what is kept of one function: its counters, and attribute sets ready to be recorded or observed with.
// Counters are added to by calls and read when somebody collects: an atomic addition costs a hundredth of an
// instrument's.
type series struct {
	record                                     []metric.RecordOption
	observe                                    []metric.ObserveOption
	calls, conflicts, retries, turns           atomic.Int64
	documentsRead, bytesRead, documentsWritten atomic.Int64
	errors                                     [errorKinds]atomic.Int64
	observeError                               [errorKinds][]metric.ObserveOption
}

func newSeries(kind, function string) *series {
	attributes := []attribute.KeyValue{attribute.String("kind", kind), attribute.String("function", function)}
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	s := &series{record: []metric.RecordOption{set}, observe: []metric.ObserveOption{set}}
	for i := 1; i < errorKinds; i++ {
		kind := attribute.String("type", exec.ErrorKind(i).String())
		s.observeError[i] = []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(append(attributes[:2:2], kind)...))}
	}
	return s
}

// A functionTable holds the series of the functions of one kind. Looking one up takes no lock and allocates nothing:
// the map is never changed, only replaced.
type functionTable struct {
	kind   string
	max    int
	other  *series
	byPath atomic.Pointer[map[string]*series]
	adding sync.Mutex
}

func (t *functionTable) init(kind, max int) {
	t.kind, t.max = "unknown", max
	if kind > 0 {
		t.kind = strings.ToLower(schema.FunctionKind(kind).String())
	}
	t.other = newSeries(t.kind, otherFunctions)
	t.byPath.Store(&map[string]*series{})
}

// find gives the series of a function that has run, or else those of all others.
func (t *functionTable) find(path string) *series {
	if s := (*t.byPath.Load())[path]; s != nil {
		return s
	}
	return t.other
}

// ran makes sure that a function which has run has series, and gives them.
func (t *functionTable) ran(path string) *series {
	known := *t.byPath.Load()
	if s := known[path]; s != nil {
		return s
	}
	if len(known) >= t.max {
		return t.other
	}
	return t.add(path)
}

func (t *functionTable) add(path string) *series {
	t.adding.Lock()
	defer t.adding.Unlock()
	known := *t.byPath.Load()
	if s := known[path]; s != nil {
		return s
	}
	if len(known) >= t.max {
		return t.other
	}
	next := make(map[string]*series, len(known)+1)
	for p, s := range known {
		next[p] = s
	}
	s := newSeries(t.kind, path)
	next[path] = s
	t.byPath.Store(&next)
	return s
}

// of gives the table of a kind; kinds from the future share the first.
func (t *Telemetry) of(kind schema.FunctionKind) *functionTable {
	if int(kind) >= len(t.functions) {
		return &t.functions[0]
	}
	return &t.functions[kind]
}

// all gives the series in use, those of nameless functions last.
func (t *functionTable) all() []*series {
	return append(slices.Collect(maps.Values(*t.byPath.Load())), t.other)
}

// watchFunctions samples the counters of all functions.
func (t *Telemetry) watchFunctions() error {
	w := &watcher{meter: t.instruments.meter}
	counters := []struct {
		instrument metric.Int64ObservableCounter
		of         func(*series) *atomic.Int64
	}{
		{w.counter("runlog.function.executions", "{call}", "Calls answered."), func(s *series) *atomic.Int64 { return &s.calls }},
		{w.counter("runlog.mutation.conflicts", "{attempt}", "Runs of mutations that lost a race."), func(s *series) *atomic.Int64 { return &s.conflicts }},
		{w.counter("runlog.mutation.retries", "{attempt}", "Runs of mutations after the first."), func(s *series) *atomic.Int64 { return &s.retries }},
		{w.counter("runlog.mutation.turns", "{call}", "Mutations that took their turn in the writer's order."), func(s *series) *atomic.Int64 { return &s.turns }},
		{w.counter("runlog.documents.read", "{document}", "Documents read by functions."), func(s *series) *atomic.Int64 { return &s.documentsRead }},
		{w.counter("runlog.documents.read.size", "By", "Size of the documents read by functions."), func(s *series) *atomic.Int64 { return &s.bytesRead }},
		{w.counter("runlog.documents.written", "{document}", "Documents written by functions, lost runs included."), func(s *series) *atomic.Int64 { return &s.documentsWritten }},
	}
	failures := w.counter("runlog.function.errors", "{call}", "Calls that failed, by type of error.")
	return w.watch(func(o metric.Observer) {
		for kind := range t.functions {
			for _, s := range t.functions[kind].all() {
				for _, c := range counters {
					if n := c.of(s).Load(); n > 0 {
						o.ObserveInt64(c.instrument, n, s.observe...)
					}
				}
				for i := range s.errors {
					if n := s.errors[i].Load(); n > 0 {
						o.ObserveInt64(failures, n, s.observeError[i]...)
					}
				}
			}
		}
	})
}

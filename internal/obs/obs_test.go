package obs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"runlog/commit"
	"runlog/exec"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
)

func open(t testing.TB, o Options) *Telemetry {
	t.Helper()
	telemetry, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { telemetry.Close(context.Background()) })
	return telemetry
}

// scrape gives the lines Prometheus would read.
func scrape(t *testing.T, telemetry *Telemetry) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	telemetry.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// expectLines checks that each line is there.
func expectLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			var near []string
			for l := range strings.Lines(text) {
				if strings.HasPrefix(l, name) {
					near = append(near, l)
				}
			}
			t.Errorf("no line %s\nthere is:\n%s", line, strings.Join(near, ""))
		}
	}
}

var (
	transfer = exec.CallInfo{Kind: schema.Mutation, Path: "bank:transfer", RequestID: "00112233aabbccdd"}
	list     = exec.CallInfo{Kind: schema.Query, Path: "messages:list"}
)

func TestCallsAreCounted(t *testing.T) {
	telemetry := open(t, Options{})
	ctx, events := context.Background(), telemetry.ExecEvents()
	if events.CallBegin != nil {
		t.Error("without an endpoint calls pass tracing code")
	}
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: transfer, Elapsed: time.Millisecond, DocumentsRead: 2, BytesRead: 300, DocumentsWritten: 2})
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: transfer, Elapsed: time.Millisecond, DocumentsRead: 2, BytesRead: 300, DocumentsWritten: 2})
	events.Committed(ctx, exec.CommittedInfo{CallInfo: transfer, Offset: 7, Validate: 200 * time.Microsecond})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: transfer, Elapsed: 3 * time.Millisecond, Attempts: 2, Conflicts: 1, Turn: true})
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: list})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: list, Attempts: 1, Error: exec.TimeoutError, Err: errors.New("slow")})
	const mutation = `{function="bank:transfer",kind="mutation"}`
	expectLines(t, scrape(t, telemetry),
		"runlog_function_executions_total"+mutation+" 1",
		"runlog_function_duration_seconds_count"+mutation+" 1",
		"runlog_function_duration_seconds_sum"+mutation+" 0.003",
		`runlog_function_duration_seconds_bucket{function="bank:transfer",kind="mutation",le="0.0025"} 0`,
		`runlog_function_duration_seconds_bucket{function="bank:transfer",kind="mutation",le="0.005"} 1`,
		"runlog_function_attempt_duration_seconds_count"+mutation+" 2",
		"runlog_commit_validate_duration_seconds_count"+mutation+" 1",
		"runlog_mutation_conflicts_total"+mutation+" 1",
		"runlog_mutation_retries_total"+mutation+" 1",
		"runlog_mutation_turns_total"+mutation+" 1",
		"runlog_documents_read_total"+mutation+" 4",
		"runlog_documents_read_size_bytes_total"+mutation+" 600",
		"runlog_documents_written_total"+mutation+" 4",
		`runlog_function_errors_total{function="messages:list",kind="query",type="timeout"} 1`,
	)
}

func TestEveryKindOfErrorHasItsSeries(t *testing.T) {
	telemetry := open(t, Options{})
	events := telemetry.ExecEvents()
	events.Attempt(context.Background(), exec.AttemptInfo{CallInfo: list})
	var lines []string
	for kind := exec.JavaScriptError; kind <= exec.SystemErrorKind; kind++ {
		events.CallEnd(context.Background(), exec.CallEndInfo{CallInfo: list, Error: kind})
		lines = append(lines, `runlog_function_errors_total{function="messages:list",kind="query",type="`+kind.String()+`"} 1`)
	}
	expectLines(t, scrape(t, telemetry), lines...)
}

// What a client writes must not become a label: it could write anything, any number of times.
func TestOnlyFunctionsThatRanAreNamed(t *testing.T) {
	telemetry := open(t, Options{FunctionsMax: 1})
	ctx, events := context.Background(), telemetry.ExecEvents()
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: exec.CallInfo{Kind: schema.Query, Path: "no:such"}, Error: exec.JavaScriptError})
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: list})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: list})
	second := exec.CallInfo{Kind: schema.Query, Path: "messages:second"}
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: second})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: second})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: exec.CallInfo{Kind: 99, Path: "x"}})
	text := scrape(t, telemetry)
	expectLines(t, text,
		`runlog_function_executions_total{function="messages:list",kind="query"} 1`,
		`runlog_function_executions_total{function="other",kind="query"} 2`,
		`runlog_function_executions_total{function="other",kind="unknown"} 1`,
	)
	for _, name := range []string{"no:such", "messages:second"} {
		if strings.Contains(text, name) {
			t.Errorf("%q became a label", name)
		}
	}
}

func TestStorageIsMeasured(t *testing.T) {
	var logged strings.Builder
	telemetry := open(t, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	commits := telemetry.CommitEvents()
	commits.Group(commit.GroupInfo{First: 11, Last: 14, Writes: 9, Refused: 2, Queued: 5, Elapsed: time.Millisecond, Append: 100 * time.Microsecond})
	commits.Group(commit.GroupInfo{First: 15, Last: 14, Refused: 3})
	commits.Synced(commit.SyncedInfo{Last: 14, Entries: 4, Elapsed: 2 * time.Millisecond})
	commits.Turn(commit.TurnInfo{Waited: time.Millisecond, Held: time.Second, Revoked: true})
	fatal := errors.New("fatal")
	var got error
	events := telemetry.LogEvents(func(err error) { got = err })
	events.Synced(log.SyncInfo{Entries: 4, Bytes: 2000})
	events.WriteStall(log.WriteStallInfo{Stalled: true, Reason: "memtables"})
	events.WriteStall(log.WriteStallInfo{})
	if events.Fatal(fatal); got != fatal {
		t.Errorf("fatal got %v", got)
	}
	expectLines(t, scrape(t, telemetry),
		`runlog_commit_batch_size_bucket{le="2"} 0`, `runlog_commit_batch_size_bucket{le="4"} 1`, "runlog_commit_batch_size_sum 4",
		"runlog_commit_writes_total 9", "runlog_commit_refused_total 5",
		"runlog_commit_append_duration_seconds_count 2", "runlog_commit_sync_duration_seconds_sum 0.002",
		"runlog_commit_turns_revoked_total 1", "runlog_log_entries_total 4", "runlog_log_written_bytes_total 2000", "runlog_log_stalls_total 1",
	)
	for _, text := range []string{"a turn was taken back", "turn taken back after 1s", "memtables"} {
		if !strings.Contains(logged.String(), text) {
			t.Errorf("%q is not logged:\n%s", text, logged.String())
		}
	}
}

func TestWatchedStateIsSampled(t *testing.T) {
	telemetry := open(t, Options{})
	stats := isolates.Stats{Size: 4, InUse: 3, Waiting: 2, Runs: 10, WarmRuns: 8, CompileHits: 9, CompileMisses: 1,
		Processes: &isolates.ProcessStats{Busy: 2, Idle: 1, Starting: 3, Started: 7, Ended: [isolates.ProcessEnds]uint64{isolates.EndTimeout: 4}, Lost: 6}}
	telemetry.IsolateWaits("functions")(3 * time.Millisecond)
	tables := []TableStats{{Name: "accounts", Documents: 100, Disk: 5000}}
	for _, err := range []error{
		telemetry.WatchIsolates("functions", func() isolates.Stats { return stats }),
		telemetry.WatchIsolates("actions", func() isolates.Stats { return isolates.Stats{Size: 64} }),
		telemetry.WatchQueryCache(func() CacheStats { return CacheStats{Hits: 3, Misses: 1, Entries: 1, Bytes: 77} }),
		telemetry.WatchPositions(func() Positions { return Positions{Applied: 12, Visible: 10, AppliedAt: 5e9, VisibleAt: 4e9} }),
		telemetry.WatchTables(func() []TableStats { return tables }),
		telemetry.WatchDisk(func() int64 { return 9000 }),
		telemetry.WatchStorage(func() log.Metrics {
			return log.Metrics{WALSize: 60, MemTableSize: 61, CacheSize: 62, CacheHits: 1, CacheMisses: 1, CompactionDebt: 63, ReadAmplification: 3, Flushes: 4, Compactions: 5}
		}),
		telemetry.WatchProcess(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text := scrape(t, telemetry)
	expectLines(t, text,
		`runlog_isolates_size{pool="functions"} 4`, `runlog_isolates_utilization_ratio{pool="functions"} 0.75`,
		`runlog_isolates_utilization_ratio{pool="actions"} 0`, `runlog_isolates_waiting{pool="functions"} 2`,
		`runlog_compile_cache_hits_total{pool="functions"} 9`, `runlog_compile_cache_hit_ratio{pool="functions"} 0.9`,
		`runlog_isolates_processes{pool="functions",state="busy"} 2`, `runlog_isolates_processes{pool="functions",state="starting"} 3`,
		`runlog_isolates_processes_started_total{pool="functions"} 7`, `runlog_isolates_processes_ended_total{cause="timeout",pool="functions"} 4`,
		`runlog_isolates_processes_ended_total{cause="signal",pool="functions"} 0`, `runlog_isolates_runs_lost_total{pool="functions"} 6`,
		`runlog_isolates_wait_duration_seconds_bucket{pool="functions",le="0.005"} 1`, `runlog_isolates_wait_duration_seconds_bucket{pool="functions",le="0.0025"} 0`,
		"runlog_query_cache_hits_total 3", "runlog_query_cache_misses_total 1", "runlog_query_cache_hit_ratio 0.75", "runlog_query_cache_size_bytes 77",
		"runlog_log_visible_lag 2", "runlog_log_visible_lag_duration_seconds 1",
		`runlog_table_documents{table="accounts"} 100`, `runlog_table_disk_bytes{table="accounts"} 5000`, "runlog_disk_bytes 9000",
		"runlog_storage_wal_bytes 60", "runlog_storage_memtables_bytes 61", "runlog_storage_cache_size_bytes 62", "runlog_storage_cache_hit_ratio 0.5",
		"runlog_storage_compaction_debt_bytes 63", "runlog_storage_read_amplification 3", "runlog_storage_flushes_total 4", "runlog_storage_compactions_total 5",
	)
	for _, name := range []string{`runlog_process_memory_bytes{type="resident"}`, `runlog_process_memory_bytes{type="heap"}`, "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
	// A sample is taken anew each time, and a table that is gone has no line.
	stats.InUse, tables = 1, nil
	text = scrape(t, telemetry)
	expectLines(t, text, `runlog_isolates_utilization_ratio{pool="functions"} 0.25`)
	if strings.Contains(text, "accounts") {
		t.Error("a dropped table is still shown")
	}
}

func TestOptionsAreValidated(t *testing.T) {
	_, err := New(context.Background(), Options{OTLPEndpoint: "localhost:4318", TraceRatio: 2})
	if err == nil || !strings.Contains(err.Error(), "OTLPEndpoint") || !strings.Contains(err.Error(), "TraceRatio") {
		t.Errorf("got %v, want both complaints", err)
	}
}

// A collector is an OTLP endpoint that keeps what it is sent.
type collector struct {
	mu      sync.Mutex
	spans   []*otlptrace.Span
	metrics map[string]bool
	status  int
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/base/v1/traces":
		var request collectortrace.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &request)
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	case "/base/v1/metrics":
		var request collectormetrics.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &request)
		for _, resource := range request.ResourceMetrics {
			for _, scope := range resource.ScopeMetrics {
				for _, m := range scope.Metrics {
					c.metrics[m.Name] = true
				}
			}
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (c *collector) span(t *testing.T, name string) *otlptrace.Span {
	t.Helper()
	for _, s := range c.spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %q among %d", name, len(c.spans))
	return nil
}

func TestACallIsOneTrace(t *testing.T) {
	c := &collector{metrics: map[string]bool{}}
	server := httptest.NewServer(c)
	defer server.Close()
	telemetry := open(t, Options{OTLPEndpoint: server.URL + "/base/"})
	events := telemetry.ExecEvents()
	const sender = "4bf92f3577b34da6a3ce929d0e0e4736"
	handler := telemetry.Propagate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := events.CallBegin(r.Context(), transfer)
		events.Attempt(ctx, exec.AttemptInfo{CallInfo: transfer, Elapsed: time.Microsecond, DocumentsRead: 2, Intervals: 2})
		events.Attempt(ctx, exec.AttemptInfo{CallInfo: transfer, Elapsed: time.Microsecond, DocumentsRead: 2, Intervals: 2})
		events.Committed(ctx, exec.CommittedInfo{CallInfo: transfer, Offset: 7, Timestamp: 99})
		events.CallEnd(ctx, exec.CallEndInfo{CallInfo: transfer, Attempts: 2, Conflicts: 1, Error: exec.SystemErrorKind, Err: errors.New("lost the disk")})
	}))
	request := httptest.NewRequest(http.MethodPost, "/api/mutation", nil)
	request.Header.Set("traceparent", "00-"+sender+"-00f067aa0ba902b7-01")
	handler.ServeHTTP(httptest.NewRecorder(), request)
	if err := telemetry.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	call := c.span(t, "Mutation bank:transfer")
	if got := hex(call.TraceId); got != sender || hex(call.ParentSpanId) != "00f067aa0ba902b7" {
		t.Errorf("the call is in trace %s under %x, want the sender's", got, call.ParentSpanId)
	}
	for _, name := range []string{"queue", "isolate", "commit"} {
		s := c.span(t, name)
		if hex(s.ParentSpanId) != hex(call.SpanId) || s.StartTimeUnixNano > s.EndTimeUnixNano {
			t.Errorf("span %s: parent %x, from %d to %d", name, s.ParentSpanId, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
	if len(c.spans) != 5 {
		t.Errorf("%d spans, want the call, one queue, two isolates and a commit", len(c.spans))
	}
	if len(call.Events) != 1 || call.Status.GetMessage() != "system" {
		t.Errorf("the failure is not in the trace: %v %v", call.Status, call.Events)
	}
	if !c.metrics["runlog.function.duration"] {
		t.Errorf("metrics sent: %v", c.metrics)
	}
}

func TestAnUntracedCallLeavesNoSpans(t *testing.T) {
	c := &collector{metrics: map[string]bool{}}
	server := httptest.NewServer(c)
	defer server.Close()
	telemetry := open(t, Options{OTLPEndpoint: server.URL + "/base"})
	events := telemetry.ExecEvents()
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00") // the sender decided against it
	telemetry.Propagate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := events.CallBegin(r.Context(), list)
		events.Attempt(ctx, exec.AttemptInfo{CallInfo: list})
		events.CallEnd(ctx, exec.CallEndInfo{CallInfo: list})
	})).ServeHTTP(httptest.NewRecorder(), request)
	if err := telemetry.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 0 {
		t.Errorf("%d spans", len(c.spans))
	}
}

func TestAFailedExportIsLoggedAndNothingElse(t *testing.T) {
	server := httptest.NewServer(&collector{status: http.StatusBadRequest})
	defer server.Close()
	var logged strings.Builder
	telemetry := open(t, Options{OTLPEndpoint: server.URL, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	events := telemetry.ExecEvents()
	ctx := events.CallBegin(context.Background(), list)
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: list})
	if err := telemetry.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	for _, want := range []string{"export of metrics failed", "export of traces failed"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q is not logged:\n%s", want, logged.String())
		}
	}
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// The callbacks of one mutation: what every call pays.
func mutationCallbacks(ctx context.Context, events exec.EventListener) {
	if events.CallBegin != nil {
		ctx = events.CallBegin(ctx, transfer)
	}
	events.Attempt(ctx, exec.AttemptInfo{CallInfo: transfer, Elapsed: time.Millisecond, DocumentsRead: 2, BytesRead: 300, DocumentsWritten: 2})
	events.Committed(ctx, exec.CommittedInfo{CallInfo: transfer, Offset: 7, Validate: time.Millisecond})
	events.CallEnd(ctx, exec.CallEndInfo{CallInfo: transfer, Elapsed: 2 * time.Millisecond, Attempts: 1})
}

func TestCallbacksDoNotAllocate(t *testing.T) {
	events := open(t, Options{}).ExecEvents()
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { mutationCallbacks(ctx, events) }); n != 0 {
		t.Errorf("%v allocations for the callbacks of one mutation, want none", n)
	}
}

func BenchmarkMutationCallbacks(b *testing.B) {
	ctx := context.Background()
	b.Run("metrics", func(b *testing.B) {
		events := open(b, Options{}).ExecEvents()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				mutationCallbacks(ctx, events)
			}
		})
	})
	b.Run("traces", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer server.Close()
		events := open(b, Options{OTLPEndpoint: server.URL, TraceRatio: .01}).ExecEvents()
		b.ReportAllocs()
		for b.Loop() {
			mutationCallbacks(ctx, events)
		}
	})
}

package obs

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"runlog/exec"
)

// ExecEvents measures calls. The tracing callbacks are there only if there is an endpoint.
func (t *Telemetry) ExecEvents() exec.EventListener {
	if t.tracer == nil {
		return exec.EventListener{CallEnd: t.callEnd, Attempt: t.attempt, Committed: t.committed}
	}
	return exec.EventListener{
		CallBegin: t.traceCall,
		CallEnd: func(ctx context.Context, info exec.CallEndInfo) {
			t.callEnd(ctx, info)
			traceCallEnd(ctx, info)
		},
		Attempt: func(ctx context.Context, info exec.AttemptInfo) {
			t.attempt(ctx, info)
			t.traceAttempt(ctx, info)
		},
		Committed: func(ctx context.Context, info exec.CommittedInfo) {
			t.committed(ctx, info)
			traceCommitted(ctx, info)
		},
	}
}

func (t *Telemetry) callEnd(ctx context.Context, info exec.CallEndInfo) {
	s, i := t.of(info.Kind).find(info.Path), t.instruments
	i.callDuration.Record(ctx, info.Elapsed.Seconds(), s.record...)
	i.queueDuration.Record(ctx, info.Queued.Seconds(), s.record...)
	s.calls.Add(1)
	if info.Error != exec.NoError {
		s.errors[min(int(info.Error), errorKinds-1)].Add(1)
	}
	s.conflicts.Add(int64(info.Conflicts))
	s.retries.Add(int64(max(0, info.Attempts-1)))
	if info.Turn {
		s.turns.Add(1)
	}
}

func (t *Telemetry) attempt(ctx context.Context, info exec.AttemptInfo) {
	s := t.of(info.Kind).ran(info.Path)
	t.instruments.attemptDuration.Record(ctx, info.Elapsed.Seconds(), s.record...)
	s.documentsRead.Add(int64(info.DocumentsRead))
	s.bytesRead.Add(int64(info.BytesRead))
	s.documentsWritten.Add(int64(info.DocumentsWritten))
}

func (t *Telemetry) committed(ctx context.Context, info exec.CommittedInfo) {
	t.instruments.validateDuration.Record(ctx, info.Validate.Seconds(), t.of(info.Kind).find(info.Path).record...)
}

// A callTrace is the trace of one call, carried in its context. The callbacks of a call come one after another.
type callTrace struct {
	span  trace.Span
	begin time.Time
	// ran says that the function has run once, so the time in the queue is known.
	ran bool
	// submitted is when the commit that stands was handed to the writer; zero before.
	submitted time.Time
	committed exec.CommittedInfo
	tracer    trace.Tracer
}

type callTraceKey struct{}

func callTraceOf(ctx context.Context) *callTrace {
	c, _ := ctx.Value(callTraceKey{}).(*callTrace)
	return c
}

// traceCall begins the trace of a call, or a branch of the trace its context carries.
func (t *Telemetry) traceCall(ctx context.Context, info exec.CallInfo) context.Context {
	ctx, span := t.tracer.Start(ctx, info.Kind.String()+" "+info.Path, trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		// Replace whatever an outer call left, so that nobody adds to the wrong trace.
		return context.WithValue(ctx, callTraceKey{}, (*callTrace)(nil))
	}
	span.SetAttributes(attribute.String("runlog.function", info.Path), attribute.String("runlog.request_id", info.RequestID))
	return context.WithValue(ctx, callTraceKey{}, &callTrace{span: span, begin: time.Now(), tracer: t.tracer})
}

// traceAttempt adds the spans of one run: the wait before the first one, and the isolate's work with what it read.
func (t *Telemetry) traceAttempt(ctx context.Context, info exec.AttemptInfo) {
	c := callTraceOf(ctx)
	if c == nil {
		return
	}
	end := time.Now()
	begin := end.Add(-info.Elapsed)
	if !c.ran {
		c.ran = true
		c.add(ctx, "queue", c.begin, begin)
	}
	c.add(ctx, "isolate", begin, end,
		attribute.Int64("runlog.snapshot", int64(info.Snapshot)),
		attribute.Int("runlog.documents.read", info.DocumentsRead),
		attribute.Int("runlog.documents.read.size", info.BytesRead),
		attribute.Int("runlog.read_set.intervals", info.Intervals),
		attribute.Int("runlog.documents.written", info.DocumentsWritten))
}

// traceCommitted remembers the commit; its span ends with the call, when it is durable.
func traceCommitted(ctx context.Context, info exec.CommittedInfo) {
	if c := callTraceOf(ctx); c != nil {
		c.submitted, c.committed = time.Now().Add(-info.Validate), info
	}
}

func traceCallEnd(ctx context.Context, info exec.CallEndInfo) {
	c := callTraceOf(ctx)
	if c == nil {
		return
	}
	if !c.submitted.IsZero() {
		c.add(ctx, "commit", c.submitted, time.Now(),
			attribute.Int64("runlog.offset", int64(c.committed.Offset)),
			attribute.Int64("runlog.timestamp", int64(c.committed.Timestamp)),
			attribute.Float64("runlog.commit.validate.duration", c.committed.Validate.Seconds()))
	}
	c.span.SetAttributes(attribute.Int("runlog.attempts", info.Attempts), attribute.Int("runlog.conflicts", info.Conflicts),
		attribute.Bool("runlog.turn", info.Turn))
	if info.Error != exec.NoError {
		c.span.SetAttributes(attribute.String("error.type", info.Error.String()))
		c.span.SetStatus(codes.Error, info.Error.String())
		if info.Err != nil {
			c.span.RecordError(info.Err)
		}
	}
	c.span.End()
}

// add makes a finished child span.
func (c *callTrace) add(ctx context.Context, name string, begin, end time.Time, attributes ...attribute.KeyValue) {
	_, span := c.tracer.Start(trace.ContextWithSpan(ctx, c.span), name, trace.WithTimestamp(begin), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(end))
}

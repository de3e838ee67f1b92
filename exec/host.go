package exec

import (
	"bytes"
	"context"
	"strings"

	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// A transactionHost serves one run of a query or mutation from its transaction. A nested run has a host of its own
// over the same transaction.
type transactionHost struct {
	r *Runner
	t *transaction
	// call is the client's call that all nested runs belong to.
	call *Call
	// function is what runs here, and depth how many callers it has.
	function *schema.Function
	depth    int
	// strict says that the script is told of a write's success only when it is known.
	strict bool
	// alone says that the run was lost before: it and those nested in it share no process.
	alone   bool
	streams map[uint32]*stream
	// observe is told of operations; nil in production.
	observe Observer
}

// A stream is a query that the script reads piece by piece.
type stream struct {
	cursor *cursor
	// sent are the documents sent; how many of them the script has seen is known when it closes.
	sent []sentDocument
	// charged is what all that was read of it counts.
	charged readUsage
	// failed is why there is nothing after what was sent. The script is told when it asks for that.
	failed *isolates.HostError
}

// A sentDocument is one that was sent: its key, and what the stream had been charged by then.
type sentDocument struct {
	key     []byte
	charged readUsage
}

// Do executes ops in order.
func (h *transactionHost) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	answers := make([]isolates.Answer, len(ops))
	for i := range ops {
		answers[i] = h.do(ctx, &ops[i])
		if h.observe != nil {
			h.observe(&ops[i], &answers[i], h.depth)
		}
	}
	return answers
}

func (h *transactionHost) do(ctx context.Context, op *isolates.Op) (a isolates.Answer) {
	switch op.Kind {
	case isolates.OpGet:
		a.Value, a.Err = h.get(op)
	case isolates.OpCollect:
		a.Values, a.Err = h.t.collect(op.Query)
	case isolates.OpStreamOpen:
		a.Err = h.openStream(op)
	case isolates.OpStreamNext:
		a.Values, a.Done, a.Err = h.readStream(op)
	case isolates.OpStreamClose:
		a.Err = h.closeStream(op)
	case isolates.OpPage:
		a.Page, a.Err = h.t.page(op.Page)
	case isolates.OpCount:
		a.Number, a.Err = h.t.count(op.Table, op.System)
	case isolates.OpNormalizeID:
		a.Text, a.Err = h.normalizeID(op)
	case isolates.OpInsert, isolates.OpPatch, isolates.OpReplace, isolates.OpDelete:
		a = h.write(op)
	case isolates.OpCall:
		return h.nested(ctx, op.Call)
	case isolates.OpSchedule:
		a.Text, a.Err = h.schedule(op)
	case isolates.OpCancel:
		a.Err = h.cancel(op)
	case isolates.OpIdentity:
		a.Value = h.identity()
	case isolates.OpEnv:
		h.t.reads.AddPoint(h.t.catalog.EnvID(op.Name))
		a.Text, a.Found = h.r.env(h.t.catalog, op.Name)
	case isolates.OpMetadata:
		a.Value, a.Err = h.metadata(op.Name)
	case isolates.OpSyscall:
		a.JSON, a.Err = h.syscall(op)
	case isolates.OpProbe: // who observes the run has seen it
	default:
		a.Err = unsupported(op)
	}
	return a
}

// unsupported refuses what this host does not serve, by name.
func unsupported(op *isolates.Op) *isolates.HostError {
	switch op.Kind {
	case isolates.OpFetch:
		return hostError("FetchNotSupported", "fetch() is not supported by this server.")
	case isolates.OpBlobStore, isolates.OpBlobLoad:
		return hostError("StorageNotSupported", "ctx.storage is not supported by this server.")
	}
	if strings.HasPrefix(op.Name, "1.0/storage") || strings.HasPrefix(op.Name, "storage/") {
		return hostError("StorageNotSupported", "ctx.storage is not supported by this server.")
	}
	return hostError("UnknownAsyncOperation", "Unknown async operation %s", strings.TrimPrefix(op.Name, "1.0/"))
}

func (h *transactionHost) get(op *isolates.Op) (value.Encoded, *isolates.HostError) {
	fn := "db.get"
	if op.System {
		fn = "db.system.get"
	}
	id, ok, err := h.t.resolveID(fn, op.ID, op.Table, op.System)
	if !ok || err != nil {
		return nil, err
	}
	return h.t.get(id)
}

func (h *transactionHost) normalizeID(op *isolates.Op) (string, *isolates.HostError) {
	if err := checkTableAccess(op.Table, op.System); err != nil {
		return "", err
	}
	id, err := value.ParseID(op.ID)
	if err != nil {
		return "", nil
	}
	if table, ok := h.t.catalog.TableByNumber(id.Table); !ok || table.Name != op.Table {
		return "", nil
	}
	return op.ID, nil
}

func (h *transactionHost) write(op *isolates.Op) (a isolates.Answer) {
	if h.function.Kind != schema.Mutation {
		a.Err = hostError("WriteInQuery", "Queries cannot write to the database.")
		return a
	}
	switch op.Kind {
	case isolates.OpInsert:
		id, err := h.t.insert(op.Table, op.Value)
		if a.Err = err; err == nil {
			a.Text = id.String()
		}
	case isolates.OpPatch:
		a.Value, a.Err = h.t.patch(op.ID, op.Table, op.Value)
	case isolates.OpReplace:
		a.Value, a.Err = h.t.replace(op.ID, op.Table, op.Value)
	default:
		a.Value, a.Err = h.t.remove(op.ID, op.Table)
	}
	return a
}

func (h *transactionHost) openStream(op *isolates.Op) *isolates.HostError {
	p, err := h.t.planQuery(op.Query)
	if err != nil {
		return err
	}
	if h.streams == nil {
		h.streams = make(map[uint32]*stream)
	}
	h.streams[op.Stream] = &stream{cursor: h.t.open(p)}
	return nil
}

func (h *transactionHost) readStream(op *isolates.Op) (docs []value.Encoded, done bool, _ *isolates.HostError) {
	s, ok := h.streams[op.Stream]
	if !ok {
		return nil, false, hostError("QueryNotFound", "in-progress query not found")
	}
	for len(docs) < max(op.Count, 1) {
		if s.failed != nil {
			return nil, false, s.failed
		}
		before := h.t.used.readUsage
		body, err := s.cursor.next()
		s.charged = s.charged.plus(h.t.used.readUsage.minus(before))
		switch {
		case err != nil && len(docs) > 0: // the script may never come this far
			s.failed = err
			return docs, false, nil
		case err != nil:
			return nil, false, err
		case body == nil:
			return docs, true, nil
		}
		docs = append(docs, body)
		s.sent = append(s.sent, sentDocument{bytes.Clone(s.cursor.last), s.charged})
	}
	return docs, false, nil
}

// closeStream records what the script saw of a stream: all of it if it came to the end, else up to the last document
// it took. What was sent ahead and not looked at is not part of the read set, and counts against no limit.
func (h *transactionHost) closeStream(op *isolates.Op) *isolates.HostError {
	s, ok := h.streams[op.Stream]
	if !ok {
		return nil
	}
	delete(h.streams, op.Stream)
	if op.Consumed < len(s.sent) || s.failed != nil {
		s.cursor.exhausted = false
		var last sentDocument
		if op.Consumed > 0 {
			last = s.sent[op.Consumed-1]
		}
		h.t.used.readUsage = h.t.used.readUsage.minus(s.charged.minus(last.charged))
		return s.cursor.close(last.key)
	}
	return s.cursor.close(s.cursor.last)
}

// closeStreams is for a run that was cut off while it read streams: what it was sent counts as read.
func (h *transactionHost) closeStreams() {
	for _, s := range h.streams {
		// Too many intervals is no news for a run that has ended.
		_ = s.cursor.close(s.cursor.last)
	}
	h.streams = nil
}

// identity is what ctx.auth.getUserIdentity() returns.
func (h *transactionHost) identity() value.Encoded {
	h.t.observedIdentity = true
	return encodeIdentity(h.call.Identity)
}

func encodeIdentity(identity *Identity) value.Encoded {
	if identity == nil {
		return encodedNull
	}
	return value.Encode(identity.Attributes)
}

// metadata answers ctx.meta.
func (h *transactionHost) metadata(name string) (value.Encoded, *isolates.HostError) {
	switch name {
	case "transaction":
		return h.t.metrics(), nil
	case "request":
		if h.function.Kind == schema.Query {
			return nil, hostError("RequestMetadataNotAllowed", "Cannot get request metadata in a Query")
		}
		h.t.observedIdentity = true
		return requestMetadata(h.call), nil
	}
	return h.r.metadata(name, h.function)
}

func requestMetadata(call *Call) value.Encoded {
	scheduled := value.Null()
	if call.Job.Table == schema.ScheduledTable {
		scheduled = value.OfString(call.Job.String())
	}
	return value.Encode(value.OfObject([]value.Field{
		{Name: "authToken", Value: value.Null()},
		{Name: "ip", Value: value.Null()},
		{Name: "requestId", Value: value.OfString(call.RequestID)},
		{Name: "scheduledFunctionId", Value: scheduled},
		{Name: "userAgent", Value: value.Null()},
	}))
}

// metrics is the transaction's use of its limits, as getTransactionMetrics() returns it.
func (t *transaction) metrics() value.Encoded {
	metric := func(name string, used, limit int) value.Field {
		return value.Field{Name: name, Value: value.OfObject([]value.Field{
			{Name: "remaining", Value: value.OfFloat64(float64(max(0, limit-used)))},
			{Name: "used", Value: value.OfFloat64(float64(used))},
		})}
	}
	return value.Encode(value.OfObject([]value.Field{
		metric("bytesRead", t.used.bytesRead, t.limits.BytesRead),
		metric("bytesWritten", t.used.bytesWritten, t.limits.BytesWritten),
		metric("databaseQueries", t.reads.Intervals(), t.limits.ReadIntervals),
		metric("documentsRead", t.used.documentsRead, t.limits.DocumentsRead),
		metric("documentsWritten", t.used.documentsWritten, t.limits.DocumentsWritten),
		metric("functionsScheduled", t.used.scheduled, scheduledMax),
		metric("scheduledFunctionArgsBytes", t.used.scheduledArgsBytes, scheduledArgsMax),
	}))
}

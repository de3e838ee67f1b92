package exec

import (
	"context"

	"runlog/isolates"
)

// A glance is how much the reads ahead of the script come to, up to and including one of them.
type glance struct {
	intervals int
	used      usage
}

// Peek answers reads as Do would, before the script has asked for them: an isolate in another process gets them along
// with its call. It stops at the first that fails, so the script meets errors and limits where it would have met them.
// take counts the next n of them as read.
func (h *transactionHost) Peek(_ context.Context, ops []isolates.Op) (answers []isolates.Answer, take func(n int)) {
	if h.observe != nil {
		return nil, nil // who observes is told of what the script asks, when it does
	}
	t := h.t
	// The reads are made in the name of another transaction in the same state.
	ahead := &transaction{
		snapshot: t.snapshot, catalog: t.catalog, limits: t.limits, seed: t.seed, now: t.now,
		writes: t.writes, order: t.order, used: t.used,
	}
	ahead.limits.ReadIntervals -= t.reads.Len()
	host := &transactionHost{r: h.r, t: ahead, call: h.call, function: h.function}
	glances := make([]glance, 0, len(ops))
	answers = make([]isolates.Answer, 0, len(ops))
	for i := range ops {
		a, ok := host.glance(&ops[i])
		if !ok {
			break
		}
		answers = append(answers, a)
		glances = append(glances, glance{intervals: ahead.reads.Len(), used: ahead.used})
	}
	taken := glance{used: t.used}
	return answers, func(n int) {
		next := glances[n-1]
		glances = glances[n:]
		at := 0
		for read := range ahead.reads.Reads() {
			if at >= taken.intervals && at < next.intervals {
				t.reads.Add(read.Table, read.Index, read.Interval)
			}
			at++
		}
		t.used.documentsRead += next.used.documentsRead - taken.used.documentsRead
		t.used.bytesRead += next.used.bytesRead - taken.used.bytesRead
		taken = next
	}
}

// glance is false for what is not read ahead, and for what failed.
func (h *transactionHost) glance(op *isolates.Op) (a isolates.Answer, ok bool) {
	switch op.Kind {
	case isolates.OpGet:
		a.Value, a.Err = h.get(op)
	case isolates.OpCollect:
		a.Values, a.Err = h.t.collect(op.Query)
	default:
		return a, false
	}
	return a, a.Err == nil
}

package replay

import (
	"context"
	"slices"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Touched is a commit that wrote into a range that was read.
type Touched struct {
	Offset   log.Offset `json:"offset"`
	Time     string     `json:"time"`
	Function string     `json:"function"`
	// Range is what was read, Key what was written there: the place where both met. Empty if the commit met an earlier attempt
	// in what the last one did not read.
	Range string `json:"range"`
	Key   string `json:"key"`
}

// A Why says what a call rests on, and what ended that.
type Why struct {
	// Offset is the last entry that the call could see.
	Offset log.Offset `json:"offset"`
	Reads  []string   `json:"reads"`
	// LostTo are the commits that made the call run again.
	LostTo []Touched `json:"lostTo,omitempty"`
	// WrittenBy are the last commits before that wrote into each range.
	WrittenBy []Touched `json:"writtenBy"`
	// InvalidatedBy are the first commits after that did: each would have changed, or could have changed, the answer.
	InvalidatedBy []Touched `json:"invalidatedBy"`
	// More says that there are later ones, which were not looked for.
	More bool `json:"more"`
}

// invalidationsMax is how many later commits Why lists.
const invalidationsMax = 20

// WhyEntry explains the call of an entry.
func (h *History) WhyEntry(ctx context.Context, off log.Offset) (*Why, error) {
	e, err := h.Entry(off)
	if err != nil {
		return nil, err
	}
	reads, err := index.DecodeReadSet(e.Reads)
	if err != nil {
		return nil, &log.CorruptionError{Offset: off, Where: "entry", Detail: "its read set cannot be read", Cause: err}
	}
	seen, err := h.log.OffsetAt(e.Snapshot)
	if err != nil {
		return nil, err
	}
	w, err := h.why(ctx, reads, seen, off)
	if err != nil {
		return nil, err
	}
	names, err := h.catalogOf(e)
	if err != nil {
		return nil, err
	}
	w.LostTo, err = h.lostTo(e, names)
	return w, err
}

// WhyQuery explains a query as of an offset.
func (h *History) WhyQuery(ctx context.Context, at log.Offset, fn string, args value.Value) (*Why, error) {
	run, _, err := h.Query(ctx, at, fn, args)
	if err != nil {
		return nil, err
	}
	return h.why(ctx, run.Reads, at, at)
}

// why looks for those who wrote what was read: before the entry at seen, and after the entry at own.
func (h *History) why(ctx context.Context, reads *index.ReadSet, seen, own log.Offset) (*Why, error) {
	reads.Merge()
	names, err := h.catalogAt(seen)
	if err != nil {
		return nil, err
	}
	w := &Why{Offset: seen, Reads: describeReads(reads, names), WrittenBy: []Touched{}, InvalidatedBy: []Touched{}}
	m := &meeting{h: h, reads: reads, names: names}
	if w.WrittenBy, err = m.before(ctx, seen); err != nil {
		return nil, err
	}
	for e, err := range h.log.Scan(own+1, h.Head().Offset) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		met, err := m.of(e)
		if err != nil {
			return nil, err
		}
		if len(met) == 0 {
			continue
		}
		if len(w.InvalidatedBy) == invalidationsMax {
			w.More = true
			break
		}
		w.InvalidatedBy = append(w.InvalidatedBy, met[0])
	}
	return w, nil
}

// lostTo explains the losses of an entry's call.
func (h *History) lostTo(e *log.Entry, names *schema.Catalog) ([]Touched, error) {
	reads, err := index.DecodeReadSet(e.Reads)
	if err != nil {
		return nil, &log.CorruptionError{Offset: e.Offset, Where: "entry", Detail: "its read set cannot be read", Cause: err}
	}
	m := &meeting{h: h, reads: reads, names: names}
	var lost []Touched
	for _, off := range e.Call.Lost {
		winner, err := h.Entry(off)
		if err != nil {
			return nil, err
		}
		met, err := m.of(winner)
		if err != nil {
			return nil, err
		}
		if len(met) == 0 {
			met = []Touched{{Offset: off, Time: timeText(winner.Timestamp), Function: displayName(winner.Call.Function)}}
		}
		lost = append(lost, met[0])
	}
	return lost, nil
}

// A meeting finds where entries wrote what was read.
type meeting struct {
	h     *History
	reads *index.ReadSet
	names *schema.Catalog
	// ranges are the intervals of reads.
	ranges []index.Read
}

func (m *meeting) init() {
	if m.ranges == nil {
		m.ranges = slices.Collect(m.reads.Reads())
	}
}

// of lists the places where e wrote into a range, one for each range.
func (m *meeting) of(e *log.Entry) ([]Touched, error) {
	m.init()
	var met []Touched
	for _, r := range m.ranges {
		t, err := m.in(e, r)
		if err != nil {
			return nil, err
		}
		if t != nil {
			met = append(met, *t)
		}
	}
	return met, nil
}

// in is the place where e wrote into r; nil if it did not.
func (m *meeting) in(e *log.Entry, r index.Read) (*Touched, error) {
	def, ok := m.names.IndexByID(r.Table, r.Index)
	if !ok {
		return nil, nil
	}
	for i := range e.Writes {
		w := &e.Writes[i]
		if w.ID.Table != r.Table {
			continue
		}
		before, err := m.h.bodyAt(w.ID, w.Before)
		if err != nil {
			return nil, err
		}
		for _, body := range []value.Encoded{before, w.After} {
			if body == nil {
				continue
			}
			if key := index.Key(def, w.ID, body); r.Interval.Contains(key) {
				return m.touched(e, r, key), nil
			}
		}
	}
	return nil, nil
}

func (m *meeting) touched(e *log.Entry, r index.Read, key []byte) *Touched {
	point := index.Read{Table: r.Table, Index: r.Index, Interval: index.Interval{Lo: key, Hi: value.KeySuccessor(key)}}
	return &Touched{Offset: e.Offset, Time: timeText(e.Timestamp), Function: displayName(e.Call.Function),
		Range: r.Describe(m.names), Key: point.Describe(m.names)}
}

// backwards is how many entries are read at once on the way back, beforeMax how far back it goes.
const (
	backwards = 512
	beforeMax = 200_000
)

// before finds for each range the last entry up to last that wrote into it, the latest first.
func (m *meeting) before(ctx context.Context, last log.Offset) ([]Touched, error) {
	m.init()
	open := slices.Clone(m.ranges)
	found := []Touched{}
	for hi := last; hi > 0 && len(open) > 0 && last-hi < beforeMax; hi -= min(hi, backwards) {
		entries := make([]*log.Entry, 0, backwards)
		for e, err := range m.h.log.Scan(hi-min(hi, backwards)+1, hi) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
		for _, e := range slices.Backward(entries) {
			still := open[:0]
			for _, r := range open {
				t, err := m.in(e, r)
				if err != nil {
					return nil, err
				}
				if t != nil {
					found = append(found, *t)
				} else {
					still = append(still, r)
				}
			}
			open = still
		}
	}
	return found, nil
}

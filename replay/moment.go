package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
)

// offsetsEnd is above any offset and below any timestamp: fifteen minutes after the epoch, in nanoseconds.
const offsetsEnd = 1 << 40

// momentLayouts are how people write times. Without a zone, UTC is meant.
var momentLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999 MST", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
}

// Moment returns the offset of the last entry at a moment that a person wrote: an offset, a commit timestamp in nanoseconds,
// a time such as 2026-03-01T09:00:00Z, or "head". 0 is before the first entry.
func (h *History) Moment(text string) (log.Offset, error) {
	off, ts, err := h.parseMoment(text)
	if err != nil || ts == 0 {
		return off, err
	}
	return h.log.OffsetAt(ts)
}

// From returns the first offset that is not before a moment; it may be one beyond the last entry.
func (h *History) From(text string) (log.Offset, error) {
	off, ts, err := h.parseMoment(text)
	if err != nil || ts == 0 {
		return max(off, 1), err
	}
	off, err = h.log.OffsetAt(ts - 1)
	return off + 1, err
}

// parseMoment reads an offset, or else a timestamp, which is not 0.
func (h *History) parseMoment(text string) (log.Offset, log.Timestamp, error) {
	text = strings.TrimSpace(text)
	if text == "head" || text == "now" {
		return h.Head().Offset, 0, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		if n >= offsetsEnd {
			return 0, log.Timestamp(n), nil
		}
		if n > 0 {
			_, err = h.Entry(log.Offset(n))
		}
		return log.Offset(n), 0, err
	}
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, text); err == nil && t.Unix() > 0 {
			return 0, log.Timestamp(t.UnixNano()), nil
		}
	}
	return 0, 0, &RangeError{fmt.Sprintf("%q is no moment: say an offset, a commit timestamp, a time such as 2026-03-01T09:00:00Z, or head", text)}
}

// catalogAt returns the tables and indexes right after the entry at an offset. It reads system documents only.
func (h *History) catalogAt(off log.Offset) (*schema.Catalog, error) {
	var head log.Head
	if off > 0 {
		e, err := h.Entry(off)
		if err != nil {
			return nil, err
		}
		head = headOf(e)
	}
	var system []schema.SystemWrite
	v := view{log: h.log, head: head}
	err := v.Live(0, schema.FirstUserTable-1, func(doc log.Document) error {
		if !schema.AffectsCatalog(doc.ID.Table) {
			return nil
		}
		after, err := doc.Body.Decode()
		system = append(system, schema.SystemWrite{ID: doc.ID, After: after})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the catalog at offset %d: %w", off, err)
	}
	return schema.NewCatalog().ApplyAll(system)
}

// catalogOf is the catalog that the call of an entry saw.
func (h *History) catalogOf(e *log.Entry) (*schema.Catalog, error) {
	off, err := h.log.OffsetAt(e.Snapshot)
	if err != nil {
		return nil, err
	}
	return h.catalogAt(off)
}

// stampOf is the timestamp of the entry at an offset.
func (h *History) stampOf(off log.Offset) (log.Timestamp, error) {
	if off == 0 {
		return 0, nil
	}
	e, err := h.Entry(off)
	if err != nil {
		return 0, err
	}
	return e.Timestamp, nil
}

// ranges describes an encoded read set, a line for each interval.
func ranges(reads []byte, names *schema.Catalog) ([]string, error) {
	set, err := index.DecodeReadSet(reads)
	if err != nil {
		return nil, err
	}
	return describeReads(set, names), nil
}

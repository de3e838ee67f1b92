package publish

import (
	"context"
	"strconv"

	"runlog/feed"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// snapshotChunkBytes is about the size of a snapshot's chunk: a few make a batch.
const snapshotChunkBytes = 256 << 10

// A snapshotter writes the documents of one moment, in order of their ids, chunk by chunk. A chunk says where it ends, so that
// whoever opens the topic next can go on behind the last one that arrived.
type snapshotter struct {
	s    *session
	k    *packer
	v    *envelope
	e    *log.Entry
	size int

	chunk int
	rows  int
	last  value.ID
}

// snapshot publishes the documents as of the plan's commit, from where it says on.
func (s *session) snapshot(ctx context.Context, k *packer) error {
	at := s.plan.snapshot
	e, err := s.p.o.Log.Read(at.seq)
	if err != nil {
		return err
	}
	tables, err := index.CatalogAt(s.p.o.Log, e.Timestamp)
	if err != nil {
		return err
	}
	w := &snapshotter{s: s, k: k, v: newEnvelope(s.p.o.Log, tables), e: e, size: s.p.o.testing.snapshotChunk, chunk: at.chunk}
	var after value.ID
	if at.after != "" {
		if after, err = value.ParseID(at.after); err != nil {
			return blocked("the snapshot in the topic %s cannot be continued: its chunk %d ends at %q: %v", s.p.o.Topic, at.chunk, at.after, err)
		}
	}
	w.begin()
	if err := w.documents(ctx, after); err != nil {
		return err
	}
	if err := w.end(true); err != nil {
		return err
	}
	return k.flush()
}

// documents writes those behind an id, in order.
func (w *snapshotter) documents(ctx context.Context, after value.ID) error {
	if after.Table < schema.StorageTable {
		after.Table = schema.StorageTable - 1 // what is before is never published
	}
	return w.s.p.o.Log.LiveAfter(after, 1<<32-1, w.e.Timestamp, func(d log.Document) error {
		if !published(d.ID.Table) {
			return nil
		}
		table, ok := w.v.catalog.TableName(d.ID.Table)
		if !ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(w.v.buf) > w.size {
			if err := w.end(false); err != nil {
				return err
			}
			w.begin()
		}
		if w.rows > 0 {
			w.v.buf = append(w.v.buf, ',')
		}
		w.rows++
		w.last = d.ID
		w.v.document(table, d.ID, feed.OpRead, nil, d.Body)
		return nil
	})
}

func (w *snapshotter) begin() {
	w.chunk++
	w.rows = 0
	w.v.begin(feed.TypeSnapshot)
	w.v.position(w.e.Offset, w.e.Timestamp)
	w.v.buf = append(w.v.buf, `,"chunk":`...)
	w.v.buf = strconv.AppendInt(w.v.buf, int64(w.chunk), 10)
	if w.chunk == 1 {
		w.v.buf = append(w.v.buf, `,"events":[`...)
		w.v.schemaEvent()
		w.v.buf = append(w.v.buf, ']')
	}
	w.v.buf = append(w.v.buf, `,"writes":[`...)
}

// end hands the chunk over.
func (w *snapshotter) end(last bool) error {
	w.v.buf = append(w.v.buf, `],"last":`...)
	w.v.buf = strconv.AppendBool(w.v.buf, last)
	w.v.buf = append(w.v.buf, '}')
	chunk := strconv.Itoa(w.chunk)
	if last {
		chunk += "/last"
	}
	headers := append(w.s.headers(feed.TypeSnapshot), position(w.e.Offset, w.e.Timestamp)...)
	headers = append(headers, header(feed.HeaderChunk, chunk), header(feed.HeaderSum, sumText(w.e.Sum)))
	if w.rows > 0 {
		headers = append(headers, header(feed.HeaderAfter, w.last.String()))
	}
	return w.k.add(w.e.Timestamp.Time().UnixMilli(), w.v.buf, headers, func(l *load) {
		if last {
			l.last, l.sum, l.ts = w.e.Offset, sumText(w.e.Sum), w.e.Timestamp
		}
	})
}

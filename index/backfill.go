package index

import (
	"context"
	"fmt"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// backfillBatch is how many keys are handed to the committer at once: half a millisecond of its time, or one.
const backfillBatch = 256

// A Backfill fills an index that was added to a table with documents, while the table is written.
//
//	entry with the new index applied          its tree is there, empty; every write from here on maintains it
//	Scan reads all live documents, later      a document written meanwhile is maintained already, and the scan's
//	  and hands over their keys in batches      key for it is of a version that is not the latest: ApplyBatch drops it
//	the last batch applied                    the tree holds exactly the keys of the table
//	ReadyWrite committed                      queries may use the index
//
// A crash in between loses nothing: Open builds every index from the documents, and ReadyWrite is all that is left.
type Backfill struct {
	log   Log
	table value.TableNumber
	def   *schema.Index
	// filled says that there is nothing to scan.
	filled bool
}

// A Batch is a piece of a Backfill, for ApplyBatch.
type Batch struct {
	table value.TableNumber
	index schema.IndexID
	items []batchItem
	last  bool
}

type batchItem struct {
	key string
	id  recordID
	ts  log.Timestamp
}

// Len returns the number of keys in the batch.
func (b Batch) Len() int { return len(b.items) }

// Index returns the index that is being filled.
func (b *Backfill) Index() *schema.Index { return b.def }

// Backfills returns the indexes that wait to be filled and called ready, each only once. Their entries must be in the log.
// Indexes without a tree, for text and vectors, have nothing to wait for.
func (ix *Indexes) Backfills() []*Backfill {
	var found []*Backfill
	for _, def := range ix.state.catalog.Tables() {
		for _, x := range def.Indexes {
			if x.State != schema.Backfilling || ix.backfilling[x.ID] {
				continue
			}
			ix.backfilling[x.ID] = true
			b := &Backfill{log: ix.src.log, table: def.Number, def: x, filled: true}
			if u := ix.state.table(def.Number).user(x.ID); u != nil {
				b.filled = u.filled
			}
			found = append(found, b)
		}
	}
	return found
}

// Scan reads the documents of the table as they are now and calls emit with batches of their keys, until the last one is
// emitted, or ctx ends, or emit fails. Any goroutine may call it; it takes as long as reading the table takes.
func (b *Backfill) Scan(ctx context.Context, emit func(Batch) error) error {
	if b.filled {
		return nil
	}
	var key []byte
	items := make([]batchItem, 0, backfillBatch)
	err := b.log.Live(b.table, b.table, func(doc log.Document) error {
		id := recordIDOf(doc.ID.Internal)
		key = appendUserKey(key[:0], b.def, doc.Body, createdOf(doc.Body), id)
		items = append(items, batchItem{string(key), id, doc.Version})
		if len(items) < backfillBatch {
			return nil
		}
		full := Batch{table: b.table, index: b.def.ID, items: items}
		items = make([]batchItem, 0, backfillBatch)
		if err := ctx.Err(); err != nil {
			return err
		}
		return emit(full)
	})
	if err != nil {
		return fmt.Errorf("fill index %s: %w", b.def.Name, err)
	}
	return emit(Batch{table: b.table, index: b.def.ID, items: items, last: true})
}

// ApplyBatch adds the keys of a batch to its index, leaving out those of documents that were written or deleted since they
// were read. A batch for an index that has been removed does nothing.
func (ix *Indexes) ApplyBatch(b Batch) {
	i, found := ix.state.find(b.table)
	if !found {
		return
	}
	t := ix.state.tables[i]
	u := t.user(b.index)
	if u == nil {
		return
	}
	tree := u.tree.own(&ix.cloneMu)
	for _, item := range b.items {
		if doc, found := t.byID.t.Get(idItem{id: item.id}); found && doc.rec.latest() == item.ts {
			tree.ReplaceOrInsert(userItem{item.key, doc.rec})
		}
	}
	u.filled = u.filled || b.last
	ix.state.changed(t)
	ix.state.changes += len(b.items)
}

// ReadyWrite returns the write that calls the index ready, from the state of the snapshot; false if the index has been
// removed or is ready.
func (b *Backfill) ReadyWrite(s *Snapshot) (log.Write, bool, error) {
	def, exists := s.catalog.IndexByID(b.table, b.def.ID)
	if !exists || def.State == schema.Ready {
		return log.Write{}, false, nil
	}
	doc, found, err := s.Get(def.DocID)
	if err != nil || !found {
		return log.Write{}, false, err
	}
	ready := s.catalog.SetIndexState(def, schema.Ready)
	return log.Write{ID: doc.ID, Before: doc.Version, BeforeBody: doc.Body, After: value.Encode(ready.After)}, true, nil
}

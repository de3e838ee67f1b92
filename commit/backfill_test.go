package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// fill inserts n documents.
func (db *database) fill(table value.TableNumber, n int) {
	db.tb.Helper()
	req := &Request{Snapshot: db.Applied().Timestamp()}
	for i := range n {
		req.Writes = append(req.Writes, log.Write{ID: named(table, fmt.Sprintf("old%d", i)), After: document(intField("n", int64(i)))})
	}
	commit, err := db.Submit(context.Background(), req)
	if err == nil {
		err = commit.Wait(context.Background())
	}
	if err != nil {
		db.tb.Fatal(err)
	}
}

// An index is added while the table is written; it becomes ready by itself, and complete.
func TestBackfillBesideWriters(t *testing.T) {
	infos := make(chan BackfillInfo, 10)
	db := newDatabase(t, Options{EventListener: EventListener{Backfill: func(i BackfillInfo) { infos <- i }}})
	table := db.addTable("t")
	const documents = 3000
	db.fill(table, documents)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := seeded(t)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := named(table, fmt.Sprintf("old%d", r.IntN(documents)))
				_, err := db.retry(t.Context(), 3, func(s *index.Snapshot) *Request {
					req := &Request{Snapshot: s.Timestamp(), Reads: index.NewReadSet()}
					req.Reads.AddPoint(id)
					var after value.Encoded
					if n%3 != 0 {
						after = document(intField("n", int64(n)))
					}
					if w := writeTo(t, s, id, after); w.Before != 0 || w.After != nil {
						req.Writes = append(req.Writes, w)
					}
					req.Writes = append(req.Writes, log.Write{ID: named(table, fmt.Sprintf("%d.%d", i, n)), After: document(intField("n", 7))})
					return req
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		x := db.newIndex(table, "n", schema.Backfilling)
		x.Name = fmt.Sprintf("by_n%d", x.ID)
		x.DocID = named(schema.IndexTable, x.Name)
		db.system(schema.NewIndexDoc(0, x))
		if info := <-infos; info.Err != nil || info.Index.ID != x.ID || info.Keys == 0 {
			t.Errorf("%v", info)
		}
		if got, ok := db.Visible().Catalog().IndexByID(table, x.ID); !ok || got.State != schema.Ready {
			t.Error("told to be ready before it is")
		}
	}
	close(stop)
	wg.Wait()
	if err := db.WaitVisible(t.Context(), db.Applied().Timestamp()); err != nil {
		t.Fatal(err)
	}
	db.checkIndexes()
}

// What was being filled when the process ended becomes ready after the next start.
func TestBackfillAfterRestart(t *testing.T) {
	fs := vfs.NewMem()
	db := openDatabase(t, fs, Options{})
	table := db.addTable("t")
	db.fill(table, 1000)
	x := db.newIndex(table, "n", schema.Backfilling)
	doc := schema.NewIndexDoc(0, x)
	// The entry is written behind the committer's back, as if the process had ended right after it.
	if err := db.Committer.Close(); err != nil {
		t.Fatal(err)
	}
	head := db.log.Head()
	sync, err := db.log.Append([]*log.Entry{{
		Offset: head.Offset + 1, Timestamp: head.Timestamp + 1, Snapshot: head.Timestamp, Writes: []log.Write{{ID: doc.ID, After: value.Encode(doc.After)}},
	}})
	if err == nil {
		err = errors.Join(sync.Wait(), db.log.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan BackfillInfo, 1)
	after := openDatabase(t, fs, Options{EventListener: EventListener{Backfill: func(i BackfillInfo) { done <- i }}})
	defer after.close()
	if info := <-done; info.Err != nil {
		t.Errorf("%v", info)
	}
	if got, _ := after.Visible().Catalog().IndexByID(table, x.ID); got.State != schema.Ready {
		t.Error("not ready")
	}
	if n, err := after.Applied().CountRange(table, x.ID, index.All()); n != 1000 || err != nil {
		t.Errorf("%d keys (%v)", n, err)
	}
	after.checkIndexes()
}

// An index that is removed while it is filled leaves nothing behind.
func TestBackfillOfRemovedIndex(t *testing.T) {
	infos := make(chan BackfillInfo, 1)
	db := newDatabase(t, Options{EventListener: EventListener{Backfill: func(i BackfillInfo) { infos <- i }}})
	table := db.addTable("t")
	db.fill(table, 1000)
	x := db.newIndex(table, "n", schema.Backfilling)
	db.system(schema.NewIndexDoc(0, x))
	db.system(schema.SystemWrite{ID: x.DocID})
	if info := <-infos; info.Err != nil {
		t.Errorf("%v", info)
	}
	if it := db.Applied().Scan(table, x.ID, index.All(), false); it.Next() || !errors.Is(it.Err(), index.ErrIndexNotFound) {
		t.Errorf("scan: %v", it.Err())
	}
	db.checkIndexes()
}

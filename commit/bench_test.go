package commit

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// BenchmarkSubmit commits increments from 1, 16 and 64 goroutines, on documents of their own or on one that all share, and
// waits until each is visible. The store is in memory, so what is measured is the processor's time, not the disk's; "disk"
// is on disk. A loser runs again, and takes its turn after three losses.
func BenchmarkSubmit(b *testing.B) {
	for _, place := range []string{"memory", "disk"} {
		for _, hot := range []bool{false, true} {
			for _, submitters := range []int{1, 16, 64} {
				name := fmt.Sprintf("%s/disjoint/submitters=%d", place, submitters)
				if hot {
					name = fmt.Sprintf("%s/hot/submitters=%d", place, submitters)
				}
				b.Run(name, func(b *testing.B) { benchmarkSubmit(b, place, hot, submitters) })
			}
		}
	}
}

func benchmarkSubmit(b *testing.B, place string, hot bool, submitters int) {
	var fs vfs.FS = vfs.NewMem()
	if place == "disk" {
		b.Chdir(b.TempDir())
		fs = vfs.Default
	}
	var conflicts, turns, groups atomic.Int64
	var writer atomic.Int64
	db := openDatabase(b, fs, Options{EventListener: EventListener{
		Conflict: func(*ConflictError) { conflicts.Add(1) },
		Turn:     func(TurnInfo) { turns.Add(1) },
		Group:    func(i GroupInfo) { groups.Add(1); writer.Add(int64(i.Elapsed)) },
	}})
	defer db.close()
	table := db.addTable("counters", "n")
	counters := make([]value.ID, submitters)
	for i := range counters {
		if counters[i] = named(table, fmt.Sprint(i)); hot {
			counters[i] = named(table, "hot")
		}
		if i == 0 || !hot {
			db.insert(counters[i], document(intField("n", 0)))
		}
	}
	groups.Store(0)
	writer.Store(0)
	var next atomic.Int64
	b.SetParallelism(submitters) // a multiple of GOMAXPROCS: the goroutines beyond submitters end at once
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)) - 1
		if i >= submitters {
			return
		}
		for pb.Next() {
			commit, err := db.retry(b.Context(), 3, func(s *index.Snapshot) *Request { return increment(b, s, counters[i]) })
			if err == nil {
				err = commit.Wait(b.Context())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(float64(writer.Load())/n, "ns-writer/op")
	b.ReportMetric(n/float64(groups.Load()), "entries/group")
	b.ReportMetric(float64(conflicts.Load())/n, "conflicts/op")
	b.ReportMetric(float64(turns.Load())/n, "turns/op")
}

// BenchmarkWriter measures what a submission costs the writer alone, in groups of 64: validation, stamping, indexes and the
// append, without waking anyone.
func BenchmarkWriter(b *testing.B) {
	db := openDatabase(b, vfs.NewMem(), Options{})
	defer db.close()
	table := db.addTable("accounts", "number")
	const accounts = 10_000
	for i := range accounts / 1000 {
		req := &Request{Snapshot: db.Applied().Timestamp()}
		for j := range 1000 {
			n := int64(i*1000 + j)
			req.Writes = append(req.Writes, log.Write{ID: named(table, fmt.Sprint(n)), After: document(intField("number", n), intField("balance", 1000))})
		}
		commit, err := db.Submit(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		if err := commit.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Committer.Close(); err != nil {
		b.Fatal(err)
	}
	c, err := newCommitter(Options{Log: db.log, Indexes: db.ix})
	if err != nil {
		b.Fatal(err)
	}
	db.Committer = c
	c.wg.Go(c.awaitSyncs)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		b.StopTimer()
		s := db.Applied()
		n := min(64, b.N-done)
		group := make([]*submission, n)
		for i := range n {
			from := int64(done+i) * 2 % accounts
			if group[i], err = newSubmission(transfer(b, s, table, from, from+1)); err != nil {
				b.Fatal(err)
			}
		}
		for _, sub := range group[1:] {
			c.queue <- sub
		}
		b.StartTimer()
		c.writeGroup(group[0])
		for _, sub := range group {
			if sub.err != nil {
				b.Fatal(sub.err)
			}
		}
		done += n
	}
	b.StopTimer()
	close(c.syncs)
}

// transfer reads two accounts by number, and moves one from the first to the second.
func transfer(tb testing.TB, s *index.Snapshot, table value.TableNumber, from, to int64) *Request {
	reads := index.NewReadSet()
	req := &Request{Snapshot: s.Timestamp(), Reads: reads, Call: log.Call{Kind: log.Mutation, Function: "transfer.js:transfer"}}
	for number, amount := range map[int64]int64{from: -1, to: 1} {
		iv := index.Prefix(value.AppendKey(nil, value.OfInt64(number)))
		reads.Add(table, schema.FirstUserIndex, iv)
		it := s.Scan(table, schema.FirstUserIndex, iv, false)
		if !it.Next() {
			tb.Fatalf("no account %d", number)
		}
		doc, err := it.Doc()
		if err != nil {
			tb.Fatal(err)
		}
		reads.AddPoint(doc.ID)
		after := document(intField("number", number), intField("balance", intOf(doc.Body, "balance")+amount))
		req.Writes = append(req.Writes, log.Write{ID: doc.ID, Before: doc.Version, BeforeBody: doc.Body, After: after})
	}
	return req
}

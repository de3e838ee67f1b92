//go:build unix

package replay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"runlog/log"
	"runlog/value"
)

// benchCommits is how many commits the long history of the benchmarks has. REPLAY_COMMITS sets another number.
func benchCommits(b *testing.B) int {
	text, ok := os.LookupEnv("REPLAY_COMMITS")
	if !ok {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// benchAccounts is how many documents the commits of the long history change.
const benchAccounts = 100_000

// longHistory is a log of many commits, each of which changes two documents of a table with an index. They are written to the log as
// a committer writes them, without functions behind them.
func longHistory(b *testing.B) *History {
	b.Helper()
	r := record(b, nil)
	r.push(shop)
	first := r.call("shop:add", `{"name": "first", "stock": 1}`)
	id, err := value.ParseID(first.Str())
	if err != nil {
		b.Fatal(err)
	}
	r.close()
	l, err := log.Open(r.dir, log.Options{})
	if err != nil {
		b.Fatal(err)
	}
	w := &longWriter{b: b, log: l, rng: rand.New(rand.NewPCG(1, 2)), versions: make([]log.Timestamp, benchAccounts), stock: make([]int, benchAccounts), table: id.Table}
	w.write(benchCommits(b))
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	return r.history()
}

type longWriter struct {
	b        *testing.B
	log      *log.Log
	rng      *rand.Rand
	table    value.TableNumber
	versions []log.Timestamp
	stock    []int
}

func (w *longWriter) id(i int) (id value.ID) {
	id.Table = w.table
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	for j := range id.Internal {
		id.Internal[j] = byte(rng.Uint32())
	}
	return id
}

func (w *longWriter) body(i int) value.Encoded {
	return value.Encode(value.OfObject([]value.Field{
		{Name: "_creationTime", Value: value.OfFloat64(float64(i))}, {Name: "_id", Value: value.OfString(w.id(i).String())},
		{Name: "name", Value: value.OfString(fmt.Sprintf("item %d", i))}, {Name: "stock", Value: value.OfFloat64(float64(w.stock[i]))},
	}))
}

// write appends n entries, in groups as they come from a busy committer.
func (w *longWriter) write(n int) {
	head := w.log.Head()
	args := value.Encode(value.OfObject([]value.Field{{Name: "from", Value: value.OfFloat64(1)}, {Name: "to", Value: value.OfFloat64(2)}}))
	group := make([]*log.Entry, 0, 512)
	for i := range n {
		e := &log.Entry{Offset: head.Offset + log.Offset(i) + 1, Timestamp: head.Timestamp + log.Timestamp(i+1)*1000}
		e.Snapshot = e.Timestamp - 1000
		e.Call = log.Call{Kind: log.System, Function: "_system/bench", Args: args, Attempts: 1}
		from := w.rng.IntN(benchAccounts)
		for _, at := range []int{from, (from + 1 + w.rng.IntN(benchAccounts-1)) % benchAccounts} {
			write := log.Write{ID: w.id(at), Before: w.versions[at]}
			if write.Before != 0 {
				write.BeforeBody = w.body(at)
			}
			w.stock[at]++
			write.After = w.body(at)
			w.versions[at] = e.Timestamp
			e.Writes = append(e.Writes, write)
		}
		if group = append(group, e); len(group) == cap(group) || i == n-1 {
			w.append(group)
			group = group[:0]
		}
	}
}

func (w *longWriter) append(group []*log.Entry) {
	s, err := w.log.Append(group)
	if err == nil {
		err = s.Wait()
	}
	if err != nil {
		w.b.Fatal(err)
	}
}

// BenchmarkLongHistory reaches random moments of a long history, and folds a part of it.
func BenchmarkLongHistory(b *testing.B) {
	h := longHistory(b)
	rng := rand.New(rand.NewPCG(3, 4))
	b.Run("goto", func(b *testing.B) {
		begun, n := processorTime(b), 0
		for b.Loop() {
			n++
			if _, err := h.StateAt(1 + log.Offset(rng.Uint64N(uint64(h.Head().Offset)))); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((processorTime(b)-begun).Milliseconds())/float64(n), "cpu-ms/op")
	})
	b.Run("document", func(b *testing.B) {
		w := &longWriter{table: 10001}
		for b.Loop() {
			if _, _, _, err := h.Log().DocumentAt(w.id(rng.IntN(benchAccounts)), log.Timestamp(rng.Uint64N(uint64(h.Head().Timestamp)))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("apply", func(b *testing.B) {
		entries, begun := 0, processorTime(b)
		for b.Loop() {
			f, err := h.foldFrom(0)
			if err != nil {
				b.Fatal(err)
			}
			for e, err := range h.Entries(1, h.Head().Offset) {
				if err == nil {
					err = f.apply(e)
				}
				if err != nil {
					b.Fatal(err)
				}
				entries++
			}
		}
		b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
		b.ReportMetric(float64(entries)/(processorTime(b)-begun).Seconds(), "entries/cpu-s")
	})
}

// processorTime is what this process has used of the processors. On a machine that is busy with other things it tells more than the
// clock does.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkVerify runs transfers of examples/bank, and then verifies them: how fast each is, and their ratio.
func BenchmarkVerify(b *testing.B) {
	r := record(b, nil)
	r.pushDir("../examples/bank")
	const accounts, transfers = 2000, 20_000
	r.call("bank:seed", fmt.Sprintf(`{"start": 0, "count": %d, "initial": 1000000}`, accounts))
	begun, used := time.Now(), processorTime(b)
	r.transfers(transfers, accounts)
	live, liveUsed := transfers/time.Since(begun).Seconds(), transfers/(processorTime(b)-used).Seconds()
	h := r.history()
	mutations := 0
	used = processorTime(b)
	for b.Loop() {
		report, err := h.Verify(context.Background(), VerifyOptions{})
		if err != nil || report.Difference != nil {
			b.Fatalf("%v %s", err, report.Difference)
		}
		mutations += report.Reruns
	}
	rate, rateUsed := float64(mutations)/b.Elapsed().Seconds(), float64(mutations)/(processorTime(b)-used).Seconds()
	b.ReportMetric(rate, "verified/s")
	b.ReportMetric(live, "live/s")
	b.ReportMetric(rate/live, "verified/live")
	b.ReportMetric(rateUsed, "verified/cpu-s")
	b.ReportMetric(rateUsed/liveUsed, "verified/live-per-cpu")
}

// transfers has callers move money at the same time.
func (r *recording) transfers(n, accounts int) {
	r.t.Helper()
	const callers = 32
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			for i := c; i < n; i += callers {
				args := fmt.Sprintf(`{"from": %d, "to": %d, "amount": 1}`, i%accounts, (i*7+1+c)%accounts)
				if i%accounts == (i*7+1+c)%accounts {
					continue
				}
				if _, err := r.try("bank:transfer", args); err != nil {
					r.t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A windowModel is a Window that compares everything with everything.
type windowModel struct {
	touches []Touch
	floor   log.Timestamp
}

func (m *windowModel) conflict(set *ReadSet, since, until log.Timestamp) bool {
	if since < m.floor {
		return true
	}
	for _, t := range m.touches {
		for read := range set.Reads() {
			if t.Timestamp > since && t.Timestamp <= until && t.Table == read.Table && t.Index == read.Index && read.Interval.Contains(t.Key) {
				return true
			}
		}
	}
	return false
}

// addRandom commits a few touches to both.
func addRandom(r *rand.Rand, w *Window, m *windowModel, ts log.Timestamp) {
	c := windowCommit{ts: ts, offset: log.Offset(ts / 2), function: fmt.Sprint("f", ts)}
	var touches []touch
	for range r.IntN(4) {
		sp := spaceOf(value.TableNumber(1+r.IntN(2)), schema.IndexID(1+r.IntN(2)))
		var id value.InternalID
		id[0] = byte(r.IntN(3))
		key := string(smallKey(r)) + string(id[:])
		touches = append(touches, touch{space: sp, key: key})
		m.touches = append(m.touches, Touch{
			Table: sp.table(), Index: sp.index(), Key: []byte(key), ID: value.ID{Table: sp.table(), Internal: id},
			Timestamp: ts, Offset: c.offset, Function: c.function,
		})
	}
	w.add(c, touches)
}

func TestWindowAgainstQuadraticCheck(t *testing.T) {
	r := seeded(t)
	for range 150 {
		w, m := NewWindow(10, WindowOptions{segment: 1 + r.IntN(40)}), &windowModel{floor: 10}
		ts := log.Timestamp(10)
		for range 1 + r.IntN(80) {
			ts += log.Timestamp(1 + r.IntN(3))
			addRandom(r, w, m, ts)
			set := &ReadSet{}
			for range r.IntN(4) {
				set.Add(value.TableNumber(1+r.IntN(2)), schema.IndexID(1+r.IntN(2)), smallInterval(r))
			}
			since := log.Timestamp(8 + r.IntN(int(ts)-6))
			until := since + log.Timestamp(r.IntN(30))
			if r.IntN(2) == 0 {
				until = ts + 5
			}
			got, hit := w.ConflictBetween(set, since, until)
			want := since < until && set.Len() > 0 && m.conflict(set, since, until)
			if hit != want {
				t.Fatalf("%s read between %d and %d: conflict %t, want %t; touches %v", set, since, until, hit, want, m.touches)
			}
			if hit && since >= 10 && !m.has(got, set, since, until) {
				t.Fatalf("%s read between %d and %d: reports %v, which did not happen", set, since, until, got)
			}
			checkTouches(t, w, m, since, until)
		}
	}
}

func (m *windowModel) has(got Touch, set *ReadSet, since, until log.Timestamp) bool {
	set.Merge()
	for _, t := range m.touches {
		if t.String() == got.String() && t.Function == got.Function && t.Timestamp == got.Timestamp && t.ID == got.ID {
			_, inside := set.Overlaps([]Touch{t})
			return inside && t.Timestamp > since && t.Timestamp <= until
		}
	}
	return false
}

func checkTouches(t *testing.T, w *Window, m *windowModel, since, until log.Timestamp) {
	t.Helper()
	var want []string
	for _, touch := range m.touches {
		if touch.Timestamp > since && touch.Timestamp <= until {
			want = append(want, fmt.Sprint(touch.Timestamp, touch))
		}
	}
	var got []string
	err := w.Touches(since, until, func(touch Touch) bool {
		got = append(got, fmt.Sprint(touch.Timestamp, touch))
		return true
	})
	if since < m.floor {
		if !errors.Is(err, ErrBelowFloor) {
			t.Fatalf("touches since %d: %v, want %v", since, err, ErrBelowFloor)
		}
		return
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("touches in (%d, %d]: %v %v, want %v", since, until, got, err, want)
	}
}

func TestWindowForgets(t *testing.T) {
	const second = log.Timestamp(time.Second)
	w := NewWindow(second, WindowOptions{TouchesMax: 100, AgeMax: time.Minute, segment: 10})
	key := string(make([]byte, idLen))
	for i := range log.Timestamp(300) {
		w.add(windowCommit{ts: 2*second + i}, []touch{{space: spaceOf(1, 1), key: key}})
	}
	if w.Len() > 110 {
		t.Errorf("remembers %d touches, want about 100", w.Len())
	}
	floor := w.Floor()
	if floor <= 2*second || floor > 2*second+200 {
		t.Errorf("floor is %d", floor-2*second)
	}
	elsewhere := &ReadSet{}
	elsewhere.AddAll(2, 1)
	if _, hit := w.Conflict(elsewhere, floor-1); !hit {
		t.Error("a snapshot below the floor passed")
	}
	if touch, hit := w.Conflict(elsewhere, floor); hit {
		t.Errorf("conflict with %v where nothing was written", touch)
	}
	w.Expire(90 * second)
	if w.Len() > 10 {
		t.Errorf("remembers %d touches after a minute, want one segment", w.Len())
	}
}

// A key that everyone writes must not make questions about it slow: it is stepped over in one jump.
func TestWindowJumpsOverBusyKey(t *testing.T) {
	w := NewWindow(0, WindowOptions{segment: 1 << 20})
	busy, quiet := string(make([]byte, idLen)), string(value.KeySuccessor(make([]byte, idLen)))
	for ts := range log.Timestamp(10_000) {
		w.add(windowCommit{ts: ts + 1}, []touch{{space: spaceOf(1, 1), key: busy}})
	}
	w.add(windowCommit{ts: 10_001}, []touch{{space: spaceOf(1, 1), key: quiet[1:] + "\x01"}})
	scan := segmentScan{segment: w.mu.segments[0], space: spaceOf(1, 1), from: 9_999, to: 10_001}
	pauses := 0
	for key := busy[:3]; scan.next(key); key = scan.found.key {
		pauses++
	}
	if !scan.hit || scan.found.commit < 9_999 || pauses > 2 {
		t.Errorf("found %v after %d pauses, want a late one after a jump", scan.found, pauses)
	}
}

func BenchmarkWindow(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	// A transfer touches by_id, by_creation_time and a user's index of two documents.
	transfer := func() []touch {
		var touches []touch
		for range 2 {
			id := value.InternalID{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			key := value.AppendKey(nil, value.OfInt64(int64(r.IntN(100_000))))
			key = appendCreationKey(key, r.Uint64(), recordIDOf(id))
			s := string(key)
			touches = append(touches, touch{space: spaceOf(10001, 16), key: s},
				touch{space: spaceOf(10001, 2), key: s[len(s)-creationKeyLen:]}, touch{space: spaceOf(10001, 1), key: s[len(s)-idLen:]})
		}
		return touches
	}
	commits := make([][]touch, 4096)
	for i := range commits {
		commits[i] = transfer()
	}
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		w := NewWindow(0, WindowOptions{})
		for i := range b.N {
			w.add(windowCommit{ts: log.Timestamp(i + 1)}, commits[i%len(commits)])
		}
	})
	for _, behind := range []int{1, 64, 1000, 20_000} {
		b.Run(fmt.Sprintf("conflict/behind=%d", behind), func(b *testing.B) {
			w := NewWindow(0, WindowOptions{})
			const n = 30_000
			for i := range n {
				w.add(windowCommit{ts: log.Timestamp(i + 1)}, transfer())
			}
			set := addReads(NewReadSet(), accountReads())
			b.ReportAllocs()
			for b.Loop() {
				w.Conflict(set, log.Timestamp(n-behind))
			}
		})
	}
}

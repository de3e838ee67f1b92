package publish

import (
	"errors"
	"fmt"
	"testing"

	"runlog/log"
)

// Where to go on, for every state of topic, note and log.
func TestDecide(t *testing.T) {
	sumAt := func(off log.Offset) (string, error) { return fmt.Sprintf("sum%d", off), nil }
	found := func(seq log.Offset) tail { return tail{end: 100, seq: seq, sum: fmt.Sprintf("sum%d", seq), offset: 90} }
	noted := func(seq log.Offset) cursor { return cursor{Seq: seq, Sum: fmt.Sprintf("sum%d", seq), Offset: 80} }
	for name, test := range map[string]struct {
		tail    tail
		cursor  cursor
		durable log.Offset
		start   Start
		want    string
	}{
		"new topic, empty log":            {tail{}, cursor{}, 0, StartSnapshot, "next 1"},
		"new topic":                       {tail{}, cursor{}, 50, StartBeginning, "next 1"},
		"new topic with a snapshot":       {tail{}, cursor{}, 50, StartSnapshot, "snapshot 50 after chunk 0, next 51"},
		"goes on":                         {found(30), noted(30), 50, StartBeginning, "next 31"},
		"note lags":                       {found(30), noted(10), 50, StartBeginning, "next 31"},
		"no note":                         {found(30), cursor{}, 50, StartSnapshot, "next 31"},
		"broker lost the last":            {found(30), noted(42), 50, StartBeginning, "next 31, lost 12"},
		"snapshot broken off":             {tail{snapshot: resume{40, 3, "id"}}, cursor{}, 50, StartSnapshot, "snapshot 40 after chunk 3, next 41"},
		"second snapshot broken off":      {tail{seq: 20, sum: "sum20", snapshot: resume{40, 3, "id"}}, noted(20), 50, StartSnapshot, "snapshot 40 after chunk 3, next 41"},
		"snapshot of what we do not have": {tail{snapshot: resume{60, 3, "id"}}, cursor{}, 50, StartSnapshot, "blocked"},
		"older backup":                    {found(60), noted(60), 50, StartBeginning, "blocked"},
		"separate ways":                   {tail{end: 100, seq: 30, sum: "other"}, noted(30), 50, StartBeginning, "blocked"},
		"another log's":                   {tail{foreign: "it is of log b"}, cursor{}, 50, StartBeginning, "blocked"},
		"made anew":                       {tail{start: 0, end: 1}, noted(30), 50, StartBeginning, "blocked"},
		"retention took all":              {tail{start: 95, end: 100}, noted(30), 50, StartBeginning, "next 31"},
		"retention took all, old backup":  {tail{start: 95, end: 100}, noted(60), 50, StartBeginning, "blocked"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decide("topic", &test.tail, test.cursor, log.Head{Offset: test.durable}, test.start, sumAt)
			got := fmt.Sprintf("next %d", p.next)
			if p.snapshot.seq > 0 {
				got = fmt.Sprintf("snapshot %d after chunk %d, %s", p.snapshot.seq, p.snapshot.chunk, got)
			}
			if p.lost > 0 {
				got += fmt.Sprintf(", lost %d", p.lost)
			}
			if isBlocked(err) {
				got = "blocked"
			} else if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
		})
	}
	broken := errors.New("broken")
	_, err := decide("topic", &tail{seq: 1}, cursor{}, log.Head{Offset: 2}, StartBeginning, func(log.Offset) (string, error) { return "", broken })
	if !errors.Is(err, broken) || isBlocked(err) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}

// The sequence of a batch's first record wraps after the highest int32.
func TestSequenceWraps(t *testing.T) {
	for _, test := range []struct {
		at   int32
		n    int
		want int32
	}{{0, 5, 5}, {1<<31 - 1, 1, 0}, {1<<31 - 3, 5, 2}} {
		if got := nextSequence(test.at, test.n); got != test.want {
			t.Errorf("after %d records at %d comes %d, want %d", test.n, test.at, got, test.want)
		}
	}
}

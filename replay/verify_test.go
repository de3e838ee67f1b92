package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"runlog/isolates"
	"runlog/log"
)

func verify(t *testing.T, h *History, o VerifyOptions) *Report {
	t.Helper()
	report, err := h.Verify(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A sound history has no difference, from wherever it is verified and with any number of workers, and the report is the same
// to the byte.
func TestVerifySound(t *testing.T) {
	r := record(t, nil)
	fillShop(r)
	r.close()
	var first []byte
	for _, jobs := range []int{1, 2, 7} {
		h, err := Open(Options{Dir: r.dir, Jobs: jobs})
		if err != nil {
			t.Fatal(err)
		}
		report := verify(t, h, VerifyOptions{})
		if report.Difference != nil {
			t.Fatalf("%s", report.Difference)
		}
		if report.Reruns != 8 || report.Indexes != 6 || report.Documents == 0 {
			t.Fatalf("%+v", report)
		}
		text, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if !bytes.Equal(text, first) {
			t.Fatalf("with %d jobs %s, before %s", jobs, text, first)
		}
		for from := log.Offset(1); from <= h.Head().Offset; from++ {
			if report := verify(t, h, VerifyOptions{From: from}); report.Difference != nil || report.Reruns+report.Folded != int(h.Head().Offset-from)+1 {
				t.Fatalf("from %d: %+v, %s", from, report, report.Difference)
			}
			if report := verify(t, h, VerifyOptions{To: from}); report.Difference != nil || report.Last != from {
				t.Fatalf("to %d: %+v, %s", from, report, report.Difference)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVerifyEmptyLog(t *testing.T) {
	h := record(t, nil).history()
	if report := verify(t, h, VerifyOptions{}); report.Last != 0 || report.Difference != nil {
		t.Fatalf("%+v", report)
	}
}

// A plant changes what an invocation does, which its entry then does not tell.
type plant struct {
	isolates.Runner
	change func(*isolates.Invocation)
}

func (p *plant) Run(ctx context.Context, inv *isolates.Invocation) (*isolates.Result, error) {
	p.change(inv)
	return p.Runner.Run(ctx, inv)
}

func planted(change func(*isolates.Invocation)) faulty {
	return func(r isolates.Runner) isolates.Runner { return &plant{r, change} }
}

// shuffledHost answers a query in another order each time, as if the documents had passed through a map.
type shuffledHost struct {
	isolates.Host
}

func (h *shuffledHost) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	answers := h.Host.Do(ctx, ops)
	for i := range answers {
		slices.Reverse(answers[i].Values)
	}
	return answers
}

// sharedState runs functions as if module variables outlived runs: the counter of the shop begins where the last run left it.
func sharedState(t *testing.T) func(*isolates.Invocation) {
	var runs atomic.Int64
	return func(inv *isolates.Invocation) {
		if inv.Export != "order" {
			return
		}
		before := runs.Add(1) - 1
		inv.Program = withSource(t, inv.Program, "shop.js", "orders = 0;", "orders = "+string(rune('0'+before))+";")
	}
}

// withSource is a program with a part of a module replaced.
func withSource(t *testing.T, p *isolates.Program, path, old, new string) *isolates.Program {
	b := *p.Bundle()
	b.Modules = slices.Clone(b.Modules)
	for i := range b.Modules {
		m := &b.Modules[i]
		if m.Path != path {
			continue
		}
		if !strings.Contains(m.Source, old) {
			t.Fatalf("%s has no %q:\n%s", path, old, m.Source)
		}
		m.Source = strings.Replace(m.Source, old, new, 1)
		m.Hash = log.NewBlob([]byte(m.Source)).Hash
	}
	return isolates.NewProgram(&b)
}

// Each planted source of nondeterminism is found, at the first call that it reaches.
func TestVerifyFindsPlantedNondeterminism(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testing.T) func(*isolates.Invocation)
		offset log.Offset
		part   string
	}{
		{"the clock leaks", func(*testing.T) func(*isolates.Invocation) {
			return func(inv *isolates.Invocation) { inv.Now += 7 }
		}, 4, "writes"},
		{"the random stream leaks", func(*testing.T) func(*isolates.Invocation) {
			return func(inv *isolates.Invocation) { inv.Seed[0]++ }
		}, 4, "writes"},
		{"documents in the order of a map", func(*testing.T) func(*isolates.Invocation) {
			return func(inv *isolates.Invocation) { inv.Host = &shuffledHost{Host: inv.Host} }
		}, 5, "result"},
		{"module state is shared between runs", sharedState, 6, "log lines"},
		{"another bundle ran", func(t *testing.T) func(*isolates.Invocation) {
			return func(inv *isolates.Invocation) {
				inv.Program = withSource(t, inv.Program, "shop.js", "stock - count", "stock - count - 1")
			}
		}, 4, "writes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(t, planted(c.change(t)))
			fillShop(r)
			r.close()
			var texts []string
			for _, jobs := range []int{1, 4} {
				h, err := Open(Options{Dir: r.dir, Jobs: jobs})
				if err != nil {
					t.Fatal(err)
				}
				report := verify(t, h, VerifyOptions{})
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				d := report.Difference
				if d == nil {
					t.Fatal("nothing was found")
				}
				if d.Offset != c.offset || !slices.ContainsFunc(d.Parts, func(p Part) bool { return p.What == c.part }) {
					t.Fatalf("want %s at offset %d, found\n%s", c.part, c.offset, d)
				}
				if !strings.Contains(d.String(), "shop.ts:") {
					t.Fatalf("no source line in\n%s", d)
				}
				texts = append(texts, d.String())
			}
			if texts[0] != texts[1] {
				t.Fatalf("with one job\n%s\nwith four\n%s", texts[0], texts[1])
			}
		})
	}
}

// An entry that names code which was not deployed is found, whatever the code does.
func TestVerifyFindsAnotherBundleNamed(t *testing.T) {
	r := record(t, nil)
	r.push(shop)
	r.call("shop:names", `{}`)
	r.close()
	h := r.history()
	e, err := h.Entry(2)
	if err != nil {
		t.Fatal(err)
	}
	run, before, err := h.Rerun(context.Background(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := compare(e, before, run); d != nil {
		t.Fatalf("%s", d)
	}
	e.Call.Bundle[0]++
	d := compare(e, before, run)
	if d == nil || d.Parts[0].What != "code" {
		t.Fatalf("%v", d)
	}
}

// A byte flipped in the files is found: by refusing to open the folder, or by the verification.
func TestVerifyFindsAFlippedByte(t *testing.T) {
	r := record(t, nil)
	fillShop(r)
	r.close()
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, path := range files {
		if ext := filepath.Ext(path); ext != ".log" && ext != ".sst" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// The arguments of a call, as they stand in its entry.
		for _, text := range []string{"shop.js:order", "shop.js:names"} {
			at := bytes.Index(content, []byte(text))
			if at < 0 {
				continue
			}
			flipped++
			content[at+3] ^= 4
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			err := Check(context.Background(), Options{Dir: r.dir})
			var corrupt *log.CorruptionError
			if !errors.As(err, &corrupt) {
				t.Fatalf("%s, byte %d: %v", filepath.Base(path), at+3, err)
			}
			content[at+3] ^= 4
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if flipped == 0 {
		t.Fatal("no file holds the text of an entry")
	}
	if err := Check(context.Background(), Options{Dir: r.dir}); err != nil {
		t.Fatal(err)
	}
}

// Code that is missing from the folder is broken data, and the sentence says which code.
func TestVerifyMissingBundle(t *testing.T) {
	e := &log.Entry{Offset: 9, Call: log.Call{Function: "shop.js:order"}}
	err := missingBundle(e, log.ErrNotFound)
	var corrupt *log.CorruptionError
	if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "shop.js:order") || !strings.Contains(err.Error(), "backup") {
		t.Fatalf("%v", err)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	r := record(t, nil)
	var outOfRange *RangeError
	if _, err := Open(Options{Dir: r.dir}); !errors.Is(err, log.ErrLocked) || !strings.Contains(err.Error(), "--url") {
		t.Fatalf("%v", err)
	}
	if _, err := Open(Options{Dir: filepath.Join(r.dir, "none")}); !errors.As(err, &outOfRange) || !strings.Contains(err.Error(), "--data") {
		t.Fatalf("%v", err)
	}
	if _, err := Open(Options{Dir: t.TempDir()}); !errors.As(err, &outOfRange) || !strings.Contains(err.Error(), "--data") {
		t.Fatalf("%v", err)
	}
	h := r.history()
	for _, o := range []VerifyOptions{{From: 1000}, {To: 1000}, {From: 3, To: 2}} {
		if _, err := h.Verify(context.Background(), o); !errors.As(err, &outOfRange) {
			t.Fatalf("%+v: %v", o, err)
		}
	}
}

// A recording of callers that race shows what each lost to, and is as sound as any other.
func TestVerifyContention(t *testing.T) {
	r := record(t, nil)
	r.push(shop)
	r.call("shop:add", `{"name": "apple", "stock": 1000}`)
	const callers, each = 8, 25
	failed := make(chan error, callers)
	for range callers {
		go func() { // ends with its calls
			var err error
			for range each {
				if _, e := r.try("shop:order", `{"name": "apple", "count": 1}`); e != nil {
					err = e
				}
			}
			failed <- err
		}()
	}
	for range callers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	h := r.history()
	report := verify(t, h, VerifyOptions{})
	if report.Difference != nil || report.Reruns != callers*each+1 {
		t.Fatalf("%+v\n%s", report, report.Difference)
	}
	for e, err := range h.Entries(1, h.Head().Offset) {
		if err != nil {
			t.Fatal(err)
		}
		if int(e.Call.Attempts) != len(e.Call.Lost)+1 && e.Call.Attempts > 0 && e.Call.Kind == log.Mutation {
			t.Fatalf("offset %d: %d attempts, lost to %d", e.Offset, e.Call.Attempts, e.Call.Lost)
		}
		for _, lost := range e.Call.Lost {
			if lost >= e.Offset {
				t.Fatalf("offset %d lost to %d", e.Offset, lost)
			}
		}
	}
}

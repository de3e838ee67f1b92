package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"runlog/exec"
	"runlog/index"
	"runlog/internal/clock"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/value"
)

// TestGolden runs the whole-system histories in testdata/golden: functions, calls, the log they made. Clock and seeds are
// set, so that every byte of the log is the same on every run; a restart in the middle changes nothing.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "../../testdata/golden", func(t *testing.T, path string) {
		h := newHistory(t)
		datadriven.RunTest(t, path, h.run)
	})
}

// A history is one database with a clock and seeds of its own.
type history struct {
	t      *testing.T
	dir    string
	clock  *clock.Manual
	drawn  uint64
	engine *Engine
	// names are the ids that calls returned, so that later ones can say $name.
	names map[string]string
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, dir: t.TempDir(), clock: clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), names: map[string]string{}}
	h.open()
	t.Cleanup(func() {
		h.close()
		checkHistory(t, h.options())
	})
	return h
}

func (h *history) options() Options {
	return Options{Dir: h.dir, Clock: h.clock, Seed: h.seed, Name: "golden", CloudURL: "http://cloud", SiteURL: "http://site"}
}

func (h *history) open() {
	engine, err := Open(h.options())
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine = engine
}

func (h *history) close() {
	if err := h.engine.Close(); err != nil {
		h.t.Error(err)
	}
}

// seed counts: no two calls get the same.
func (h *history) seed() (seed [32]byte) {
	h.drawn++
	binary.BigEndian.PutUint64(seed[:], h.drawn)
	return seed
}

func (h *history) run(t *testing.T, d *datadriven.TestData) string {
	h.t = t
	switch d.Cmd {
	case "push":
		return h.push(d.Input)
	case "query", "mutation", "action":
		return h.call(d)
	case "log":
		return h.log(d)
	case "tick":
		var ms int
		d.ScanArgs(t, "ms", &ms)
		h.clock.Advance(time.Duration(ms) * time.Millisecond)
		return ""
	case "restart":
		h.close()
		h.open()
		return ""
	}
	return fmt.Sprintf("unknown command %s", d.Cmd)
}

// push bundles the files of a txtar archive.
func (h *history) push(files string) string {
	h.clock.Advance(time.Millisecond)
	b, _, err := bundle.Build(context.Background(), bundle.Options{Dir: writeApp(h.t, files)})
	if err != nil {
		return err.Error()
	}
	report, err := h.engine.Deployer.Push(context.Background(), b)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d functions\n", report.Functions)
	for _, part := range []struct {
		name string
		list []string
	}{{"added", report.Added}, {"changed", report.Changed}, {"removed", report.Removed}, {"tables", report.Tables}, {"indexes", report.Indexes}, {"dropped", report.Dropped}} {
		if len(part.list) > 0 {
			fmt.Fprintf(&out, "%s: %s\n", part.name, strings.Join(part.list, " "))
		}
	}
	return out.String()
}

func (h *history) call(d *datadriven.TestData) string {
	h.clock.Advance(time.Millisecond)
	var fn, name, user string
	d.ScanArgs(h.t, "fn", &fn)
	d.MaybeScanArgs(h.t, "name", &name)
	d.MaybeScanArgs(h.t, "user", &user)
	text := d.Input
	for n, id := range h.names {
		text = strings.ReplaceAll(text, "$"+n, id)
	}
	if text == "" {
		text = "{}"
	}
	args, err := value.ParseJSON([]byte(text))
	if err != nil {
		return err.Error()
	}
	call := exec.Call{Path: fn, Args: args, RequestID: fmt.Sprintf("%016x", h.drawn)}
	if user != "" {
		call.Identity = &exec.Identity{TokenIdentifier: "https://id|" + user, Issuer: "https://id", Subject: user, Attributes: value.OfObject([]value.Field{
			{Name: "issuer", Value: value.OfString("https://id")}, {Name: "subject", Value: value.OfString(user)}, {Name: "tokenIdentifier", Value: value.OfString("https://id|" + user)},
		})}
	}
	run := map[string]func(context.Context, exec.Call) (*exec.Outcome, error){
		"query": h.engine.Runner.Query, "mutation": h.engine.Runner.Mutation, "action": h.engine.Runner.Action,
	}[d.Cmd]
	outcome, err := run(context.Background(), call)
	if name != "" && err == nil {
		h.names[name] = outcome.Value.Str()
	}
	return describe(outcome, err)
}

func describe(outcome *exec.Outcome, err error) string {
	var out strings.Builder
	var function *exec.FunctionError
	switch {
	case errors.As(err, &function):
		for _, line := range function.Logs {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintf(&out, "error: %s", function.Message)
		if function.Data != nil {
			fmt.Fprintf(&out, "data: %s\n", value.AppendJSONEncoded(nil, function.Data, value.FormatEncoded))
		}
	case err != nil:
		fmt.Fprintf(&out, "system error: %s\n", err)
	default:
		for _, line := range outcome.Logs {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintf(&out, "%s\n", value.AppendJSONEncoded(nil, outcome.Value, value.FormatEncoded))
	}
	return out.String()
}

// log prints the entries from an offset on: the call, what it read and wrote, and the checksum that vouches for all of
// it.
func (h *history) log(d *datadriven.TestData) string {
	from := 1
	d.MaybeScanArgs(h.t, "from", &from)
	names := h.engine.Committer.Visible().Catalog()
	var out strings.Builder
	for e, err := range h.engine.Log.Scan(log.Offset(from), h.engine.Log.Head().Offset) {
		if err != nil {
			return err.Error()
		}
		reads, err := index.DecodeReadSet(e.Reads)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&out, "%d %s %s %s\n", e.Offset, e.Call.Kind, e.Call.Function, value.AppendJSONEncoded(nil, e.Call.Args, value.FormatEncoded))
		fmt.Fprintf(&out, "  at %s.%09d, snapshot %.3f ms before, clock %d, attempt %d\n", e.Timestamp.Time().Format("15:04:05"),
			uint64(e.Timestamp)%1e9, float64(e.Timestamp-e.Snapshot)/1e6, e.Call.Now, e.Call.Attempts)
		for line := range strings.Lines(reads.Describe(names)) {
			fmt.Fprintf(&out, "  %s\n", strings.TrimRight(line, "\n"))
		}
		for _, w := range e.Writes {
			fmt.Fprintf(&out, "  write %s", w.ID)
			if w.Before != 0 {
				fmt.Fprintf(&out, " over %d", w.Before)
			}
			if w.After == nil {
				fmt.Fprint(&out, " deleted\n")
				continue
			}
			fmt.Fprintf(&out, " %s\n", abridged(w.After))
		}
		for _, l := range e.Logs {
			fmt.Fprintf(&out, "  log [%s] %s\n", l.Level, l.Text)
		}
		fmt.Fprintf(&out, "  result %x sum %x\n", e.ResultHash[:4], e.Sum[:8])
	}
	return out.String()
}

// abridged is a document's JSON, cut where it is long.
func abridged(body value.Encoded) string {
	const most = 300
	text := string(value.AppendJSONEncoded(nil, body, value.FormatEncoded))
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

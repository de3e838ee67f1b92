package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"runlog/isolates"
	"runlog/value"
)

// prelude is put before the sources of transcripts.
const prelude = `const { queryGeneric: query, mutationGeneric: mutation, actionGeneric: action, internalQueryGeneric: internalQuery, anyApi: api } = require("convex/server"); const { v, ConvexError } = require("convex/values");
`

// TestSameAsInProcess runs the transcripts of package isolates here and in children: results, logs, errors with their
// frames, what was observed, the operations in their order and the data must be the same. Children run each call twice,
// so that the second one finds its reads answered ahead.
func TestSameAsInProcess(t *testing.T) {
	here := isolates.New(isolates.Options{Size: 2, Clock: wallClock{}})
	children := newTestPool(t, Options{Size: 2})
	t.Cleanup(func() {
		if err := here.Close(); err != nil {
			t.Error(err)
		}
	})
	calls := 0
	datadriven.Walk(t, "../testdata/transcripts", func(t *testing.T, path string) {
		a, b := newScenario(here), newScenario(children)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "run" {
				calls++
			}
			want, got := a.command(t, d), b.command(t, d)
			if want != got {
				t.Errorf("%s: here and in a child differ:\n--- here\n%s\n--- child\n%s", d.Pos, want, got)
			}
			return d.Expected
		})
	})
	if s := children.Children(); calls < 250 || s.Died > 0 || s.Hits == 0 {
		t.Errorf("%d calls, %+v", calls, s)
	}
}

type scenario struct {
	runner  isolates.Runner
	sources map[string]string
	host    *memory
	program *isolates.Program
}

func newScenario(runner isolates.Runner) *scenario {
	return &scenario{runner: runner, sources: map[string]string{}, host: newMemory()}
}

func (s *scenario) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "module":
		var path string
		d.ScanArgs(t, "path", &path)
		source := prelude + d.Input
		if d.HasArg("stateless") {
			source = "// stateless\n" + source
		}
		s.sources[path] = source
		s.program = nil
	case "env":
		for line := range strings.Lines(d.Input) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), "=")
			s.host.env[name] = text
		}
	case "insert":
		var table string
		d.ScanArgs(t, "table", &table)
		return s.host.add(table, parse(t, d).Fields()...)
	case "run":
		return s.call(t, d)
	case "analyze":
		return s.analyze()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return ""
}

func parse(t *testing.T, d *datadriven.TestData) value.Value {
	v, err := value.ParseJSON([]byte(d.Input))
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func (s *scenario) prepare() *isolates.Program {
	if s.program == nil {
		s.program = bundle(maps.Clone(s.sources))
	}
	return s.program
}

func (s *scenario) call(t *testing.T, d *datadriven.TestData) string {
	var fn, kind, timeout string
	d.ScanArgs(t, "fn", &fn)
	d.MaybeScanArgs(t, "kind", &kind)
	d.MaybeScanArgs(t, "timeout", &timeout)
	module, export, ok := strings.Cut(fn, ":")
	if !ok {
		export = "default"
	}
	inv := isolates.Invocation{Program: s.prepare(), Module: module + ".js", Export: export, Now: 1700000000000,
		Kind: map[string]isolates.Kind{"": isolates.KindQuery, "query": isolates.KindQuery, "mutation": isolates.KindMutation, "action": isolates.KindAction}[kind]}
	if strings.TrimSpace(d.Input) != "" {
		inv.Args = value.Encode(parse(t, d))
	}
	if timeout != "" {
		inv.Limits.Timeout, _ = time.ParseDuration(timeout)
	}
	if _, ok := s.runner.(*Pool); ok {
		first, _ := s.attempt(inv)
		again, host := s.attempt(inv)
		if first != again {
			t.Errorf("%s: two runs differ:\n%s\n%s", d.Pos, first, again)
		}
		s.host = host
		return again
	}
	out, host := s.attempt(inv)
	s.host = host
	return out
}

// attempt runs a call on a copy of the data, as a transaction would: again if an assumption failed.
func (s *scenario) attempt(inv isolates.Invocation) (string, *memory) {
	for {
		host := s.host.copy()
		host.runner, host.program, host.strict = s.runner, s.program, inv.Strict
		inv.Host = peeking{host}
		res, err := s.runner.Run(context.Background(), &inv)
		if errors.Is(err, isolates.ErrAssumption) && !inv.Strict {
			inv.Strict = true
			continue
		}
		if err != nil {
			return err.Error(), host
		}
		return show(res, host), host
	}
}

func show(res *isolates.Result, host *memory) string {
	var b strings.Builder
	for _, op := range host.trace {
		fmt.Fprintf(&b, "> %s\n", op)
	}
	fmt.Fprintf(&b, "%+v time %t random %t\n", res.Logs, res.ObservedTime, res.ObservedRandom)
	var script *isolates.ScriptError
	var timeout *isolates.TimeoutError
	switch {
	case errors.As(res.Err, &script):
		fmt.Fprintf(&b, "%s%x\n", script.Display(), script.Data)
	case errors.As(res.Err, &timeout):
		// The limit of a nested run is what was left of its caller's, to the nanosecond: it differs from run to run.
		fmt.Fprintf(&b, "timeout\n")
	default:
		fmt.Fprintf(&b, "%T %v %x\n", res.Err, res.Err, res.Value)
	}
	for _, id := range slices.Sorted(maps.Keys(host.docs)) {
		fmt.Fprintln(&b, host.docs[id])
	}
	return b.String()
}

func (s *scenario) analyze() string {
	a, err := s.runner.Analyze(context.Background(), &isolates.AnalyzeRequest{Program: s.prepare(), Env: s.host.env, Now: 1700000000000})
	var e *isolates.AnalyzeError
	if errors.As(err, &e) {
		return fmt.Sprintf("%s %s %s %T %v", e.Code, e.Module, e.Message, e.Err, e.Err)
	}
	return fmt.Sprintf("%+v %v", a, err)
}

// newTestPool makes a pool that is closed with the test.
func newTestPool(t testing.TB, o Options) *Pool {
	o.Clock = wallClock{}
	p := New(o)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

package isolates

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"runlog/value"
)

// prelude is put before the sources of transcripts.
const prelude = `const { queryGeneric: query, mutationGeneric: mutation, actionGeneric: action, internalQueryGeneric: internalQuery, anyApi: api } = require("convex/server"); const { v, ConvexError } = require("convex/values");
`

// TestTranscripts runs the scenarios of testdata, each in fresh and in warm isolates, which must not be told apart.
//
//	module path=app.js       the source of a module; "stateless" lets it be kept evaluated
//	env                      environment variables, one NAME=value a line
//	insert table=t           a document, as JSON
//	run fn=app:f             calls a function with the arguments given as JSON; kind=mutation for other than queries;
//	                         trace shows the operations; timeout=20ms bounds the time
func TestTranscripts(t *testing.T) { testTranscripts(t, "testdata/transcripts") }

// TestNetworkTranscripts runs those that need a network, a fake one.
func TestNetworkTranscripts(t *testing.T) { testTranscripts(t, "testdata/network") }

func testTranscripts(t *testing.T, dir string) {
	datadriven.Walk(t, dir, func(t *testing.T, path string) {
		warm, fresh := newScenario(t, false), newScenario(t, true)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			a, b := warm.command(t, d), fresh.command(t, d)
			if a != b {
				t.Errorf("%s: warm and fresh differ:\n--- warm\n%s\n--- fresh\n%s", d.Pos, a, b)
			}
			return b
		})
	})
}

type scenario struct {
	pool    *Pool
	sources map[string]string
	host    *memory
	program *Program
}

func newScenario(t *testing.T, fresh bool) *scenario {
	return &scenario{pool: newTestPool(t, fresh), sources: map[string]string{}, host: newMemory()}
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
		return ""
	case "env":
		for line := range strings.Lines(d.Input) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), "=")
			s.host.env[name] = text
		}
		return ""
	case "insert":
		var table string
		d.ScanArgs(t, "table", &table)
		v, err := value.ParseJSON([]byte(d.Input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return s.host.add(table, v.Fields()...)
	case "run":
		return s.call(t, d)
	case "analyze":
		return s.analyze()
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

func (s *scenario) prepare() *Program {
	if s.program == nil {
		s.program = bundle(maps.Clone(s.sources))
	}
	s.host.pool, s.host.program = s.pool, s.program
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
	inv := &Invocation{Program: s.prepare(), Module: module + ".js", Export: export, Host: s.host, Now: 1700000000000,
		Kind: map[string]Kind{"": KindQuery, "query": KindQuery, "mutation": KindMutation, "action": KindAction}[kind]}
	if strings.TrimSpace(d.Input) != "" {
		args, err := value.ParseJSON([]byte(d.Input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		inv.Args = value.Encode(args)
	}
	if timeout != "" {
		inv.Limits.Timeout, _ = time.ParseDuration(timeout)
	}
	s.host.tracing, s.host.trace = d.HasArg("trace"), nil
	res, err := s.pool.Run(context.Background(), inv)
	if err != nil {
		return err.Error()
	}
	return s.show(res)
}

func (s *scenario) show(res *Result) string {
	var b strings.Builder
	for _, op := range s.host.trace {
		fmt.Fprintf(&b, "> %s\n", op)
	}
	for _, line := range res.Logs {
		fmt.Fprintln(&b, line)
	}
	var se *ScriptError
	var te *TimeoutError
	switch {
	case errors.As(res.Err, &te):
		fmt.Fprintf(&b, "timeout after the limit of %v\n", te.Limit)
	case errors.As(res.Err, &se):
		b.WriteString(se.Display())
		if se.Data != nil {
			fmt.Fprintf(&b, "data: %s\n", value.AppendJSONEncoded(nil, se.Data, value.FormatEncoded))
		}
	case res.Err != nil:
		fmt.Fprintf(&b, "%T: %v\n", res.Err, res.Err)
	default:
		fmt.Fprintf(&b, "= %s\n", value.AppendJSONEncoded(nil, res.Value, value.FormatEncoded))
	}
	if res.ObservedTime {
		b.WriteString("observed time\n")
	}
	if res.ObservedRandom {
		b.WriteString("observed random\n")
	}
	return b.String()
}

func (s *scenario) analyze() string {
	a, err := s.pool.Analyze(context.Background(), &AnalyzeRequest{Program: s.prepare(), Env: s.host.env, Now: 1700000000000})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, f := range a.Functions {
		visibility := "-"
		if f.Public {
			visibility = "public"
		} else if f.Internal {
			visibility = "internal"
		}
		fmt.Fprintf(&b, "%s:%s %s %s args %s returns %s at %d:%d\n", f.Module, f.Export, visibility, f.Kind, f.Args, f.Returns, f.Position.Line, f.Position.Column)
	}
	for _, r := range a.Routes {
		fmt.Fprintf(&b, "route %s %s\n", r.Method, r.Path)
	}
	fmt.Fprintf(&b, "schema %s\ncrons %s\nauth %s\n", a.Schema, a.Crons, a.AuthConfig)
	return b.String()
}

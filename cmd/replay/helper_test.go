package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runlog/exec"
	"runlog/internal/clock"
	"runlog/internal/engine"
	"runlog/isolates/bundle"
	"runlog/value"
)

// A recording is a database whose clock and seeds are set, so that its history is the same every time.
type recording struct {
	t      testing.TB
	engine *engine.Engine
	clock  *clock.Manual
	drawn  uint64
}

func record(t testing.TB, dir string) *recording {
	t.Helper()
	r := &recording{t: t, clock: clock.NewManual(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))}
	var err error
	r.engine, err = engine.Open(engine.Options{Dir: dir, Clock: r.clock, Seed: r.seed, Name: "runlog"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *recording) seed() (seed [32]byte) {
	r.drawn++
	binary.BigEndian.PutUint64(seed[:], r.drawn)
	return seed
}

func (r *recording) close() {
	r.t.Helper()
	if err := r.engine.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// push deploys the app in dir.
func (r *recording) push(dir string) {
	r.t.Helper()
	r.clock.Advance(time.Minute)
	b, _, err := bundle.Build(context.Background(), bundle.Options{Dir: dir})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.engine.Deployer.Push(context.Background(), b); err != nil {
		r.t.Fatal(err)
	}
}

// call runs a mutation, as a user if that is not "".
func (r *recording) call(user, fn, args string) error {
	r.t.Helper()
	r.clock.Advance(time.Second)
	v, err := value.ParseJSON([]byte(args))
	if err != nil {
		r.t.Fatal(err)
	}
	c := exec.Call{Path: fn, Args: v, RequestID: fmt.Sprintf("%016x", r.drawn)}
	if user != "" {
		c.Identity = &exec.Identity{TokenIdentifier: "https://id|" + user, Issuer: "https://id", Subject: user, Attributes: value.OfObject([]value.Field{
			{Name: "issuer", Value: value.OfString("https://id")}, {Name: "subject", Value: value.OfString(user)},
			{Name: "tokenIdentifier", Value: value.OfString("https://id|" + user)},
		})}
	}
	_, err = r.engine.Runner.Mutation(context.Background(), c)
	return err
}

// copyBank copies examples/bank, with one text in bank.ts put in place of another.
func copyBank(t testing.TB, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	const from = "../../examples/bank/convex"
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "convex"), 0o755); err != nil {
		t.Fatal(err)
	}
	replaced := false
	for _, name := range names {
		if name.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if name.Name() == "bank.ts" {
			replaced = strings.Contains(string(text), old)
			text = []byte(strings.Replace(string(text), old, new, 1))
		}
		if err := os.WriteFile(filepath.Join(dir, "convex", name.Name()), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !replaced {
		t.Fatalf("bank.ts does not say %q", old)
	}
	return dir
}

// recordBank makes the history of docs/replay.md: a bank in which one may pay oneself.
func recordBank(t testing.TB, dir string) {
	t.Helper()
	r := record(t, dir)
	defer r.close()
	r.push(copyBank(t, " || from === to", ""))
	if err := r.call("", "bank:seed", `{"start": 1, "count": 4, "initial": 100}`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user             string
		from, to, amount int
	}{
		{"ann", 1, 2, 30}, {"bob", 2, 3, 50}, {"cyd", 3, 1, 20}, {"bob", 2, 2, 60}, {"ann", 1, 4, 90}, {"bob", 2, 3, 120}, {"dan", 4, 1, 10},
	} {
		if err := r.call(c.user, "bank:transfer", fmt.Sprintf(`{"from": %d, "to": %d, "amount": %d}`, c.from, c.to, c.amount)); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command line of replay, and gives all it printed with the exit code if that is not 0.
func run(args ...string) string {
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr, lookupEnv: func(string) (string, bool) { return "", false }}
	code := p.run(context.Background(), args)
	out := stderr.String() + stdout.String()
	if code != exitDone {
		out += fmt.Sprintf("exit code %d\n", code)
	}
	return out
}

// words splits a command line as a shell does, as far as quotes go.
func words(t testing.TB, line string) []string {
	t.Helper()
	var out []string
	var word strings.Builder
	var quote rune
	open := false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ':
			if open || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(c)
		}
	}
	if quote != 0 {
		t.Fatalf("the quote in %s does not end", line)
	}
	if open || word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}

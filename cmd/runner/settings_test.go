package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"runlog/exec"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "12b": 12, "1k": 1 << 10, "1 KiB": 1 << 10, "512MB": 512 << 20, "64MiB": 64 << 20,
		"1g": 1 << 30, "2TB": 2 << 40, " 3 m ": 3 << 20,
	} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
		if back, err := parseSize(formatSize(want)); err != nil || back != want {
			t.Errorf("%d is shown as %s and read back as %d, %v", want, formatSize(want), back, err)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5MB", "1x", "1kk", "1mk", "9999999TB", "1 2"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

// TestLimitFlags: a set is chosen, and single flags change it; what no flag names stays as the set says.
func TestLimitFlags(t *testing.T) {
	resolve := func(args ...string) exec.Limits {
		t.Helper()
		var l limitFlags
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		l.register(flags)
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		limits, err := l.resolve()
		if err != nil {
			t.Fatal(err)
		}
		return limits
	}
	if got := resolve(); got != exec.DefaultLimits() {
		t.Errorf("without flags: %+v", got)
	}
	if got := resolve("--limits=convex"); got != exec.ConvexLimits() {
		t.Errorf("--limits=convex: %+v", got)
	}
	hosted := resolve("--limits=convex")
	for _, n := range []struct {
		what      string
		got, want any
	}{
		{"query time", hosted.Query.Timeout, time.Second}, {"mutation time", hosted.Mutation.Timeout, time.Second},
		{"action time", hosted.Action.Timeout, 30 * time.Minute}, {"heap", hosted.Query.Heap, int64(64 << 20)},
		{"documents read", hosted.Query.DocumentsRead, 32_000}, {"bytes read", hosted.Mutation.BytesRead, 16_777_216},
		{"read intervals", hosted.Mutation.ReadIntervals, 4096}, {"documents written", hosted.Mutation.DocumentsWritten, 16_000},
		{"bytes written", hosted.Mutation.BytesWritten, 16_777_216}, {"nested calls", hosted.NestedDepth, 8},
		{"queries at once", hosted.Query.Concurrent, 16}, {"mutations at once", hosted.Mutation.Concurrent, 16}, {"actions at once", hosted.Action.Concurrent, 64},
		{"wait of a query", hosted.Query.QueueWait, 5 * time.Second}, {"wait of an action", hosted.Action.QueueWait, 10 * time.Second},
	} {
		if n.got != n.want {
			t.Errorf("--limits=convex: %s is %v, want %v", n.what, n.got, n.want)
		}
	}
	want := exec.ConvexLimits()
	want.NestedDepth = 3
	want.Query.Timeout = 3 * time.Second
	want.Mutation.Heap = 1 << 20
	want.Action.Concurrent = 5
	if got := resolve("--query-timeout=3s", "--limits=convex", "--mutation-heap=1MB", "--action-concurrency=5", "--nested-depth=3"); got != want {
		t.Errorf("with flags: %+v, want %+v", got, want)
	}
}

// TestLimitFlagsCoverAllLimits: each number that can be set is set by a flag of its own, for each kind.
func TestLimitFlagsCoverAllLimits(t *testing.T) {
	for _, kind := range limitKinds() {
		for _, f := range limitTable() {
			var from, to exec.Limits
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			name := kind.name + "-" + f.name
			f.bind(flags, kind.of(&from), name, "")
			text := "7"
			if flags.Lookup(name).Value.Type() == "duration" {
				text = "7s"
			}
			if err := flags.Set(name, text); err != nil {
				t.Fatal(err)
			}
			f.copy(kind.of(&to), kind.of(&from))
			if to == (exec.Limits{}) || to != from {
				t.Errorf("--%s sets %+v and copies %+v", name, from, to)
			}
		}
	}
}

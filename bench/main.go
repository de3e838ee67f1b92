package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	root, work, out     string
	systems, workloads  string
	accounts, channels  int
	perChannel, clients int
	pairs, rounds       int
	warmup, window      time.Duration
	documents           int
	subscribers         int
	changes             int
}

func parseOptions() options {
	var o options
	flag.StringVar(&o.root, "root", "..", "the repository")
	flag.StringVar(&o.work, "work", "../bin/bench", "folder for binaries, data and the servers' output; data in it is removed")
	flag.StringVar(&o.out, "out", "", "file for the report besides standard output, such as ../docs/bench/DATE.md; DATE is filled in")
	flag.StringVar(&o.systems, "systems", "runlog,pocketbase,drizzle,node", "which systems to measure, the first is compared with the others")
	flag.StringVar(&o.workloads, "workloads", "", "which workloads, by the beginning of their names, comma-separated, or none; all if empty")
	flag.IntVar(&o.accounts, "accounts", 100_000, "accounts")
	flag.IntVar(&o.channels, "channels", 100, "channels")
	flag.IntVar(&o.perChannel, "messages", 100, "messages in each channel at the start")
	flag.IntVar(&o.clients, "clients", 64, "connections, one request at a time on each")
	flag.IntVar(&o.pairs, "pairs", 2_000_000, "transfers drawn ahead")
	flag.IntVar(&o.rounds, "rounds", 5, "visits to each system per workload; the report gives medians")
	flag.DurationVar(&o.warmup, "warmup", time.Second, "time at the start of each visit that is not counted")
	flag.DurationVar(&o.window, "window", 4*time.Second, "time that is counted")
	flag.IntVar(&o.documents, "documents", 1_000_000, "documents of 300 bytes in the measurement of runlog alone; 0 leaves that out")
	flag.IntVar(&o.subscribers, "subscribers", 1000, "followers in the measurement of live queries; 0 leaves that out")
	flag.IntVar(&o.changes, "changes", 100, "changes they are told of in each round")
	flag.Parse()
	return o
}

func (o options) validate() error {
	var errs []error
	for _, n := range []struct {
		name  string
		value int
	}{{"accounts", o.accounts - 1}, {"channels", o.channels}, {"clients", o.clients}, {"rounds", o.rounds},
		{"pairs", o.pairs / max(1, o.clients)}, {"window", int(o.window)}, {"changes", o.changes}} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("-%s is too small", n.name))
		}
	}
	return errors.Join(errs...)
}

func main() {
	o := parseOptions()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := o.validate(); err != nil {
		return err
	}
	systems, err := chooseSystems(o)
	if err != nil {
		return err
	}
	chosen, err := chooseWorkloads(o.workloads)
	if err != nil {
		return err
	}
	s, err := openSession(ctx, o, systems)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.measure(ctx, chosen); err != nil {
		return err
	}
	told := ""
	if o.subscribers > 0 {
		if told, err = s.measureLive(ctx); err != nil {
			return err
		}
	}
	checkErr := s.check()
	report := s.report(ctx, chosen, checkErr) + told
	s.close()
	if o.documents > 0 {
		alone, err := measureAlone(ctx, o)
		if err != nil {
			return err
		}
		report += alone
	}
	fmt.Print("\n", report)
	if checkErr != nil {
		return checkErr
	}
	return writeReport(o.out, report)
}

func writeReport(name, report string) error {
	if name == "" {
		return nil
	}
	name = strings.ReplaceAll(name, "DATE", time.Now().UTC().Format(time.DateOnly))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(report), 0o644)
}

func chooseSystems(o options) ([]system, error) {
	work, err := filepath.Abs(o.work)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return nil, err
	}
	runlog := runlogSystem{root: root, app: filepath.Join(root, "bench/app"), bin: filepath.Join(work, "runner")}
	variant := func(name string, flags ...string) system {
		s := runlog
		s.variant, s.flags = name, flags
		return &s
	}
	known := map[string]system{
		"runlog":     &runlog,
		"npm":        variant("convex from npm", "--convex-package=npm"),
		"inprocess":  variant("in process", "--isolation=inprocess"),
		"process":    variant("child processes", "--isolation=process"),
		"pocketbase": &pocketbaseSystem{source: filepath.Join(root, "bench/peers/pocketbase"), bin: filepath.Join(work, "pocketbase")},
		"drizzle":    &nodeSystem{source: filepath.Join(root, "bench/peers/node"), handlers: "drizzle"},
		"node":       &nodeSystem{source: filepath.Join(root, "bench/peers/node"), handlers: "plain"},
	}
	var chosen []system
	for name := range strings.SplitSeq(o.systems, ",") {
		s, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("-systems: there is no %q; choose from %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

func chooseWorkloads(prefixes string) ([]workload, error) {
	if prefixes == "" {
		return workloads[:], nil
	}
	if prefixes == "none" {
		return nil, nil
	}
	var chosen []workload
	for _, w := range workloads {
		for prefix := range strings.SplitSeq(prefixes, ",") {
			if strings.HasPrefix(w.name, prefix) {
				chosen = append(chosen, w)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-workloads: no name begins with any of %q", prefixes)
	}
	return chosen, nil
}

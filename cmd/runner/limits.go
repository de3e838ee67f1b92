package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"runlog/exec"
)

// limitFlags are the flags of what functions may use. A flag that is not set leaves the number of the chosen set.
type limitFlags struct {
	set    string
	flags  *pflag.FlagSet
	limits exec.Limits // what the flags are parsed into
}

// A limitFlag is one number of a kind of function.
type limitFlag struct {
	name, usage string
	bind        func(flags *pflag.FlagSet, k *exec.KindLimits, name, usage string)
	copy        func(to, from *exec.KindLimits)
}

func limitTable() []limitFlag {
	return []limitFlag{
		{"timeout", "longest execution of %s",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.DurationVar(&k.Timeout, n, k.Timeout, u) },
			func(to, from *exec.KindLimits) { to.Timeout = from.Timeout }},
		{"heap", "most memory %s may hold",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.Var((*size64)(&k.Heap), n, u) },
			func(to, from *exec.KindLimits) { to.Heap = from.Heap }},
		{"stack-depth", "deepest chain of calls in %s",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.IntVar(&k.StackDepth, n, k.StackDepth, u) },
			func(to, from *exec.KindLimits) { to.StackDepth = from.StackDepth }},
		{"documents-read", "most documents %s reads",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) {
				f.IntVar(&k.DocumentsRead, n, k.DocumentsRead, u)
			},
			func(to, from *exec.KindLimits) { to.DocumentsRead = from.DocumentsRead }},
		{"bytes-read", "most bytes %s reads",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.Var((*size)(&k.BytesRead), n, u) },
			func(to, from *exec.KindLimits) { to.BytesRead = from.BytesRead }},
		{"read-intervals", "most ranges %s reads",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) {
				f.IntVar(&k.ReadIntervals, n, k.ReadIntervals, u)
			},
			func(to, from *exec.KindLimits) { to.ReadIntervals = from.ReadIntervals }},
		{"documents-written", "most documents %s writes",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) {
				f.IntVar(&k.DocumentsWritten, n, k.DocumentsWritten, u)
			},
			func(to, from *exec.KindLimits) { to.DocumentsWritten = from.DocumentsWritten }},
		{"bytes-written", "most bytes %s writes",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.Var((*size)(&k.BytesWritten), n, u) },
			func(to, from *exec.KindLimits) { to.BytesWritten = from.BytesWritten }},
		{"concurrency", "how many runs of %s go on at once",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) { f.IntVar(&k.Concurrent, n, k.Concurrent, u) },
			func(to, from *exec.KindLimits) { to.Concurrent = from.Concurrent }},
		{"queue-wait", "how long %s waits for its place before it is refused",
			func(f *pflag.FlagSet, k *exec.KindLimits, n, u string) {
				f.DurationVar(&k.QueueWait, n, k.QueueWait, u)
			},
			func(to, from *exec.KindLimits) { to.QueueWait = from.QueueWait }},
	}
}

// kindOfLimits is a kind of function as flags name it, and its part of the limits.
type kindOfLimits struct {
	name string
	// one is the name with its article.
	one string
	of  func(*exec.Limits) *exec.KindLimits
}

func limitKinds() []kindOfLimits {
	return []kindOfLimits{
		{"query", "a query", func(l *exec.Limits) *exec.KindLimits { return &l.Query }},
		{"mutation", "a mutation", func(l *exec.Limits) *exec.KindLimits { return &l.Mutation }},
		{"action", "an action", func(l *exec.Limits) *exec.KindLimits { return &l.Action }},
	}
}

// register adds --limits and a flag for each number and kind, such as --query-timeout.
func (l *limitFlags) register(flags *pflag.FlagSet) {
	l.flags, l.limits = flags, exec.DefaultLimits()
	flags.StringVar(&l.set, "limits", "default", "limits of functions to begin with: default, or convex for those of the hosted service")
	flags.IntVar(&l.limits.NestedDepth, "nested-depth", l.limits.NestedDepth, "how deeply functions may call functions")
	for _, kind := range limitKinds() {
		for _, f := range limitTable() {
			f.bind(flags, kind.of(&l.limits), kind.name+"-"+f.name, fmt.Sprintf(f.usage, kind.one))
		}
	}
}

// resolve returns the chosen set, changed where a flag says otherwise.
func (l *limitFlags) resolve() (exec.Limits, error) {
	var limits exec.Limits
	switch l.set {
	case "default":
		limits = exec.DefaultLimits()
	case "convex":
		limits = exec.ConvexLimits()
	default:
		return limits, fmt.Errorf("--limits is %q, want default or convex", l.set)
	}
	if l.flags.Changed("nested-depth") {
		limits.NestedDepth = l.limits.NestedDepth
	}
	for _, kind := range limitKinds() {
		for _, f := range limitTable() {
			if l.flags.Changed(kind.name + "-" + f.name) {
				f.copy(kind.of(&limits), kind.of(&l.limits))
			}
		}
	}
	return limits, limits.Validate()
}

// size and size64 are flags of a number of bytes: 16MiB, 512MB, 1g or 4096. Units are powers of 1024.
type (
	size   int
	size64 int64
)

func (s *size) Set(text string) error {
	n, err := parseSize(text)
	*s = size(n)
	return err
}

func (s *size) String() string { return formatSize(int64(*s)) }

func (s *size) Type() string { return "size" }

func (s *size64) Set(text string) error {
	n, err := parseSize(text)
	*s = size64(n)
	return err
}

func (s *size64) String() string { return formatSize(int64(*s)) }

func (s *size64) Type() string { return "size" }

func sizeUnits() []string { return []string{"", "k", "m", "g", "t"} }

func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(strings.ToLower(strings.TrimSpace(text)), "bikmgt ")
	unit := strings.TrimSpace(strings.ToLower(strings.TrimSpace(text))[len(digits):])
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no size: want a number of bytes such as 4096, 512MB or 1GiB", text)
	}
	for i, u := range sizeUnits() {
		if u == unit {
			if n > math.MaxInt64>>(10*i) {
				return 0, fmt.Errorf("%q is too large", text)
			}
			return n << (10 * i), nil
		}
	}
	return 0, fmt.Errorf("%q has no unit we know: want B, KB, MB, GB or TB", text)
}

func formatSize(n int64) string {
	i := 0
	for n > 0 && n%1024 == 0 && i < len(sizeUnits())-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d%sB", n, strings.ToUpper(sizeUnits()[i]))
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A summary is the medians of one contestant's rounds of one workload.
type summary struct {
	rate, slowest, fastest float64
	p50, p99, cpu          time.Duration
	failures               int
}

func summarise(results []*result) summary {
	var s summary
	if len(results) == 0 {
		return s
	}
	s.rate = medianOf(results, (*result).rate)
	s.p50 = medianOf(results, func(r *result) time.Duration { return r.quantile(.5) })
	s.p99 = medianOf(results, func(r *result) time.Duration { return r.quantile(.99) })
	s.cpu = medianOf(results, (*result).cpuPerRequest)
	s.slowest, s.fastest = results[0].rate(), results[0].rate()
	for _, r := range results {
		s.slowest, s.fastest = min(s.slowest, r.rate()), max(s.fastest, r.rate())
		s.failures += r.failures
	}
	return s
}

// medianOf gives the middle value; of an even number, the lower of the two in the middle.
func medianOf[T cmp.Ordered](results []*result, of func(*result) T) T {
	values := make([]T, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// report writes the whole run as Markdown.
func (s *session) report(ctx context.Context, chosen []workload, checkErr error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark of %s\n\n", time.Now().UTC().Format(time.DateOnly))
	s.reportConditions(ctx, &b)
	if len(s.contestants) > 1 && len(chosen) > 0 {
		s.reportRatios(&b, chosen)
	}
	for _, w := range chosen {
		s.reportWorkload(&b, w)
	}
	s.reportMemory(&b)
	if checkErr != nil {
		fmt.Fprintf(&b, "\n**The data is wrong, so these figures count for nothing: %v**\n", checkErr)
	} else {
		b.WriteString("\nAfter the run every balance and every count of messages agreed with the answers the clients got.\n")
	}
	return b.String()
}

func (s *session) reportConditions(ctx context.Context, b *strings.Builder) {
	o := s.options
	fmt.Fprintf(b, "Commit %s. %s, %d cores, %s memory, %s, %s, node %s.\n", commit(ctx, o.root), cpuModel(),
		runtime.NumCPU(), memory(), firstLine(ctx, "uname", "-sr"), runtime.Version(), firstLine(ctx, "node", "--version"))
	fmt.Fprintf(b, "%d keep-alive connections, one request at a time on each; %d accounts, %d messages; %d rounds of %s after %s "+
		"of warm-up, systems interleaved. The generator runs on the same machine. `make bench` repeats it.\n\n",
		o.clients, o.accounts, o.channels*o.perChannel, o.rounds, o.window, o.warmup)
	for _, c := range s.contestants {
		fmt.Fprintf(b, "- **%s**: %s.\n", c.name(), c.about())
	}
	b.WriteByte('\n')
}

// reportRatios compares the first contestant with each of the others.
func (s *session) reportRatios(b *strings.Builder, chosen []workload) {
	ours, peers := s.contestants[0], s.contestants[1:]
	fmt.Fprintf(b, "## %s against the others\n\nRequests per second, and in parentheses the peer's CPU time per request, "+
		"each as a multiple of %s's.\n\n| workload |", ours.name(), ours.name())
	for _, c := range peers {
		fmt.Fprintf(b, " %s |", c.name())
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(peers)) + "\n")
	for _, w := range chosen {
		mine := summarise(ours.results[w.name])
		fmt.Fprintf(b, "| %s |", w.name)
		for _, c := range peers {
			theirs := summarise(c.results[w.name])
			fmt.Fprintf(b, " %.1f× (%.1f×) |", mine.rate/theirs.rate, float64(theirs.cpu)/float64(max(1, mine.cpu)))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

func (s *session) reportWorkload(b *strings.Builder, w workload) {
	fmt.Fprintf(b, "## %s\n\n%s.\n\n| system | req/s, median [min..max] | p50 | p99 | server CPU per request | failures |\n"+
		"|---|---:|---:|---:|---:|---:|\n", w.name, upperFirst(w.about))
	for _, c := range s.contestants {
		m := summarise(c.results[w.name])
		fmt.Fprintf(b, "| %s | %.0f [%.0f..%.0f] | %s | %s | %s | %d |\n", c.name(), m.rate, m.slowest, m.fastest,
			millis(m.p50), millis(m.p99), micros(m.cpu), m.failures)
	}
	b.WriteByte('\n')
}

func (s *session) reportMemory(b *strings.Builder) {
	b.WriteString("## Memory\n\nResident at the end of the run:")
	for i, c := range s.contestants {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(b, " %s %d MB", c.name(), c.rss>>20)
	}
	b.WriteString(".\n")
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }

func micros(d time.Duration) string { return fmt.Sprintf("%.0f µs", d.Seconds()*1e6) }

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// commit names what was measured, and says if the work tree held more than that.
func commit(ctx context.Context, root string) string {
	hash := firstLine(ctx, "git", "-C", root, "rev-parse", "--short=12", "HEAD")
	if firstLine(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "" {
		return hash + " with uncommitted changes"
	}
	return hash
}

// firstLine gives the first line a command prints, or nothing if it fails.
func firstLine(ctx context.Context, name string, args ...string) string {
	output, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return line
}

func cpuModel() string { return procValue("/proc/cpuinfo", "model name") }

// memory gives the machine's memory in whole GB.
func memory() string {
	text, _, _ := strings.Cut(procValue("/proc/meminfo", "MemTotal"), " ")
	kilobytes, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d GB", (kilobytes+1<<19)>>20)
}

// procValue gives the value of the first "key : value" line with that key.
func procValue(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

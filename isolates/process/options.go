package process

import (
	"log/slog"
	"runtime"
	"time"

	"runlog/isolates"
)

// Options of a Pool. Zero fields mean the default.
type Options struct {
	// Size is how many runs may be under way at once; nested ones are not counted. Default: Children * Share.
	Size int
	// Children is how many processes run scripts side by side. Default: GOMAXPROCS.
	Children int
	// Share is how many runs a child takes before others wait. Runs in one process take turns, and what they have to say
	// to the parent travels together. Default 8.
	Share int
	// Apart is for runs that cannot be done over: each gets a child of its own while there are no more runs than Children,
	// which are started when needed.
	Apart bool
	// Prepared is how many further children stand by, for those that are lost or taken up by a long run. Default 1.
	Prepared int
	// ChildrenMax bounds all children. Default: 4 * Children + Prepared.
	ChildrenMax int
	// Warm is how many evaluated runtimes a child keeps. Default 8.
	Warm int
	// Fresh forbids warm runtimes.
	Fresh bool
	// Compiled is how many compiled modules a child keeps. Default 2,048.
	Compiled int
	// RunsMax is how many runs a child serves before it is replaced. Default 10,000,000.
	RunsMax int
	// GrowthMax is how many bytes a child may grow before it is replaced. Default 96 MiB.
	GrowthMax uint64
	// Command is the program that children run; its main must begin with IsChild. Default: this program itself.
	Command string
	// Clock measures. Required.
	Clock isolates.Clock
	// Acquired is told how long each run waited for its place. Default: nobody is.
	Acquired func(wait time.Duration)
	// Logger is told of children that could not be started or confined. Default: nothing is logged.
	Logger *slog.Logger
}

// EnsureDefaults fills the zero fields.
func (o *Options) EnsureDefaults() {
	if o.Children <= 0 {
		o.Children = runtime.GOMAXPROCS(0)
	}
	if o.Share <= 0 {
		o.Share = 8
		if o.Size > 0 {
			o.Share = (o.Size + o.Children - 1) / o.Children
		}
	}
	if o.Size <= 0 {
		o.Size = o.Children * o.Share
	}
	if o.Prepared <= 0 {
		o.Prepared = 1
	}
	if o.ChildrenMax <= 0 {
		o.ChildrenMax = 4*o.Children + o.Prepared
	}
	if o.Warm <= 0 {
		o.Warm = 8
	}
	if o.Compiled <= 0 {
		o.Compiled = 2048
	}
	if o.RunsMax <= 0 {
		o.RunsMax = 10_000_000
	}
	if o.GrowthMax == 0 {
		o.GrowthMax = 96 << 20
	}
	if o.Command == "" {
		o.Command = "/proc/self/exe" // also when the file has been replaced: parent and child must be of one version
		if runtime.GOOS != "linux" {
			o.Command = executable()
		}
	}
	if o.Acquired == nil {
		o.Acquired = func(time.Duration) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// The defaults of isolates.Limits.
const (
	timeoutDefault = 10 * time.Second
	heapDefault    = 512 << 20
)

const (
	// grace is how long after its time limit a child may take to say so itself before it is killed.
	grace = 250 * time.Millisecond
	// graceUsed is how much time the processor must have given it by then, else it may take up to slackMax longer.
	graceUsed = 30 * time.Millisecond
	slackMax  = 2 * time.Second
	// startTimeout is how long a child may take to become ready.
	startTimeout = 20 * time.Second
	// startsMax is how often in a row a child may fail to start before those who wait for one are told.
	startsMax = 10
	// memoryBase is what a child takes besides scripts: the program, the runtime, compiled modules, and room for garbage.
	memoryBase = 128 << 20
)

// dataMax is how much a child's memory may grow for a script whose heap is limited: garbage and the runtime's own
// structures come on top.
func dataMax(heap uint64) uint64 { return heap + heap/2 + memoryBase }

func withDefaults(l isolates.Limits) isolates.Limits {
	if l.Timeout <= 0 {
		l.Timeout = timeoutDefault
	}
	if l.Heap == 0 {
		l.Heap = heapDefault
	}
	return l
}

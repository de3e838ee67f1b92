package process

import (
	"log/slog"
	"runtime"
	"time"

	"runlog/isolates"
)

// Options of a Pool. Zero fields mean the default.
type Options struct {
	// Size is how many runs may happen at once; nested ones are not counted. Default: GOMAXPROCS.
	Size int
	// Prepared is how many children stand by unused while others run. Default 1.
	Prepared int
	// Idle is how many children are kept when nothing runs. Default: Size or 4 * GOMAXPROCS, whichever is less, and Prepared.
	Idle int
	// Warm is how many evaluated runtimes a child keeps. Default 4.
	Warm int
	// Fresh forbids warm runtimes.
	Fresh bool
	// Compiled is how many compiled modules a child keeps. Default 2,048.
	Compiled int
	// RunsMax is how many runs a child serves before it is replaced. Default 100,000.
	RunsMax int
	// GrowthMax is how many bytes a child may grow between runs before it is replaced. Default 256 MiB.
	GrowthMax uint64
	// Command is the program that children run; its main must begin with IsChild. Default: this program itself.
	Command string
	// Clock measures. Required.
	Clock isolates.Clock
	// Logger is told of children that could not be started or confined. Default: nothing is logged.
	Logger *slog.Logger
}

// EnsureDefaults fills the zero fields.
func (o *Options) EnsureDefaults() {
	if o.Size <= 0 {
		o.Size = runtime.GOMAXPROCS(0)
	}
	if o.Prepared <= 0 {
		o.Prepared = 1
	}
	if o.Idle <= 0 {
		o.Idle = min(o.Size, 4*runtime.GOMAXPROCS(0)) + o.Prepared
	}
	if o.Warm <= 0 {
		o.Warm = 4
	}
	if o.Compiled <= 0 {
		o.Compiled = 2048
	}
	if o.RunsMax <= 0 {
		o.RunsMax = 100_000
	}
	if o.GrowthMax == 0 {
		o.GrowthMax = 256 << 20
	}
	if o.Command == "" {
		o.Command = "/proc/self/exe" // also when the file has been replaced: parent and child must be of one version
		if runtime.GOOS != "linux" {
			o.Command = executable()
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// The defaults of isolates.Limits.
const (
	timeoutDefault = 10 * time.Second
	heapDefault    = 512 << 20
	// analyzeTimeout is that of one module in an analysis.
	analyzeTimeout = 4 * time.Second
)

const (
	// grace is how long after its time limit a child may take to say so itself before it is killed.
	grace = 250 * time.Millisecond
	// startTimeout is how long a child may take to become ready.
	startTimeout = 20 * time.Second
	// startsMax is how often in a row a child may fail to start before those who wait for one are told.
	startsMax = 10
	// memoryBase is what a child takes besides scripts: the program, the runtime, compiled modules.
	memoryBase = 64 << 20
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

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"runlog/internal/collector"
	"runlog/isolates"
)

// argv0 is the name a child is started under.
const argv0 = "runlog-isolate"

// socketFD is the child's end of the socket.
const socketFD = 3

// programSlots is how many bundles a child keeps: the current one, and those of calls that began before a push.
const programSlots = 4

// IsChild says whether a process with these arguments is a child, which must call Main at once and nothing else.
func IsChild(args []string) bool { return len(args) == 1 && args[0] == argv0 }

// Main is the life of a child: it serves its parent until the parent closes the socket. It returns the exit code.
func Main(clock isolates.Clock) int {
	runtime.GOMAXPROCS(1) // runs take turns; other threads would only be woken in vain
	g := &guest{in: inbox{max: 1 << 30}, clock: clock, jobs: make(chan job)}
	g.mu.hosts = map[uint32]*host{}
	err := g.serve()
	if errors.Is(err, errParentGone) {
		return 0
	}
	fmt.Fprintln(os.Stderr, argv0+":", err)
	return 1
}

// errParentGone says that the socket was closed.
var errParentGone = errors.New("the parent is gone")

// A guest is what runs in a child. One goroutine takes frames from the socket and hands them out; runs have goroutines of
// their own, and what they say is gathered.
type guest struct {
	in       inbox
	clock    isolates.Clock
	pool     *isolates.Pool
	link     link
	programs [programSlots]*isolates.Program
	// heap is the limit that the process's memory is set for.
	heap uint64
	// jobs carry runs to goroutines that have had one before: their stacks have grown. Nobody closes it.
	jobs chan job
	// executing is how many runs have something to do but wait for us.
	executing atomic.Int32

	mu struct {
		sync.Mutex
		// out is what shall be sent, spare what was.
		out, spare []byte
		// parked says that nobody sends what is gathered, because the goroutine at the socket waits: who has something to say
		// sends it.
		parked bool
		// hosts are the runs in progress, by their number; begun counts all.
		hosts map[uint32]*host
		begun uint64
		// told is what the parent knows of the pool's counters.
		told tally
		// failed is why the parent cannot be reached.
		failed error
	}
}

// A job is a run to execute.
type job struct {
	host *host
	inv  *isolates.Invocation
}

// serve greets the parent and does what it asks; it returns why it no longer can, errParentGone in the best case.
func (g *guest) serve() error {
	first := &patientLink{fd: socketFD}
	g.link = first
	m, err := g.receive()
	if err != nil {
		return err
	}
	d := decoder{b: m.payload}
	h := d.hello()
	if m.kind != frameHello || !d.ok() {
		return malformed(m.kind)
	}
	first.prepare()
	if h.apart {
		if g.link, err = newPolledLink(socketFD); err != nil {
			return err
		}
	}
	// What lives on in a child is little.
	collector.Keep(collector.Room{Bytes: 32 << 20, PercentMin: 50, PercentMax: 1600})
	report := confine()
	g.pool = isolates.New(isolates.Options{
		Size: 1 << 20, Prepared: 1, Warm: h.warm, Compiled: h.compiled, Fresh: h.fresh, Clock: g.clock,
	})
	g.post(frameReady, 0, func(b []byte) []byte { return appendText(b, report) })
	for {
		m, err := g.receive()
		if err != nil {
			return err
		}
		if err := g.handle(m); err != nil {
			return err
		}
	}
}

// receive returns the next frame. While there is none, runs have their turn; what they have said by then is sent together.
func (g *guest) receive() (message, error) {
	for turns := 0; ; turns++ {
		m, ok, err := g.in.next()
		if ok || err != nil {
			return m, err
		}
		wait, err := g.takeTurns(turns)
		if err != nil {
			return message{}, err
		}
		n, err := g.link.read(g.in.room(), wait)
		g.unpark()
		if g.in.took(n); err != nil {
			return message{}, err
		}
		if n > 0 {
			turns = 0
		}
	}
}

// takeTurns lets runs compute until each waits or has had its share, and sends what they have said. It says how long
// reading may wait: not at all while a run computes.
func (g *guest) takeTurns(turns int) (patience, error) {
	if g.link.steps() {
		runtime.Gosched()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.flushLocked(); err != nil {
		return 0, err
	}
	if g.executing.Load() > 0 && g.link.steps() {
		if turns > fruitlessMax {
			return waitBriefly, nil // what keeps the run is not computing
		}
		return waitNot, nil
	}
	g.mu.parked = true
	return waitLong, nil
}

// fruitlessMax is how many turns in a row may bring nothing before the processor is left to the runtime for a moment.
const fruitlessMax = 8

func (g *guest) unpark() {
	g.mu.Lock()
	g.mu.parked = false
	g.mu.Unlock()
}

func (g *guest) flushLocked() error {
	if g.mu.failed != nil || len(g.mu.out) == 0 {
		return g.mu.failed
	}
	out := g.mu.out
	g.mu.out, g.mu.spare = g.mu.spare[:0], nil
	g.mu.failed = g.link.write(out)
	if cap(out) <= outKept {
		g.mu.spare = out
	}
	return g.mu.failed
}

// post gathers a frame to be sent.
func (g *guest) post(kind frameKind, run uint32, payload func([]byte) []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := len(g.mu.out)
	g.mu.out = endFrame(payload(beginFrame(g.mu.out, kind, run)), at)
	if g.mu.parked {
		_ = g.flushLocked() // kept in failed
	}
}

func (g *guest) handle(m message) error {
	d := decoder{b: m.payload}
	switch m.kind {
	case frameProgram:
		slot, bundle := d.program()
		if !d.ok() || slot >= programSlots {
			return malformed(m.kind)
		}
		g.programs[slot] = isolates.NewProgram(bundle)
		return nil
	case frameRun:
		slot, inv, ahead := d.run()
		if !d.ok() || slot >= programSlots || g.programs[slot] == nil {
			return malformed(m.kind)
		}
		inv.Program = g.programs[slot]
		g.begin(m.run, inv, ahead)
		return nil
	case frameAnalyze:
		slot, req := d.analyze()
		if !d.ok() || slot >= programSlots || g.programs[slot] == nil {
			return malformed(m.kind)
		}
		req.Program = g.programs[slot]
		g.limitMemory(req.Limits.Heap)
		g.executing.Add(1)
		go func() { // ends with the analysis
			analysis, err := g.pool.Analyze(context.Background(), req)
			g.executing.Add(-1)
			g.post(frameAnalysis, m.run, func(b []byte) []byte { return appendAnalysis(b, analysis, err) })
		}()
		return nil
	case frameAnswers, frameAbort:
		g.mu.Lock()
		h := g.mu.hosts[m.run]
		g.mu.Unlock()
		if h != nil { // else it came after the run had ended
			h.deliver(m)
		}
		return nil
	}
	return malformed(m.kind)
}

// limitMemory prepares the process for a run that begins. It may be too wide for one that follows, not too narrow.
func (g *guest) limitMemory(heap uint64) {
	if heap == 0 {
		heap = heapDefault
	}
	g.mu.Lock()
	others := len(g.mu.hosts) > 0
	g.mu.Unlock()
	if heap > g.heap || heap < g.heap && !others {
		g.heap = heap
		limitMemory(heap)
	}
}

// begin starts a run.
func (g *guest) begin(number uint32, inv *isolates.Invocation, ahead []foresight) {
	g.limitMemory(inv.Limits.Heap)
	h := newHost(g, number, inv, ahead)
	inv.Host = h
	g.mu.Lock()
	g.mu.begun++
	h.since = g.mu.begun
	h.crowded = len(g.mu.hosts) > 0
	g.mu.hosts[number] = h
	g.mu.Unlock()
	g.executing.Add(1)
	select {
	case g.jobs <- job{h, inv}:
	default:
		go g.work(job{h, inv}) // ends with the process
	}
}

// work executes runs, one after the other.
func (g *guest) work(j job) {
	for ; ; j = <-g.jobs {
		g.run(j.host, j.inv)
	}
}

func (g *guest) run(h *host, inv *isolates.Invocation) {
	ctx := h.begin()
	res, err := g.pool.Run(ctx, inv)
	if err != nil {
		res = &isolates.Result{Err: internalError(err)}
	}
	h.end()
	if res.Err != nil && res.Elapsed > sizeAfter {
		debug.FreeOSMemory() // it may have taken much, and the next collection may be far
	}
	g.mu.Lock()
	delete(g.mu.hosts, h.number)
	crowded := h.crowded || g.mu.begun != h.since
	news := g.newsLocked(res)
	g.mu.Unlock()
	g.executing.Add(-1)
	g.post(frameDone, h.number, func(b []byte) []byte {
		b = h.appendPending(b)
		// Compiling and warming happen around cold runs; the counters of the others have not moved.
		b = appendOptional(b, news, appendTally)
		return appendResult(appendBool(b, crowded), res)
	})
}

// newsLocked is the pool's counters, if they may have changed.
func (g *guest) newsLocked(res *isolates.Result) *tally {
	if res.Warm && res.Err == nil && g.mu.told.warmRuntimes > 0 {
		return nil
	}
	s := g.pool.Stats()
	t := tally{discarded: s.Discarded, compileHits: s.CompileHits, compileMisses: s.CompileMisses, compileTime: uint64(s.CompileTime), warmRuntimes: s.WarmRuntimes}
	g.mu.told = t
	return &t
}

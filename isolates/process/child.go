package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"runlog/isolates"
)

// A child is the parent's end of a child process. Many runs share it: their frames are gathered by post and sent together
// by transmit; receive hands out what comes back.
type child struct {
	command *exec.Cmd
	file    *os.File
	stderr  *tail
	// gone is closed when the process has ended and been waited for.
	gone chan struct{}
	// filled tells transmit that there is something to send. It holds one signal: a second says nothing new.
	filled chan struct{}

	mu struct {
		sync.Mutex
		// out is what transmit shall send; spare is what it has sent.
		out, spare []byte
		// filled says that transmit has been told.
		filled bool
		// ended says that nothing more comes: the sessions' messages are closed.
		ended bool
		// sessions are the runs in the process, abandoned ones too, by their number; last is the newest.
		sessions map[uint32]*session
		last     uint32
		// programs are those the child holds, by slot; used says when each was needed last, counted in runs.
		programs [programSlots]*isolates.Program
		used     [programSlots]uint32
	}

	// place is how the pool uses the child, guarded by the pool's lock.
	place place
	told  tally
	// size is how much memory the process takes, in bytes, and sizeBegin how much it took when it was ready.
	size, sizeBegin atomic.Uint64
	// verdict is why we killed it; nil if we did not. It is set once.
	verdict atomic.Pointer[verdict]
	// cause is why nothing more comes, victims how many runs that ended, and executing how many of them computed then.
	// They are set before the sessions' messages are closed.
	cause              error
	victims, executing int
}

// moduleKey names a module of a program.
type moduleKey struct {
	program *isolates.Program
	module  string
}

// A tail keeps the beginning of what a child wrote to its standard error: a fatal error names itself first.
type tail struct {
	mu struct {
		sync.Mutex
		b bytes.Buffer
	}
}

const tailMax = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.b.Write(p[:min(len(p), tailMax-t.mu.b.Len())])
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.b.String()
}

// startChild starts a process; it is not ready yet.
// REQUIRES: the caller's goroutine is locked to a thread that outlives the child, which dies with it.
func startChild(command string, confinement confinement) (*child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &child{file: ours, stderr: &tail{}, gone: make(chan struct{}), filled: make(chan struct{}, 1)}
	c.mu.sessions = map[uint32]*session{}
	c.command = &exec.Cmd{
		Path: command, Args: []string{argv0},
		// Not even the settings of our own runtime are passed on. The ones here spare a child's fatal error its trace,
		// and keep it from holding a file of the control group open.
		Env:        []string{"GOTRACEBACK=none", "GODEBUG=containermaxprocs=0,updatemaxprocs=0", "GOMAXPROCS=1"},
		ExtraFiles: []*os.File{theirs}, Stderr: c.stderr,
		SysProcAttr: confinement.attributes(),
		WaitDelay:   time.Second,
	}
	if err := c.command.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	return c, nil
}

func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "isolate"), os.NewFile(uintptr(fds[1]), "parent"), nil
}

func (c *child) pid() int { return c.command.Process.Pid }

// kill ends the process at once; gone tells when it has.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it fails only if the process has ended
}

// dismiss lets the process end by itself; receive sees to it that it does.
func (c *child) dismiss() { c.file.Close() }

// dismissTimeout is how long that may take.
const dismissTimeout = time.Second

// greet configures the process and waits until it is ready. It returns what the child could not confine.
func (c *child) greet(h *hello, in *inbox) (string, error) {
	timer := time.AfterFunc(startTimeout, c.kill)
	defer timer.Stop()
	if _, err := c.file.Write(endFrame(appendHello(beginFrame(nil, frameHello, 0), h), 0)); err != nil {
		return "", err
	}
	m, err := c.read(in)
	if err != nil {
		return "", err
	}
	d := decoder{b: m.payload, hostile: true}
	report := d.text()
	if m.kind != frameReady || !d.ok() {
		return "", malformed(m.kind)
	}
	c.size.Store(residentSize(c.pid()))
	c.sizeBegin.Store(c.size.Load())
	return report, nil
}

// read returns the next frame.
func (c *child) read(in *inbox) (message, error) {
	for {
		m, ok, err := in.next()
		if ok || err != nil {
			return m, err
		}
		n, err := c.file.Read(in.room())
		if in.took(n); err != nil {
			return message{}, err
		}
	}
}

// begin makes s one of the child's runs and sends its first frame, after the program if the child lacks it. It reports
// false if the child has ended.
func (c *child) begin(s *session, kind frameKind, program *isolates.Program, payload func(b []byte, slot int) []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ended {
		return false
	}
	c.mu.last++
	s.number = c.mu.last
	c.mu.sessions[s.number] = s
	slot, sent := c.slotLocked(program)
	if !sent {
		at := len(c.mu.out)
		c.mu.out = endFrame(appendProgram(beginFrame(c.mu.out, frameProgram, 0), slot, program.Bundle()), at)
	}
	at := len(c.mu.out)
	c.mu.out = endFrame(payload(beginFrame(c.mu.out, kind, s.number), slot), at)
	c.fillLocked()
	return true
}

// post sends a frame of a run that has begun. Nothing is said if it does not arrive: the child has ended then.
func (c *child) post(kind frameKind, run uint32, payload func(b []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ended {
		return
	}
	at := len(c.mu.out)
	c.mu.out = endFrame(payload(beginFrame(c.mu.out, kind, run)), at)
	c.fillLocked()
}

func (c *child) fillLocked() {
	if !c.mu.filled {
		c.mu.filled = true
		c.filled <- struct{}{} // there is room: the last signal was taken before filled was cleared
	}
}

// outKept is the size of a buffer that is kept for the next frames.
const outKept = 1 << 20

// transmit sends what is posted until the child ends. It lets all who are about to post do so first: what goes out
// together costs one change of process.
func (c *child) transmit() {
	for {
		select {
		case <-c.filled:
		case <-c.gone:
			return
		}
		runtime.Gosched()
		c.mu.Lock()
		out := c.mu.out
		c.mu.out, c.mu.spare, c.mu.filled = c.mu.spare[:0], nil, false
		c.mu.Unlock()
		if _, err := c.file.Write(out); err != nil {
			c.kill() // receive sees the end
			return
		}
		if cap(out) <= outKept {
			c.mu.Lock()
			c.mu.spare = out
			c.mu.Unlock()
		}
	}
}

// receive hands out frames until the process ends or sends what it must not; then it makes sure that it has ended, calls
// bury, and tells the sessions. A session that ended while nobody waited for it is given to leave.
func (c *child) receive(in *inbox, leave func(*session), bury func()) {
	err := c.deliverAll(in, leave)
	if errors.Is(err, os.ErrClosed) {
		timer := time.AfterFunc(dismissTimeout, c.kill)
		defer timer.Stop()
	} else {
		c.kill()
	}
	<-c.gone
	c.file.Close()
	bury()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.ended = true
	c.cause, c.victims = err, len(c.mu.sessions)
	if in.torn() && isEnd(err) {
		c.cause = fmt.Errorf("in the middle of a frame: %w", err)
	}
	for _, s := range c.mu.sessions {
		if s.serving.Load() == 0 {
			c.executing++
		}
	}
	for _, s := range c.mu.sessions {
		close(s.messages)
	}
	c.mu.sessions, c.mu.out, c.mu.spare = nil, nil, nil
}

func (c *child) deliverAll(in *inbox, leave func(*session)) error {
	for {
		m, err := c.read(in)
		if err != nil {
			return err
		}
		if err := c.deliver(m, leave); err != nil {
			return err
		}
	}
}

// deliver gives a frame to its session. One that ends a session that nobody waits for makes it leave.
func (c *child) deliver(m message, leave func(*session)) error {
	c.mu.Lock()
	s := c.mu.sessions[m.run]
	if s == nil {
		c.mu.Unlock()
		return malformed(m.kind)
	}
	ends := m.kind == frameDone || m.kind == frameAnalysis
	if ends {
		delete(c.mu.sessions, m.run)
	}
	abandoned := s.abandoned
	c.mu.Unlock()
	switch {
	case abandoned && ends:
		leave(s)
	case abandoned:
	default:
		select {
		case s.messages <- m:
		default:
			return fmt.Errorf("%w: too many at once", malformed(m.kind))
		}
	}
	return nil
}

// abandon says that nobody waits for s any longer: the child shall end it. It reports false if it has ended already.
func (c *child) abandon(s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.sessions[s.number] != s {
		return false
	}
	s.abandoned = true
	at := len(c.mu.out)
	c.mu.out = endFrame(beginFrame(c.mu.out, frameAbort, s.number), at)
	c.fillLocked()
	return true
}

// slotLocked is where the child keeps a program; sent is whether it is there yet. Of all slots the one longest unused
// makes room. Runs that began before keep what they have.
func (c *child) slotLocked(p *isolates.Program) (slot int, sent bool) {
	for i, q := range c.mu.programs {
		if p == q {
			c.mu.used[i] = c.mu.last
			return i, true
		}
		if c.mu.used[i] < c.mu.used[slot] || q == nil && c.mu.programs[slot] != nil {
			slot = i
		}
	}
	c.mu.programs[slot], c.mu.used[slot] = p, c.mu.last
	return slot, false
}

// residentSize is the memory of a process in bytes; 0 if unknown.
func residentSize(pid int) uint64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"runlog/isolates"
)

// A child is the parent's end of a child process. One goroutine at a time converses with it.
type child struct {
	command *exec.Cmd
	file    *os.File
	stderr  *tail
	// gone is closed when the process has ended and been waited for.
	gone chan struct{}

	// in holds what was read and not yet returned, out what is being written.
	in         []byte
	begin, end int
	out        []byte
	// torn says that a frame was sent or read in part: nothing more can be said.
	torn bool
	// programs are those the child holds, by slot; used says when each ran last, counted in runs.
	programs [programSlots]*isolates.Program
	used     [programSlots]int
	runs     int
	// warm is the modules that have run here.
	warm map[moduleKey]struct{}
	told tally
	// size is how much memory the process takes, in bytes, and sizeBegin how much it took when it was ready.
	size, sizeBegin atomic.Uint64
	watch           watch
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
	c := &child{file: ours, stderr: &tail{}, gone: make(chan struct{}), in: make([]byte, 4<<10), warm: map[moduleKey]struct{}{}}
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

// close lets the process end by itself, and kills it if it does not.
func (c *child) close() {
	c.file.Close()
	timer := time.AfterFunc(time.Second, c.kill)
	go func() { // ends with the process, which the timer makes sure of
		<-c.gone
		timer.Stop()
	}()
}

// greet configures the process and waits until it is ready. It returns what the child could not confine.
func (c *child) greet(h *hello) (string, error) {
	timer := time.AfterFunc(startTimeout, c.kill)
	defer timer.Stop()
	if err := c.write(appendHello(beginFrame(c.out, frameHello), h)); err != nil {
		return "", err
	}
	kind, payload, err := c.read()
	if err != nil {
		return "", err
	}
	d := decoder{b: payload, hostile: true}
	report := d.text()
	if kind != frameReady || !d.ok() {
		return "", malformed(kind)
	}
	c.size.Store(residentSize(c.pid()))
	c.sizeBegin.Store(c.size.Load())
	return report, nil
}

// outKept and inKept are the sizes of buffers that are kept for the next frame.
const (
	outKept = 1 << 20
	inKept  = 64 << 10
)

// write completes a frame and sends it.
func (c *child) write(frame []byte) error {
	_, err := c.file.Write(endFrame(frame))
	c.torn = c.torn || err != nil
	if c.out = frame; cap(c.out) > outKept {
		c.out = nil
	}
	return err
}

// read returns the next frame; its payload belongs to the caller. It holds no more memory than the child has sent.
func (c *child) read() (frameKind, []byte, error) {
	for c.end-c.begin < frameHead {
		if c.begin == c.end {
			c.begin, c.end = 0, 0
		} else if c.end == len(c.in) {
			c.end = copy(c.in, c.in[c.begin:c.end])
			c.begin = 0
		}
		n, err := c.file.Read(c.in[c.end:])
		if c.end += n; err != nil {
			return 0, nil, err
		}
	}
	length := int(binary.LittleEndian.Uint32(c.in[c.begin:]))
	kind := frameKind(c.in[c.begin+4])
	c.begin += frameHead
	if length > frameMax {
		return 0, nil, fmt.Errorf("%w: %d bytes", malformed(kind), length)
	}
	payload := make([]byte, min(length, inKept))
	n := copy(payload, c.in[c.begin:c.end])
	c.begin += n
	for n < length {
		if n == len(payload) {
			payload = append(payload, make([]byte, min(length-n, n))...)
		}
		if _, err := io.ReadFull(c.file, payload[n:]); err != nil {
			c.torn = true
			return 0, nil, err
		}
		n = len(payload)
	}
	return kind, payload, nil
}

// slot is where the child keeps a program; sent is whether it is there yet. Of all slots the one longest unused makes room.
func (c *child) slot(p *isolates.Program) (slot int, sent bool) {
	for i, q := range c.programs {
		if p == q {
			c.used[i] = c.runs
			return i, true
		}
		if c.used[i] < c.used[slot] || q == nil && c.programs[slot] != nil {
			slot = i
		}
	}
	for key := range c.warm {
		if key.program == c.programs[slot] {
			delete(c.warm, key)
		}
	}
	c.programs[slot], c.used[slot] = p, c.runs
	return slot, false
}

// affinity says how well the child suits a module: it has run it, it has its program, or neither.
func (c *child) affinity(key moduleKey) int {
	if _, ok := c.warm[key]; ok {
		return 2
	}
	if slices.Contains(c.programs[:], key.program) {
		return 1
	}
	return 0
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

package process

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// probeArg makes the test binary confine itself as a child does and say what it can still do; see TestMain.
const probeArg = "probe-confinement"

// A probe is what a confined process found out. Errors are texts, "" means that it succeeded.
type probe struct {
	Refused     string
	Attempts    map[string]string
	Environment []string
}

// probeConfinement runs in a process of its own. Its answer goes to descriptor 3, which is all that a child keeps.
func probeConfinement() int {
	var p probe
	p.Refused = confine()
	p.Environment = os.Environ()
	p.Attempts = map[string]string{}
	for name, attempt := range map[string]func() error{
		"open a file":          func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"write a file":         func() error { return os.WriteFile("/tmp/escaped", nil, 0o600) },
		"list a folder":        func() error { _, err := os.ReadDir("/"); return err },
		"open a socket":        func() error { _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); return err },
		"listen":               func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
		"start a program":      func() error { return exec.Command("/proc/self/exe", "-test.list=^$").Run() },
		"signal its parent":    func() error { return syscall.Kill(os.Getppid(), 0) },
		"trace its parent":     func() error { return syscall.PtraceAttach(os.Getppid()) },
		"read an inherited fd": func() error { _, err := syscall.Read(socketFD+1, make([]byte, 1)); return err },
	} {
		p.Attempts[name] = ""
		if err := attempt(); err != nil {
			p.Attempts[name] = err.Error()
		}
	}
	text, err := json.Marshal(p)
	if err == nil {
		_, err = syscall.Write(socketFD, text)
	}
	if err != nil {
		return 1
	}
	return 0
}

// TestConfinement: in a process that is confined as children are, files, sockets, programs, other processes and inherited
// descriptors are out of reach. Where the kernel refuses a measure, what it refuses is said.
func TestConfinement(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	inherited, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	p := runProbe(t, inherited)
	if strings.Contains(p.Refused, "seccomp") {
		t.Fatalf("this kernel keeps children from less than is asked for: %s", p.Refused)
	}
	for name, err := range p.Attempts {
		t.Logf("%-22s %s", name, err)
		if err == "" {
			t.Errorf("a child can %s", name)
		}
	}
	if len(p.Attempts) == 0 || len(p.Environment) > 0 {
		t.Errorf("%d attempts, environment %q", len(p.Attempts), p.Environment)
	}
}

func runProbe(t *testing.T, inherited *os.File) (p probe) {
	t.Helper()
	for at := confineUser; ; {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd := exec.Command("/proc/self/exe", probeArg)
		cmd.Env = []string{"SECRET=secret"}
		cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{w, inherited}, at.attributes()
		cmd.SysProcAttr.Pdeathsig = 0 // the test does not own its thread
		cmd.Stderr = os.Stderr
		err = cmd.Start()
		w.Close()
		if weaker, ok := at.weaker(); err != nil && ok && refusal(err) {
			at = weaker
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("confined by a %s", at)
		if err := json.NewDecoder(r).Decode(&p); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		return p
	}
}

// TestChildrenAreConfined looks at children from outside: the kernel says that each has a filter of system calls, cannot
// gain privileges, and has a network of its own if the pool says so.
func TestChildrenAreConfined(t *testing.T) {
	p := newTestPool(t, Options{})
	if err := p.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := p.Children()
	t.Logf("in force: %s; refused: %q", s.Confinement, s.Refused)
	p.mu.Lock()
	pid := p.mu.live[0].pid()
	p.mu.Unlock()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads %q, %v", threads, err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(s.Refused, "seccomp") && !strings.Contains(string(status), want) {
				t.Errorf("no %q in the status of a child's thread, although the filter was not refused:\n%s", want, status)
			}
		}
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return // it is ours to read only as root: a child is not dumpable
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.Confinement, "network namespace") && ours == theirs {
		t.Errorf("a child is in our network, although the pool says %q", s.Confinement)
	}
}

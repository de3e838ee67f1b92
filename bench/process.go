package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, 100 on every Linux this runs on.
const clockTick = 10 * time.Millisecond

// A process is a running server and whatever it started: a process group of its own.
type process struct {
	cmd    *exec.Cmd
	group  int
	output string
	done   chan struct{} // closed when the process has ended
}

// start runs cmd with its output in the file output and waits until ready answers 2xx.
func start(ctx context.Context, cmd *exec.Cmd, output, ready string) (*process, error) {
	file, err := os.Create(output)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, group: cmd.Process.Pid, output: output, done: make(chan struct{})}
	// Ends when the process does.
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	if err := p.awaitReady(ctx, ready); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *process) awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if answers(ctx, url) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready; it said:\n%s", p.cmd.Path, tail(p.output))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready after a minute; it said:\n%s", p.cmd.Path, tail(p.output))
		case <-ticker.C:
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode < 300
}

// tail gives the last lines of a file.
func tail(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (p *process) pause() error  { return p.signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.group, s); err != nil {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	return nil
}

// stop asks the group to end, and insists after ten seconds.
func (p *process) stop() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	// What the server started may outlive it.
	p.signal(syscall.SIGKILL)
	<-p.done
}

// usage is what a process group has used.
type usage struct {
	cpu time.Duration
	rss int64 // bytes
}

// usage sums over the group's processes, over those the server has started in groups of their own, and over the children
// they have waited for.
func (p *process) usage() (usage, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, err
	}
	var total usage
	found := false
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it ended between the listing and here
		}
		group, parent, u, err := parseStat(string(text))
		if err != nil {
			return usage{}, fmt.Errorf("%s: %w", name, err)
		}
		if group == p.group || parent == p.group {
			found = found || group == p.group
			total.cpu += u.cpu
			total.rss += u.rss
		}
	}
	if !found {
		return usage{}, fmt.Errorf("%s has ended; it said:\n%s", p.cmd.Path, tail(p.output))
	}
	return total, nil
}

func (p *process) cpu() (time.Duration, error) {
	u, err := p.usage()
	return u.cpu, err
}

// parseStat reads one line of /proc/PID/stat (proc_pid_stat(5)); field numbers there count from 1.
func parseStat(line string) (group, parent int, u usage, err error) {
	// The second field is the program's name in parentheses and may hold anything.
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return 0, 0, usage{}, errors.New("no program name")
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 22 {
		return 0, 0, usage{}, errors.New("too few fields")
	}
	number := func(field int) int64 {
		n, parseErr := strconv.ParseInt(fields[field-3], 10, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	const ppid, pgrp, utime, stime, cutime, cstime, rss = 4, 5, 14, 15, 16, 17, 24
	ticks := number(utime) + number(stime) + number(cutime) + number(cstime)
	u = usage{cpu: time.Duration(ticks) * clockTick, rss: number(rss) * int64(os.Getpagesize())}
	return int(number(pgrp)), int(number(ppid)), u, err
}

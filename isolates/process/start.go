package process

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"runlog/isolates"
)

// startChildren starts the children that are ordered, until ctx ends and all have been waited for: the kernel ends them
// with the thread that started them.
func (p *Pool) startChildren(ctx context.Context) {
	runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
	var children sync.WaitGroup
	defer children.Wait()
	for {
		select {
		case <-p.orders:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil && p.nextOrder() {
			c, err := p.start()
			if err != nil {
				p.failStart(err)
				continue
			}
			children.Go(func() { // ends with the process
				_ = c.command.Wait() // what it says is in ProcessState, too
				close(c.gone)
			})
			children.Go(func() { p.host(c) }) // ends with the process
		}
	}
}

// nextOrder takes one order, if there is one.
func (p *Pool) nextOrder() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.ordered == 0 {
		return false
	}
	p.mu.ordered--
	p.mu.starting++
	return true
}

// start starts a process within the strongest confinement that the kernel grants.
func (p *Pool) start() (*child, error) {
	for {
		p.mu.Lock()
		at := p.mu.confinement
		p.mu.Unlock()
		c, err := startChild(p.options.Command, at)
		if err == nil {
			return c, nil
		}
		weaker, ok := at.weaker()
		if !ok || !refusal(err) {
			return nil, fmt.Errorf("start an isolate: %w", err)
		}
		p.options.Logger.Warn("isolates cannot be confined as wanted", "refused", at.String(), "err", err)
		p.mu.Lock()
		p.mu.confinement = weaker
		p.mu.Unlock()
	}
}

// refusal tells what the kernel does not let us ask for from a failure that would hit any process.
func refusal(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSYS, syscall.ENOSPC, syscall.EUSERS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// host is the life of a child: it is greeted, put to work, and buried.
func (p *Pool) host(c *child) {
	in := &inbox{max: frameMax}
	report, err := c.greet(&hello{warm: p.options.Warm, compiled: p.options.Compiled, fresh: p.options.Fresh, apart: p.options.Apart}, in)
	if err != nil {
		c.kill()
		<-c.gone
		c.file.Close()
		p.failStart(fmt.Errorf("start an isolate: %w: %s %s", err, c.command.ProcessState, c.stderr))
		return
	}
	sent := make(chan struct{})
	go func() { // ends with the process
		defer close(sent)
		c.transmit()
	}()
	p.welcome(c, report)
	c.receive(in, (*session).leave, func() { p.bury(c) })
	<-sent
}

// welcome puts a process to work.
func (p *Pool) welcome(c *child, report string) {
	p.spawned.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.starting--
	p.mu.failures = 0
	p.mu.live = append(p.mu.live, c)
	if !p.mu.reported {
		p.options.Logger.Info("isolates run in child processes", "confinement", p.mu.confinement.String(), "refused", report)
	}
	p.mu.reported, p.mu.report = true, report
	if p.mu.closed {
		p.dismissLocked(c)
		return
	}
	p.serveLocked()
	p.orderLocked()
}

// failStart notes that a child did not come up. Those who wait are told once it happens too often in a row.
func (p *Pool) failStart(err error) {
	p.mu.Lock()
	p.mu.starting--
	p.mu.failures++
	failures := p.mu.failures
	var waiting []*claim
	if failures >= startsMax {
		waiting, p.mu.waiting = p.mu.waiting, nil
	}
	p.orderLocked()
	closed := p.mu.closed
	p.mu.Unlock()
	for _, w := range waiting {
		w.given <- given{err: err}
	}
	if !closed {
		p.options.Logger.Error("an isolate did not start", "err", err, "failures", failures)
	}
}

// bury forgets a child whose process has ended, and orders another.
func (p *Pool) bury(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.Index(p.mu.live, c); at >= 0 { // else it was dismissed
		p.mu.live = slices.Delete(p.mu.live, at, at+1)
		p.forgetLocked(c)
		p.died.Add(1)
		p.mu.ended[c.end()]++
	} else {
		p.mu.ended[isolates.EndReplaced]++
	}
	p.orderLocked()
}

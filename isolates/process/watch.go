package process

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// watchInterval is how often running children are looked at, and sizeTurns in how many turns their size is read.
	watchInterval = 20 * time.Millisecond
	sizeTurns     = 5
	// suspectAfter is how long a run may go without a word until it is watched, and occupiedAfter how much time the
	// processor may then give its child until other runs are kept away from it.
	suspectAfter  = 25 * time.Millisecond
	occupiedAfter = 25 * time.Millisecond
)

// A verdict is why a child was killed by us.
type verdict struct {
	timeout bool
	// memory is how much the process took, if that was too much.
	memory uint64
	closed bool
	// offence is a frame it must not send.
	offence error
}

// condemn kills a child for a reason, the first of which counts.
func (p *Pool) condemn(c *child, v verdict) {
	if c.verdict.CompareAndSwap(nil, &v) {
		p.killed.Add(1)
	}
	c.kill()
}

// watchChildren looks at running children until ctx ends, which Close brings about. It rests while none runs.
func (p *Pool) watchChildren(ctx context.Context) {
	timer := time.NewTimer(watchInterval)
	defer timer.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if !p.look(turn%sizeTurns == 0) && !p.rest(ctx) {
			return
		}
		timer.Reset(watchInterval)
	}
}

// rest waits until a run begins; false means that ctx ended.
func (p *Pool) rest(ctx context.Context) bool {
	p.resting.Store(true)
	defer p.resting.Store(false)
	if p.running.Load() > 0 {
		return true
	}
	select {
	case <-p.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// rouse ends the watcher's rest.
func (p *Pool) rouse() {
	if p.resting.Load() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// look kills the children that are over a limit, and notes which are occupied. It reports whether any runs.
func (p *Pool) look(sizes bool) bool {
	now := p.options.Clock.Now().UnixNano()
	p.mu.Lock()
	p.mu.watched = append(p.mu.watched[:0], p.mu.live...)
	p.mu.Unlock()
	for _, c := range p.mu.watched {
		state := c.look(now)
		if state.suspect != nil {
			state.occupied = state.suspect.occupies(c.pid())
		}
		if s := state.overdue; s != nil && s.spent(c.pid(), now) {
			s.expired.Store(true)
			p.condemn(c, verdict{timeout: true})
		}
		p.occupy(c, state.occupied)
		if !sizes || !state.runs {
			continue
		}
		size := residentSize(c.pid())
		c.size.Store(size)
		if size > c.sizeBegin.Load()+p.options.GrowthMax+dataMax(state.heap) {
			p.condemn(c, verdict{memory: size})
		}
	}
	return p.running.Load() > 0
}

// occupy notes whether a child is taken up by a long run. Others wait for one in its place.
func (p *Pool) occupy(c *child, occupied bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.place.occupied == occupied || !slices.Contains(p.mu.live, c) {
		return
	}
	c.place.occupied = occupied
	p.orderLocked()
	if !occupied {
		p.serveLocked()
	}
}

// A look is how a child's runs stand.
type look struct {
	runs, occupied bool
	// overdue is the oldest run whose time is over. Others may wait for it in vain.
	overdue *session
	// suspect is the run that has computed longest, if that is long.
	suspect *session
	// heap is the highest limit among them.
	heap uint64
}

func (c *child) look(now int64) (l look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.mu.sessions {
		l.runs = true
		l.heap = max(l.heap, s.limits.Heap)
		if s.serving.Load() > 0 {
			continue // the child waits for us
		}
		if now > s.deadline.Load()-int64(grace) && (l.overdue == nil || s.number < l.overdue.number) {
			l.overdue = s
		}
		if since := s.computing.Load(); now-since > int64(suspectAfter) && (l.suspect == nil || since < l.suspect.computing.Load()) {
			l.suspect = s
		}
	}
	return l
}

// spent says whether a run that should have ended has had its grace: the time on the clock, and some of the processor's. On a
// busy machine the child may have had no chance to end it.
func (s *session) spent(pid int, now int64) bool {
	used, deadline := processorTime(pid), s.deadline.Load()
	if s.overdue.deadline != deadline {
		s.overdue.deadline, s.overdue.used = deadline, used
	}
	late := time.Duration(now - deadline)
	return late > 0 && (used == 0 || used-s.overdue.used >= graceUsed || late > slackMax)
}

// occupies says whether the run has been using the processor since it was first suspected. A busy machine may have left it
// waiting.
func (s *session) occupies(pid int) bool {
	used := processorTime(pid)
	if since := s.computing.Load(); s.suspected.since != since {
		s.suspected.since, s.suspected.used = since, used
	}
	return used-s.suspected.used >= occupiedAfter
}

// processorTime is what the threads of a process have used; 0 if unknown.
func processorTime(pid int) time.Duration {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / ticksPerSecond)
}

// ticksPerSecond is the unit of /proc: it is the same on all architectures that we know.
const ticksPerSecond = 100

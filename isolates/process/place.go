package process

import (
	"context"
	"fmt"
	"slices"

	"runlog/isolates"
)

// A place is how the pool uses a child.
type place struct {
	// runs is how many are in it, and begun how many have been.
	runs, begun int
	// alone says that its run must share it with no other.
	alone bool
	// occupied says that one of its runs has been computing for long: others are better off elsewhere.
	occupied bool
	// retiring says that it takes no more runs, and ends with the last.
	retiring bool
}

// A claim is a run that waits for a child.
type claim struct {
	alone, nested bool
	// given carries the child or why there is none. It holds one, sent by whoever takes the claim out of the queue.
	given chan given
}

type given struct {
	child *child
	err   error
}

// take gets a child for a run. A nested run finds room in one that is full: others wait for it.
func (p *Pool) take(ctx context.Context, alone, nested bool) (*child, error) {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return nil, isolates.ErrClosed
	}
	if c := p.pickLocked(alone, nested); c != nil {
		p.enterLocked(c, alone)
		p.orderLocked()
		p.mu.Unlock()
		return c, nil
	}
	w := &claim{alone: alone, nested: nested, given: make(chan given, 1)}
	p.mu.waiting = append(p.mu.waiting, w)
	p.orderLocked()
	p.mu.Unlock()
	select {
	case g := <-w.given:
		return g.child, g.err
	case <-ctx.Done():
		p.withdraw(w)
		return nil, fmt.Errorf("%w: %w", isolates.ErrBusy, ctx.Err())
	}
}

// withdraw takes a claim back, or the child that it was given meanwhile.
func (p *Pool) withdraw(w *claim) {
	p.mu.Lock()
	at := slices.Index(p.mu.waiting, w)
	if at >= 0 {
		p.mu.waiting = slices.Delete(p.mu.waiting, at, at+1)
	}
	p.mu.Unlock()
	if at >= 0 {
		return
	}
	if g := <-w.given; g.child != nil {
		p.leave(g.child)
	}
}

func (p *Pool) enterLocked(c *child, alone bool) {
	c.place.runs++
	c.place.begun++
	c.place.alone = alone
}

// open says whether a child takes further runs.
func (c *child) open() bool {
	return !c.place.alone && !c.place.retiring && c.verdict.Load() == nil
}

// pickLocked chooses a child, nil if none has room. The oldest run scripts, the others stand by; of those the one with
// the fewest runs is taken, and one that is occupied only if there is no other.
func (p *Pool) pickLocked(alone, nested bool) *child {
	if alone {
		return p.emptyLocked()
	}
	var best, occupied *child
	working := 0
	for _, c := range p.mu.live {
		switch {
		case !c.open():
		case c.place.occupied:
			if occupied == nil || c.place.runs < occupied.place.runs {
				occupied = c
			}
		case working < p.options.Children:
			working++
			if best == nil || c.place.runs < best.place.runs {
				best = c
			}
		}
	}
	for _, c := range []*child{best, occupied} {
		if c != nil && (nested || c.place.runs < p.options.Share) {
			return c
		}
	}
	return nil
}

// emptyLocked is the newest child without runs.
func (p *Pool) emptyLocked() *child {
	for _, c := range slices.Backward(p.mu.live) {
		if c.open() && c.place.runs == 0 {
			return c
		}
	}
	return nil
}

// leave says that a run in c has ended. It may be the last of a child that is no longer wanted.
func (p *Pool) leave(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.place.runs--
	if c.place.runs == 0 {
		c.place.alone, c.place.occupied = false, false
	}
	if !slices.Contains(p.mu.live, c) {
		return
	}
	if !c.place.retiring && (c.place.begun >= p.options.RunsMax || c.size.Load() > c.sizeBegin.Load()+p.options.GrowthMax) {
		c.place.retiring = true
		p.replaced.Add(1)
		p.orderLocked()
	}
	p.serveLocked()
	if c.place.runs == 0 && (c.place.retiring || p.mu.closed || p.surplusLocked()) {
		p.dismissLocked(c)
	}
}

// serveLocked gives children to the claims that can be served, oldest first.
func (p *Pool) serveLocked() {
	for at := 0; at < len(p.mu.waiting); {
		w := p.mu.waiting[at]
		c := p.pickLocked(w.alone, w.nested)
		if c == nil {
			at++
			continue
		}
		p.enterLocked(c, w.alone)
		p.mu.waiting = slices.Delete(p.mu.waiting, at, at+1)
		w.given <- given{child: c}
	}
}

// surplusLocked says whether there is an empty child more than shall stand by.
func (p *Pool) surplusLocked() bool {
	useful, empty := p.countLocked()
	if p.options.Apart {
		return empty > p.options.Prepared+1
	}
	return useful > p.options.Children+p.options.Prepared
}

// countLocked counts the children that take runs and are not occupied, and those of them that have none.
func (p *Pool) countLocked() (useful, empty int) {
	for _, c := range p.mu.live {
		if !c.open() || c.place.occupied {
			continue
		}
		useful++
		if c.place.runs == 0 {
			empty++
		}
	}
	return useful, empty
}

// dismissLocked lets a child go that runs nothing.
func (p *Pool) dismissLocked(c *child) {
	if at := slices.Index(p.mu.live, c); at >= 0 {
		p.mu.live = slices.Delete(p.mu.live, at, at+1)
		p.forgetLocked(c)
		c.dismiss()
	}
}

// orderLocked orders as many children as are wanted and not coming: those that run scripts, those that stand by, and
// those that runs wait for which share with nobody.
func (p *Pool) orderLocked() {
	if p.mu.closed || p.mu.failures >= startsMax && len(p.mu.waiting) == 0 {
		return
	}
	useful, empty := p.countLocked()
	alone, most := 0, p.options.ChildrenMax
	for _, w := range p.mu.waiting {
		if w.alone {
			alone++
		}
		if w.alone && w.nested {
			most++ // its caller holds a child and would wait for it in vain
		}
	}
	want := p.options.Children + p.options.Prepared - useful + alone
	if p.options.Apart {
		want = min(want, p.options.Prepared-empty+len(p.mu.waiting))
	}
	coming := p.mu.ordered + p.mu.starting
	want = min(want, most-len(p.mu.live)) - coming
	if want <= 0 {
		p.makeRoomLocked(alone)
		return
	}
	p.mu.ordered += want
	select {
	case p.orders <- struct{}{}:
	default:
	}
}

// makeRoomLocked empties a child for a run that shares with nobody, when no more may be started.
func (p *Pool) makeRoomLocked(alone int) {
	if alone == 0 || p.mu.ordered+p.mu.starting > 0 || len(p.mu.live) < p.options.ChildrenMax {
		return
	}
	var best *child
	for _, c := range p.mu.live {
		if c.place.retiring {
			return // another will come in its place
		}
		if c.open() && (best == nil || c.place.runs < best.place.runs) {
			best = c
		}
	}
	if best != nil {
		best.place.retiring = true
	}
}

package commit

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
)

// write is the writer.
func (c *Committer) write() {
	defer close(c.syncs)
	defer close(c.stopped)
	expire := time.NewTicker(c.opts.ExpireEvery)
	defer expire.Stop()
	for c.ctx.Err() == nil {
		select {
		case s := <-c.queue:
			c.writeGroup(s)
		case t := <-c.turns:
			c.writeTurn(t)
		case b := <-c.batches:
			c.indexes.ApplyBatch(b)
		case <-expire.C:
			c.indexes.Expire(log.Timestamp(c.opts.Clock.Now().UnixNano()))
		case <-c.ctx.Done():
		}
	}
}

// eagerAfterRefusal is how many groups after one with conflicts are made without gathering.
const eagerAfterRefusal = 64

// gather lets every goroutine that can run do so before a group is made, so that what they submit shares its batch, its
// snapshot and its sync. A submission wakes the writer at once, and the groups would hold hardly more than that one
// otherwise. It costs nothing where nobody else wants to run.
//
// Those that run meanwhile read a snapshot which the group will make old. Where they want the same documents they run in
// vain, so the writer does not gather while commits conflict.
func (c *Committer) gather() {
	if c.eager > 0 {
		c.eager--
		return
	}
	runtime.Gosched()
}

// writeGroup commits first and what is queued behind it.
func (c *Committer) writeGroup(first *submission) {
	c.gather()
	g := &group{begun: c.opts.Clock.Now(), done: make(chan struct{})}
	now := log.Timestamp(max(0, g.begun.UnixNano()))
	c.admit(g, first, now)
	for len(g.entries) < c.opts.BatchMax && !g.catalogChanged {
		select {
		case s := <-c.queue:
			c.admit(g, s, now)
			continue
		default:
		}
		break
	}
	if g.refused > 0 {
		c.eager = eagerAfterRefusal
	}
	if len(g.entries) > 0 {
		c.append(g)
	}
}

// admit validates a submission and gives it the next place in the log, or refuses it.
func (c *Committer) admit(g *group, s *submission, now log.Timestamp) {
	if !s.take() {
		return
	}
	if err := c.place(g, s, now); err != nil {
		g.refused++
		s.err = err
		close(s.done)
		if conflict := (*ConflictError)(nil); errors.As(err, &conflict) {
			c.opts.EventListener.Conflict(conflict)
		}
	}
}

func (c *Committer) place(g *group, s *submission, now log.Timestamp) error {
	if err := c.validate(s.req); err != nil {
		return err
	}
	s.stamp(c.offset+1, max(now, c.ts+1))
	catalog, changed := c.indexes.Catalog(), c.indexes.CatalogTimestamp()
	if err := c.indexes.Apply(s.entry); err != nil {
		if stale, ok := isStale(err); ok {
			return c.staleWrite(s.req, stale)
		}
		return fmt.Errorf("commit %s: %w", s.req.Call.Function, err)
	}
	c.offset, c.ts = s.entry.Offset, s.entry.Timestamp
	g.catalogChanged = g.catalogChanged || c.indexes.Catalog() != catalog
	if c.indexes.CatalogTimestamp() != changed {
		c.noteCatalogChange(s.entry)
	}
	g.entries = append(g.entries, s.entry)
	g.members = append(g.members, s)
	g.blobs = append(g.blobs, s.req.Blobs...)
	g.writes += len(s.entry.Writes)
	s.commit = Commit{Offset: c.offset, Timestamp: c.ts, group: g}
	return nil
}

// validate refuses a request if an entry since its snapshot touches what it read.
func (c *Committer) validate(req *Request) error {
	if req.Snapshot > c.ts {
		return fmt.Errorf("commit %s: its snapshot %d is later than the last commit %d", req.Call.Function, req.Snapshot, c.ts)
	}
	if req.Snapshot == c.ts {
		return nil
	}
	if req.Snapshot < c.catalogChange.Timestamp && (len(req.Writes) > 0 || req.Reads != nil) {
		conflict := c.catalogChange
		conflict.Loser = req.Call.Function
		return &conflict
	}
	if req.Reads == nil {
		return nil
	}
	if touch, hit := c.indexes.Window().Conflict(req.Reads, req.Snapshot); hit {
		return c.conflict(req, touch)
	}
	return nil
}

func (c *Committer) conflict(req *Request, t index.Touch) *ConflictError {
	e := &ConflictError{
		Table: t.Table, Index: t.Index, ID: t.ID, Timestamp: t.Timestamp, Offset: t.Offset, Function: t.Function,
		Loser: req.Call.Function, touch: t, names: c.indexes.Catalog(),
	}
	e.TableName, e.IndexName = tableAndIndex(c.indexes.Catalog(), t)
	return e
}

// staleWrite is the conflict of a write whose document changed without the read set saying that it was read.
func (c *Committer) staleWrite(req *Request, stale *index.StaleWriteError) error {
	reads := index.NewReadSet()
	reads.AddPoint(stale.ID)
	if touch, hit := c.indexes.Window().Conflict(reads, req.Snapshot); hit {
		return c.conflict(req, touch)
	}
	return fmt.Errorf("commit %s: %w", req.Call.Function, stale)
}

func (c *Committer) noteCatalogChange(e *log.Entry) {
	c.catalogChange = ConflictError{Timestamp: e.Timestamp, Offset: e.Offset, Function: e.Call.Function, Catalog: true, Index: schema.ByID}
	for i := range e.Writes {
		if id := e.Writes[i].ID; schema.AffectsCatalog(id.Table) {
			c.catalogChange.ID, c.catalogChange.Table = id, id.Table
			c.catalogChange.TableName, c.catalogChange.IndexName = tableAndIndex(c.indexes.Catalog(), index.Touch{Table: id.Table, Index: schema.ByID})
			return
		}
	}
}

func tableAndIndex(catalog *schema.Catalog, t index.Touch) (table, ix string) {
	table, _ = catalog.TableName(t.Table)
	if def, ok := catalog.IndexByID(t.Table, t.Index); ok {
		ix = def.Name
	}
	return table, ix
}

// append writes a group to the log and lets everyone see it applied. The order matters: who reads the new snapshot may
// ask the log for what it holds.
func (c *Committer) append(g *group) {
	begun := c.opts.Clock.Now()
	sync, err := c.opts.Log.Append(g.entries, g.blobs...)
	if err != nil {
		c.failGroup(g, fmt.Errorf("append offsets %d to %d: %w", g.entries[0].Offset, c.offset, err))
		return
	}
	g.sync, g.appended = sync, c.opts.Clock.Now()
	g.snapshot = c.indexes.Publish()
	members := g.members
	g.members = nil
	for _, s := range members {
		close(s.done)
	}
	if g.catalogChanged {
		c.startBackfills()
	}
	info := GroupInfo{
		First: g.entries[0].Offset, Last: c.offset, Timestamp: c.ts, Writes: g.writes, Refused: g.refused,
		Queued: c.Queued(), Elapsed: g.appended.Sub(g.begun), Append: g.appended.Sub(begun),
	}
	c.syncs <- g // the syncer always makes room
	c.opts.EventListener.Group(info)
}

// failGroup ends the writer: the indexes are ahead of the log, and the log may or may not have the group.
func (c *Committer) failGroup(g *group, err error) {
	c.fail(err)
	for _, s := range g.members {
		s.err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		close(s.done)
	}
}

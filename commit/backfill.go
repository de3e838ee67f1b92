package commit

import (
	"context"

	"runlog/index"
	"runlog/log"
)

// startBackfills starts filling the indexes that were just added. Called by the writer, and by Open before it runs.
func (c *Committer) startBackfills() {
	for _, b := range c.indexes.Backfills() {
		c.wg.Go(func() { c.backfill(b) }) // ends when the index is ready, or Close cancels ctx
	}
}

// backfill fills one index and calls it ready.
func (c *Committer) backfill(b *index.Backfill) {
	select {
	case c.backfilling <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	defer func() { <-c.backfilling }()
	begun := c.opts.Clock.Now()
	info := BackfillInfo{Table: b.Index().Table, Index: b.Index()}
	info.Err = b.Scan(c.ctx, func(batch index.Batch) error {
		info.Keys += batch.Len()
		select {
		case c.batches <- batch:
			return nil
		case <-c.ctx.Done():
			return ErrStopped
		}
	})
	if info.Err == nil {
		info.Err = c.callReady(b)
	}
	if c.ctx.Err() != nil {
		return // the next Open goes on
	}
	info.Elapsed = c.opts.Clock.Now().Sub(begun)
	c.opts.EventListener.Backfill(info)
}

// callReady commits the write that lets queries use the index. It waits its turn, so it neither loses nor retries.
func (c *Committer) callReady(b *index.Backfill) error {
	commit, err := c.Turn(c.ctx, func(_ context.Context, head *index.Snapshot) (*Request, error) {
		write, needed, err := b.ReadyWrite(head)
		if err != nil || !needed {
			return nil, err
		}
		reads := index.NewReadSet()
		reads.AddPoint(write.ID)
		return &Request{
			Snapshot: head.Timestamp(), Reads: reads, Writes: []log.Write{write},
			Call: log.Call{Kind: log.System, Function: "_system/index_ready", Now: c.opts.Clock.Now().UnixMilli(), Attempts: 1},
		}, nil
	})
	if err != nil || commit == nil {
		return err
	}
	return commit.Wait(c.ctx)
}

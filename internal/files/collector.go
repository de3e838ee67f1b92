// Package files collects what deleted files leave behind: contents that no document refers to, and upload URLs that have
// expired.
//
// Invariant: a content is deleted only if no file in the visible snapshot has it. A deletion that is not durable yet does not
// count, since a crash would undo it; a file that is not visible yet holds its content (package blob).
//
// One goroutine, started by Open and ended by Close, collects when the server starts, which cleans up after a crash, and
// again a while after files were deleted.
package files

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"runlog/commit"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/blob"
	"runlog/internal/clock"
	"runlog/schema"
	"runlog/value"
)

// Options configure a Collector.
type Options struct {
	// Runner, Committer and Blobs are the database's. Required.
	Runner    *exec.Runner
	Committer *commit.Committer
	Blobs     *blob.Blobs
	// Clock defaults to the system's.
	Clock clock.Clock
	// Pause is the time between two collections, in which deleted files gather. Default 1 min.
	Pause  time.Duration
	Logger *slog.Logger
}

// A Collector deletes what is not in use any more.
type Collector struct {
	options Options
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// Open starts a collector.
func Open(o Options) (*Collector, error) {
	if o.Runner == nil || o.Committer == nil || o.Blobs == nil {
		return nil, errors.New("files: Options.Runner, Options.Committer and Options.Blobs are required")
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Pause == 0 {
		o.Pause = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Collector{options: o, cancel: cancel}
	c.wg.Go(func() { c.loop(ctx) }) // ends when Close cancels ctx
	return c, nil
}

// Close stops the collector.
func (c *Collector) Close() error {
	c.cancel()
	c.wg.Wait()
	return nil
}

// loop collects, and waits until there may be something to collect again.
func (c *Collector) loop(ctx context.Context) {
	pause := time.NewTimer(c.options.Pause)
	defer pause.Stop()
	for {
		seen := c.options.Committer.Visible()
		if err := c.collect(ctx); err != nil && ctx.Err() == nil {
			c.options.Logger.Error("files: collect what is not in use", "err", err)
		}
		pause.Reset(c.options.Pause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		if !c.awaitChange(ctx, seen) {
			return
		}
	}
}

// awaitChange waits until files or uploads have changed since a snapshot; false if ctx has ended.
func (c *Collector) awaitChange(ctx context.Context, seen *index.Snapshot) bool {
	for {
		now := c.options.Committer.Visible()
		if !now.SameKeys(seen, schema.StorageTable) || !now.SameKeys(seen, schema.UploadsTable) {
			return true
		}
		if c.options.Committer.WaitVisible(ctx, now.Timestamp()+1) != nil {
			return false
		}
	}
}

func (c *Collector) collect(ctx context.Context) error {
	if err := c.forgetUploads(ctx); err != nil {
		return err
	}
	_, err := c.options.Blobs.Collect(ctx, c.inUse)
	return err
}

// inUse says whether a file that is there durably has a content.
func (c *Collector) inUse(h blob.Hash) (bool, error) {
	it := c.options.Committer.Visible().Scan(schema.StorageTable, schema.DigestIndex, index.Prefix(schema.FileKey(h)), false)
	return it.Next(), it.Err()
}

// forgetUploads deletes the upload URLs that have expired.
func (c *Collector) forgetUploads(ctx context.Context) error {
	now := float64(c.options.Clock.Now().UnixMilli())
	expired := index.Interval{Hi: value.AppendKey(nil, value.OfFloat64(now))}
	if !c.options.Committer.Visible().Scan(schema.UploadsTable, schema.ExpiryIndex, expired, false).Next() {
		return nil
	}
	call := exec.SystemCall{Verb: "_system/forgetUploads", Args: value.OfObject([]value.Field{{Name: "until", Value: value.OfFloat64(now)}})}
	_, err := c.options.Runner.System(ctx, call, func(t *exec.SystemTransaction) error {
		var writes []schema.SystemWrite
		it := t.Snapshot().Scan(schema.UploadsTable, schema.ExpiryIndex, expired, false)
		for it.Next() {
			writes = append(writes, schema.SystemWrite{ID: it.ID()})
		}
		if err := it.Err(); err != nil {
			return err
		}
		return t.Write(writes...)
	})
	return err
}

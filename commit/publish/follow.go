package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"runlog/feed"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
)

const (
	// loadsAhead is how many batches are made while one is under way: with these, a Publisher holds at most three.
	loadsAhead = 1
	// noteInterval is how often the note is written while batches are acknowledged.
	noteInterval = time.Second
)

// follow publishes what the plan says and everything after it, until something goes wrong. One goroutine reads the log and makes
// batches, the other one sends them; both end before it returns.
func (s *session) follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// The reader sends and closes; when it is full the reader waits for the broker, and the log for neither.
	loads := make(chan *load, loadsAhead)
	group.Go(func() error {
		defer close(loads)
		return s.makeLoads(ctx, loads)
	})
	group.Go(func() error { return s.sendLoads(ctx, loads) })
	return group.Wait()
}

func (s *session) sendLoads(ctx context.Context, loads <-chan *load) error {
	notes := time.NewTicker(noteInterval)
	defer notes.Stop()
	for {
		select {
		case l, ok := <-loads:
			if !ok {
				return nil
			}
			if err := s.send(ctx, &l.batch); err != nil {
				return err
			}
			s.p.acknowledged(l, s.end)
		case <-notes.C:
			s.p.noteError(s.p.writeCursor())
		}
	}
}

func (s *session) makeLoads(ctx context.Context, loads chan<- *load) error {
	k := &packer{limit: s.topic.limit, key: []byte(s.p.logID), full: func(l *load) error {
		select {
		case loads <- l:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	if s.plan.snapshot.seq > 0 {
		if err := s.snapshot(ctx, k); err != nil {
			return err
		}
	}
	catalog, err := s.catalogBefore(s.plan.next)
	if err != nil {
		return err
	}
	v := newEnvelope(s.p.o.Log, catalog)
	for e, err := range s.p.o.Log.Tail(ctx, s.plan.next) {
		if err != nil {
			return tailError(ctx, err)
		}
		if err := s.pack(k, v, e); err != nil {
			return err
		}
		if e.Offset >= s.p.o.Log.Durable().Offset {
			if err := k.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tailError tells the end of the log from an end of ours.
func tailError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, log.ErrClosed) {
		return fmt.Errorf("the log was closed before its publisher: %w", err)
	}
	return err
}

// catalogBefore returns the tables as of the commit before one.
func (s *session) catalogBefore(next log.Offset) (*schema.Catalog, error) {
	if next <= 1 {
		return index.CatalogAt(s.p.o.Log, 0)
	}
	e, err := s.p.o.Log.Read(next - 1)
	if err != nil {
		return nil, err
	}
	return index.CatalogAt(s.p.o.Log, e.Timestamp)
}

// pack makes the records of an entry.
func (s *session) pack(k *packer, v *envelope, e *log.Entry) error {
	text, err := v.commit(e)
	if err != nil {
		return err
	}
	sum := sumText(e.Sum)
	headers := append(s.headers(feed.TypeCommit), position(e.Offset, e.Timestamp)...)
	headers = append(headers, header(feed.HeaderFunction, e.Call.Function), header(feed.HeaderSum, sum))
	return k.add(e.Timestamp.Time().UnixMilli(), text, headers, func(l *load) {
		l.commits++
		l.last, l.sum, l.ts = e.Offset, sum, e.Timestamp
	})
}

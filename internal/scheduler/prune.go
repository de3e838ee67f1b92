package scheduler

import (
	"context"
	"time"

	"runlog/exec"
	"runlog/index"
	"runlog/schema"
	"runlog/value"
)

const (
	// pruneEvery is how often ended jobs are looked for that are to be forgotten, and pruneBatch how many go at once.
	pruneEvery = time.Hour
	pruneBatch = 1000
)

// prune forgets jobs that ended long ago.
func (s *Scheduler) prune(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		again, err := s.pruneSome(ctx)
		if err != nil && ctx.Err() == nil {
			s.options.Logger.Error("scheduler: forget old jobs", "err", err)
		}
		if again {
			timer.Reset(0)
		} else {
			timer.Reset(pruneEvery)
		}
	}
}

// pruneSome forgets up to pruneBatch jobs and says whether there may be more.
func (s *Scheduler) pruneSome(ctx context.Context) (more bool, err error) {
	until := float64(s.options.Clock.Now().Add(-s.options.Keep).UnixMilli())
	// Jobs that did not end have no such time: their keys come before all numbers.
	old := index.Interval{Lo: value.AppendKey(nil, value.OfFloat64(0)), Hi: value.AppendKey(nil, value.OfFloat64(until))}
	if !s.options.Committer.Visible().Scan(schema.ScheduledTable, schema.CompletedIndex, old, false).Next() {
		return false, nil
	}
	call := exec.SystemCall{Verb: "_system/forgetJobs", Args: value.OfObject([]value.Field{{Name: "until", Value: value.OfFloat64(until)}})}
	_, err = s.options.Runner.System(ctx, call, func(t *exec.SystemTransaction) error {
		var writes []schema.SystemWrite
		it := t.Snapshot().Scan(schema.ScheduledTable, schema.CompletedIndex, old, false)
		for len(writes) < pruneBatch && it.Next() {
			writes = append(writes, schema.SystemWrite{ID: it.ID()})
		}
		more = len(writes) == pruneBatch
		if err := it.Err(); err != nil {
			return err
		}
		return t.Write(writes...)
	})
	return more && err == nil, err
}

package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"runlog/commit"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/clock"
	"runlog/schema"
	"runlog/value"
)

// Options configure a Scheduler.
type Options struct {
	// Runner runs jobs, Committer says what there is. Required.
	Runner    *exec.Runner
	Committer *commit.Committer
	// Clock defaults to the system's. Only a clock that moves by itself wakes the scheduler.
	Clock clock.Clock
	// Parallel bounds the jobs under way, and apart from them the crons. Default 8.
	Parallel int
	// Keep is how long a job is remembered after it has ended. Default 7 days.
	Keep   time.Duration
	Logger *slog.Logger
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports what is missing or wrong.
func (o *Options) Validate() error {
	var errs []error
	if o.Runner == nil || o.Committer == nil {
		errs = append(errs, errors.New("scheduler: Options.Runner and Options.Committer are required"))
	}
	if o.Parallel < 0 || o.Keep < 0 {
		errs = append(errs, errors.New("scheduler: Options.Parallel and Options.Keep must be positive"))
	}
	return errors.Join(errs...)
}

// A Scheduler runs jobs when they are due.
type Scheduler struct {
	options Options
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	// changed carries the watcher's news that a table of jobs has changed; one unread piece is enough.
	changed chan struct{}
	// ended carries the end of each run to the loop. The loop reads while runs are under way, and waits for all of them
	// before it ends.
	ended chan end

	// lanes belong to the loop.
	lanes []*lane
}

// A lane is a table of jobs with places of its own.
type lane struct {
	table value.TableNumber
	// due reads when a job is due, in milliseconds.
	due     func(value.ID, value.Encoded) (float64, error)
	running map[value.ID]bool
	// retry are the jobs that came to nothing and are to be tried again.
	retry map[value.ID]*backoff
}

func newLane(table value.TableNumber, due func(value.ID, value.Encoded) (float64, error)) *lane {
	return &lane{table: table, due: due, running: map[value.ID]bool{}, retry: map[value.ID]*backoff{}}
}

// An end is a run that is over; err says that its job is to be tried again.
type end struct {
	lane *lane
	id   value.ID
	err  error
}

// Open starts a scheduler. Jobs that a process before began and did not end come first: they fail.
func Open(o Options) (*Scheduler, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Scheduler{
		options: o, cancel: cancel, changed: make(chan struct{}, 1), ended: make(chan end),
		lanes: []*lane{newLane(schema.CronsTable, cronDue), newLane(schema.ScheduledTable, jobDue)},
	}
	s.wg.Go(func() { s.loop(ctx) })  // ends when Close cancels ctx and the runs under way are over
	s.wg.Go(func() { s.watch(ctx) }) // ends when Close cancels ctx
	s.wg.Go(func() { s.prune(ctx) }) // ends when Close cancels ctx
	return s, nil
}

// Close stops taking jobs and cuts off those under way: a mutation stays to be run, an action fails.
func (s *Scheduler) Close() error {
	s.cancel()
	s.wg.Wait()
	return nil
}

func jobDue(id value.ID, body value.Encoded) (float64, error) {
	job, err := schema.ReadJob(id, body)
	if err != nil {
		return 0, err
	}
	return job.Scheduled, nil
}

func cronDue(id value.ID, body value.Encoded) (float64, error) {
	cron, err := schema.ReadCron(id, body)
	if err != nil {
		return 0, err
	}
	return cron.Next, nil
}

// watch wakes the loop when a table of jobs has changed.
func (s *Scheduler) watch(ctx context.Context) {
	seen := s.options.Committer.Visible()
	for s.options.Committer.WaitVisible(ctx, seen.Timestamp()+1) == nil {
		now := s.options.Committer.Visible()
		if !now.SameKeys(seen, schema.ScheduledTable) || !now.SameKeys(seen, schema.CronsTable) {
			s.wake()
		}
		seen = now
	}
}

func (s *Scheduler) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// loop starts due jobs and waits for the next thing to happen.
func (s *Scheduler) loop(ctx context.Context) {
	defer s.drain()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, ok := s.startAll(ctx); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case e := <-s.ended:
			s.settle(e)
		case <-timer.C:
		case <-s.changed:
		case <-ctx.Done():
			return
		}
	}
}

// drain waits for the runs under way.
func (s *Scheduler) drain() {
	for _, l := range s.lanes {
		for len(l.running) > 0 {
			s.settle(<-s.ended)
		}
	}
}

// startAll starts what is due, as far as there are places, and returns how long until the next job is due; false if none
// will be, or if places are what is missing.
func (s *Scheduler) startAll(ctx context.Context) (wait time.Duration, ok bool) {
	snapshot, now := s.options.Committer.Visible(), s.options.Clock.Now()
	var next time.Time
	for _, l := range s.lanes {
		at, err := s.startLane(ctx, l, snapshot, now)
		if err != nil {
			// What there is to run is not known. Look again in a while.
			s.options.Logger.Error("scheduler: read jobs", "err", err)
			at = now.Add(backoffMin)
		}
		next = earlier(next, at)
	}
	return next.Sub(now), !next.IsZero()
}

// startLane starts the due jobs of a lane. A job that is in progress and not under way was begun by a process that ended, or
// its end could not be recorded.
func (s *Scheduler) startLane(ctx context.Context, l *lane, snapshot *index.Snapshot, now time.Time) (next time.Time, _ error) {
	for _, state := range []schema.JobState{schema.JobInProgress, schema.JobPending} {
		at, full, err := s.start(ctx, l, snapshot, state, now)
		if err != nil || full {
			return time.Time{}, err
		}
		next = earlier(next, at)
	}
	l.forget(now)
	return next, nil
}

// start starts the due jobs in a state, and returns when the first that is not due yet will be; full says that it stopped
// for want of a place.
func (s *Scheduler) start(ctx context.Context, l *lane, snapshot *index.Snapshot, state schema.JobState, now time.Time) (next time.Time, full bool, _ error) {
	it := snapshot.Scan(l.table, schema.DueIndex, index.Prefix(schema.DueKey(state)), false)
	for it.Next() {
		id := it.ID()
		if l.running[id] {
			continue
		}
		if len(l.running) >= s.options.Parallel {
			return next, true, nil
		}
		if b := l.retry[id]; b != nil && b.at.After(now) {
			next = earlier(next, b.at)
			continue
		}
		at, err := l.dueAt(it)
		if err != nil {
			return next, false, err
		}
		if at.After(now) && state == schema.JobPending {
			return earlier(next, at), false, nil
		}
		l.running[id] = true
		go func() { s.ended <- end{l, id, s.options.Runner.RunJob(ctx, id)} }() // ends with the run; drain waits for it
	}
	return next, false, it.Err()
}

// dueAt is when the job at it is due, rounded up, so that it is due when a timer fires.
func (l *lane) dueAt(it *index.Iterator) (time.Time, error) {
	doc, err := it.Doc()
	if err != nil {
		return time.Time{}, err
	}
	ms, err := l.due(doc.ID, doc.Body)
	return time.UnixMilli(int64(math.Ceil(ms))), err
}

// forget drops the retries of jobs that are not there any more: every job that is due was started just now.
func (l *lane) forget(now time.Time) {
	for id, b := range l.retry {
		if !l.running[id] && !b.at.After(now) {
			delete(l.retry, id)
		}
	}
}

// earlier is the earlier of two times; the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// settle notes that a run is over.
func (s *Scheduler) settle(e end) {
	delete(e.lane.running, e.id)
	if e.err == nil {
		delete(e.lane.retry, e.id)
		return
	}
	b := e.lane.retry[e.id]
	if b == nil {
		b = &backoff{}
		e.lane.retry[e.id] = b
	}
	b.failed(s.options.Clock.Now(), e.err)
	if !errors.Is(e.err, context.Canceled) {
		s.options.Logger.Warn("scheduler: a job will be tried again", "job", exec.JobParent(e.id), "at", b.at, "err", e.err)
	}
}

package publish

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"runlog/internal/rng"
	"runlog/log"
)

// A State is how a Publisher fares.
type State string

const (
	// StateConnecting is before the topic was opened, and while it is being opened again.
	StateConnecting State = "connecting"
	// StatePublishing is the good one.
	StatePublishing State = "publishing"
	// StateRetrying is when the brokers cannot be reached or fail; the Publisher tries again by itself.
	StateRetrying State = "retrying"
	// StateBlocked is when somebody has to decide or to repair; the Publisher looks now and then whether that was done.
	StateBlocked State = "blocked"
	// StateFenced is when another process has taken over. It is final.
	StateFenced State = "fenced"
	// StateStopped is after Close, or when the log cannot be read.
	StateStopped State = "stopped"
)

// Status is how a Publisher fares and how far it has come.
type Status struct {
	State State `json:"state"`
	// Reason says in words why the state is not a good one.
	Reason string `json:"reason,omitempty"`
	Topic  string `json:"topic"`
	// Published is the last commit that the brokers acknowledged, as far as known; Durable the last one of the log.
	Published log.Offset `json:"published"`
	Durable   log.Offset `json:"durable"`
	// Lag is how many commits are not published yet, and LagSeconds how old the first of them is.
	Lag        log.Offset `json:"lag"`
	LagSeconds float64    `json:"lagSeconds"`
	// Opened counts how often the topic was opened, Lost the commits that the brokers had acknowledged and then did not have.
	Opened int        `json:"opened"`
	Lost   log.Offset `json:"lost"`
	// Epoch is that of the producer.
	Epoch int16 `json:"epoch"`
}

// A Publisher copies a log to a topic. Its methods may be called from any goroutine.
type Publisher struct {
	o     Options
	logID string
	// owner names this process in barriers.
	owner string

	stop context.CancelFunc
	done sync.WaitGroup

	mu struct {
		sync.Mutex
		status  Status
		cluster string
		// cursor is the note as it is to be written; written is what the file says.
		cursor, written cursor
		// sure says that status.Published is what the topic holds, and not only what was noted.
		sure bool
	}
}

// Open starts a Publisher. It does not wait for the brokers: whether they can be reached, Status says.
func Open(o Options) (*Publisher, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	id := o.Log.ID()
	var owner [8]byte
	if _, err := rng.NewStream(rng.NewSeed()).Read(owner[:]); err != nil {
		return nil, err
	}
	p := &Publisher{o: o, logID: hex.EncodeToString(id[:]), owner: hex.EncodeToString(owner[:])}
	notes, err := readCursors(o.CursorFile)
	if err != nil {
		return nil, err
	}
	p.mu.status = Status{State: StateConnecting, Topic: o.Topic, Published: notes.furthest(o.Topic)}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.done.Go(func() { p.run(ctx) }) // ended by Close, or by a newer publisher
	return p, nil
}

// Close ends the Publisher. What is under way may have been published or not: the next Open finds out.
func (p *Publisher) Close() error {
	p.stop()
	p.done.Wait()
	return p.writeCursor()
}

// Status returns how the Publisher fares.
func (p *Publisher) Status() Status {
	p.mu.Lock()
	s := p.mu.status
	p.mu.Unlock()
	s.Durable = p.o.Log.Durable().Offset
	if s.Durable <= s.Published {
		return s
	}
	s.Lag = s.Durable - s.Published
	if e, err := p.o.Log.Read(s.Published + 1); err == nil {
		s.LagSeconds = max(0, p.o.Clock.Now().Sub(e.Timestamp.Time()).Seconds())
	}
	return s
}

// Needed returns the first commit that is not published yet: the log keeps it and all after it.
func (p *Publisher) Needed() log.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.sure {
		return 1
	}
	return p.mu.status.Published + 1
}

// run opens the topic and follows the log, again and again.
func (p *Publisher) run(ctx context.Context) {
	wait, opened := p.o.RetryMin, false
	for {
		s, err := p.open(ctx, opened)
		if err == nil {
			opened, wait = true, p.o.RetryMin
			p.opened(s)
			err = s.follow(ctx)
			s.client.close()
		}
		if ctx.Err() != nil {
			p.setState(StateStopped, "")
			return
		}
		pause := wait
		switch {
		case errors.Is(err, errFenced):
			p.setState(StateFenced, err.Error())
			return
		case isBlocked(err):
			p.setState(StateBlocked, err.Error())
			pause = p.o.BlockedRetry
		case errors.Is(err, errReopen):
			p.setState(StateRetrying, err.Error())
			wait = min(2*wait, p.o.RetryMax)
		default:
			p.setState(StateStopped, fmt.Sprintf("the log cannot be read: %v", err))
			return
		}
		sleep(ctx, pause)
	}
}

func isBlocked(err error) bool {
	var b *BlockedError
	return errors.As(err, &b)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (p *Publisher) opened(s *session) {
	p.mu.Lock()
	st := &p.mu.status
	st.Opened++
	p.mu.sure = true
	st.Lost += s.plan.lost
	st.Epoch = s.producer.epoch
	st.Published = s.plan.next - 1
	if s.plan.snapshot.seq > 0 {
		st.Published = 0 // the snapshot comes first, and stands for all before it
	}
	p.mu.Unlock()
	if s.plan.lost > 0 {
		p.o.Logger.Warn("kafka: the broker has lost commits that it had acknowledged; they are published again",
			"topic", p.o.Topic, "from", s.plan.next, "count", s.plan.lost)
	}
	p.setState(StatePublishing, "")
}

func (p *Publisher) setState(state State, reason string) {
	p.mu.Lock()
	changed := p.mu.status.State != state || p.mu.status.Reason != reason
	news := p.mu.status.State != state || state == StateBlocked && changed
	p.mu.status.State, p.mu.status.Reason = state, reason
	s := p.mu.status
	p.mu.Unlock()
	if news {
		p.logState(s)
	}
	if changed && p.o.EventListener.StateChanged != nil {
		p.o.EventListener.StateChanged(s)
	}
}

func (p *Publisher) logState(s Status) {
	switch s.State {
	case StatePublishing:
		p.o.Logger.Info("kafka: publishing", "topic", s.Topic, "after", s.Published, "epoch", s.Epoch)
	case StateRetrying:
		p.o.Logger.Warn("kafka: trying again", "topic", s.Topic, "reason", s.Reason)
	case StateBlocked, StateFenced:
		p.o.Logger.Error("kafka: nothing is published", "topic", s.Topic, "state", s.State, "reason", s.Reason)
	case StateStopped:
		if s.Reason != "" {
			p.o.Logger.Error("kafka: stopped", "topic", s.Topic, "reason", s.Reason)
		}
	}
}

// acknowledged notes a batch that the brokers have.
func (p *Publisher) acknowledged(l *load, end int64) {
	if l.last > 0 {
		p.mu.Lock()
		p.mu.status.Published = l.last
		p.mu.cursor = cursor{Seq: l.last, Sum: l.sum, Offset: end - 1}
		first := p.mu.written.Seq == 0
		p.mu.Unlock()
		if first {
			p.noteError(p.writeCursor())
		}
	}
	if f := p.o.EventListener.Published; f != nil {
		f(BatchInfo{Commits: l.commits, Records: l.batch.count, Bytes: len(l.batch.bytes), Last: l.last})
	}
}

// note takes over what is known about the topic.
func (p *Publisher) note(cluster string, c cursor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.cluster, p.mu.cursor, p.mu.written = cluster, c, c
}

// writeCursor writes the note if it has changed.
func (p *Publisher) writeCursor() error {
	p.mu.Lock()
	cluster, c, same := p.mu.cluster, p.mu.cursor, p.mu.cursor == p.mu.written
	p.mu.Unlock()
	if same {
		return nil
	}
	notes, err := readCursors(p.o.CursorFile)
	if err != nil {
		return err
	}
	notes[cursorKey(cluster, p.o.Topic)] = c
	if err := notes.write(p.o.CursorFile); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.written = c
	return nil
}

// noteError reports that the note could not be written. It is a hint only, so that publishing goes on.
func (p *Publisher) noteError(err error) {
	if err != nil {
		p.o.Logger.Warn("kafka: how far was published cannot be noted", "file", p.o.CursorFile, "err", err)
	}
}

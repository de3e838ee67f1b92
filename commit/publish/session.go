package publish

import (
	"context"
	"errors"
	"time"

	"runlog/feed"
	"runlog/log"
)

const (
	defaultDialTimeout = 5 * time.Second
	// limitDefault is Kafka's own default of max.message.bytes; below limitMin headers alone would not fit, above limitMax
	// batches only get slow.
	limitDefault = 1048588
	limitMin     = 4 << 10
	limitMax     = 1 << 20
	// fetchBytesMax bounds an answer of records when the end of the topic is read. The broker gives at least one batch.
	fetchBytesMax = 4 << 20
	fetchWaitMax  = 500 * time.Millisecond
	// tailRecords is how many records at the end of the topic are read first; if no complete commit is among them, twice as many.
	tailRecords = 64
	// anywhere lets the reading stop at the first complete commit.
	anywhere = -1
)

// A session is one opening of the topic: from the barrier until something goes wrong.
type session struct {
	p        *Publisher
	client   *client
	topic    topicInfo
	producer producer
	// sequence is that of the next record since the barrier.
	sequence int32
	// end is where the next record must land.
	end  int64
	plan plan
}

// open fences every earlier publisher and finds out where to go on. again says that we have been open before, in this process.
func (p *Publisher) open(ctx context.Context, again bool) (_ *session, err error) {
	p.noteError(p.writeCursor())
	notes, err := readCursors(p.o.CursorFile)
	if err != nil {
		return nil, &BlockedError{err.Error()}
	}
	s := &session{p: p}
	if s.client, err = connect(&p.o); err != nil {
		return nil, &BlockedError{err.Error()}
	}
	defer func() {
		if err != nil {
			s.client.close()
		}
	}()
	note := func(cluster string) cursor { return notes[cursorKey(cluster, p.o.Topic)] }
	s.topic, err = s.client.topic(ctx, func(cluster string) bool { return note(cluster).Seq > 0 })
	if err != nil {
		return nil, err
	}
	before := note(s.topic.cluster)
	p.note(s.topic.cluster, before)
	if err := s.look(ctx, again, before); err != nil {
		return nil, err
	}
	if s.producer, err = s.client.fence(ctx); err != nil {
		return nil, err
	}
	if err := s.barrier(ctx); err != nil {
		return nil, err
	}
	end, err := s.readTail(ctx, anywhere)
	if err != nil {
		return nil, err
	}
	s.plan, err = s.decide(end, before)
	return s, err
}

// look reads the end of the topic before anybody is fenced: whoever has no business there must not disturb the one who does.
func (s *session) look(ctx context.Context, again bool, before cursor) error {
	since := int64(anywhere)
	if again {
		since = before.Offset // whoever took over did so behind our last record
	}
	end, err := s.readTail(ctx, since)
	if err != nil {
		return err
	}
	if again && end.owner != "" && end.owner != s.p.owner {
		return errFenced
	}
	_, err = s.decide(end, before)
	return err
}

func (s *session) decide(t *tail, before cursor) (plan, error) {
	return decide(s.p.o.Topic, t, before, s.p.o.Log.Durable(), s.p.o.Start, func(off log.Offset) (string, error) {
		e, err := s.p.o.Log.Read(off)
		if err != nil {
			return "", err
		}
		return sumText(e.Sum), nil
	})
}

// readTail reads back from the end of the topic until it has found a complete commit, or all there is. since is an offset that it
// must reach back to, if it is there; or anywhere.
func (s *session) readTail(ctx context.Context, since int64) (*tail, error) {
	start, end, err := s.client.offsets(ctx)
	if err != nil {
		return nil, err
	}
	ours := s.p.logID
	for n := int64(tailRecords); ; n *= 2 {
		t := &tail{start: start, end: end}
		from := max(start, end-n)
		if since >= start && since < from {
			from = since
		}
		err := s.client.read(ctx, from, end, func(r *feed.Record) {
			if t.foreign == "" {
				t.add(ours, r)
			}
		})
		if err != nil {
			return nil, err
		}
		if t.foreign != "" || t.says() || from == start {
			return t, nil
		}
	}
}

// barrier writes the first record of our epoch. Once it is acknowledged, the leader takes nothing from an older one.
func (s *session) barrier(ctx context.Context) error {
	now := s.p.o.Clock.Now()
	e := newEnvelope(s.p.o.Log, nil)
	r := record{time: now.UnixMilli(), key: []byte(s.p.logID), value: e.barrier(now), headers: s.headers(feed.TypeBarrier)}
	r.headers = append(r.headers, header(feed.HeaderOwner, s.p.owner))
	var b batch
	b.add(&r)
	base, err := s.client.produce(ctx, b.seal(s.producer, 0))
	if err != nil {
		return err
	}
	s.sequence, s.end = 1, base+1
	return nil
}

// send publishes a batch and waits for the broker.
func (s *session) send(ctx context.Context, b *batch) error {
	base, err := s.client.produce(ctx, b.seal(s.producer, s.sequence))
	if err != nil {
		return err
	}
	if base != s.end {
		// Somebody else wrote in between. Whether that is harmless, the topic's end will tell.
		return errors.Join(errReopen, errStranger)
	}
	s.end += int64(b.count)
	s.sequence = nextSequence(s.sequence, b.count)
	return nil
}

var errStranger = errors.New("another producer writes to the topic")

// nextSequence wraps as Kafka does: after the highest int32 comes 0.
func nextSequence(at int32, n int) int32 { return int32((int64(at) + int64(n)) & 0x7fffffff) }

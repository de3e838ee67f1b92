package publish

import (
	"encoding/hex"
	"errors"
	"fmt"

	"runlog/feed"
	"runlog/log"
)

// What is here decides and knows no network.

// sumLen is how many bytes of an entry's checksum a record carries.
const sumLen = 16

func sumText(sum log.Hash) string { return hex.EncodeToString(sum[:sumLen]) }

// A tail is what the end of a topic says.
type tail struct {
	// start and end are the topic's first offset and the one after its last.
	start, end int64
	// seq is the last complete commit, or the commit of the last complete snapshot; 0 if there is none in what was read. sum is
	// its checksum, and offset where its last record is.
	seq    log.Offset
	sum    string
	offset int64
	// snapshot is a snapshot that was begun later.
	snapshot resume
	// owner wrote the last barrier that was read; "" if none was.
	owner string
	// foreign says what is wrong with the topic; "" if all is of our log.
	foreign string

	// group is what a part needs to continue: the record before it.
	group feed.Meta
}

// resume is where to go on with a snapshot.
type resume struct {
	seq   log.Offset
	chunk int
	after string
}

// add folds the next record.
func (t *tail) add(ours string, r *feed.Record) {
	m, err := r.Meta()
	switch {
	case err != nil:
		t.foreign = err.Error()
		return
	case m.Log != ours:
		t.foreign = fmt.Sprintf("the record at offset %d is of log %s, and this is log %s", r.Offset, m.Log, ours)
		return
	}
	if m.Type == feed.TypeBarrier {
		t.owner, t.group = m.Owner, feed.Meta{}
		return
	}
	if m.Type != feed.TypeCommit && m.Type != feed.TypeSnapshot {
		return
	}
	whole := t.join(m)
	if !whole {
		return
	}
	if m.Type == feed.TypeSnapshot && !m.LastChunk {
		t.snapshot = resume{log.Offset(m.Seq), m.Chunk, m.After}
		return
	}
	t.seq, t.sum, t.offset, t.snapshot = log.Offset(m.Seq), m.Sum, r.Offset, resume{}
}

// join reports whether the record completes an envelope.
func (t *tail) join(m feed.Meta) bool {
	if m.Part > 1 && (t.group.Part != m.Part-1 || t.group.Parts != m.Parts || t.group.Seq != m.Seq || t.group.Chunk != m.Chunk) {
		t.group = feed.Meta{}
		return false
	}
	t.group = m
	return m.Part == m.Parts
}

// says reports whether the tail holds anything to go on from.
func (t *tail) says() bool { return t.seq > 0 || t.snapshot.seq > 0 }

// A plan is where to go on.
type plan struct {
	// next is the first commit to publish.
	next log.Offset
	// snapshot, if its seq is not 0, comes before.
	snapshot resume
	// lost is how many acknowledged commits the broker does not have any more.
	lost log.Offset
}

// A BlockedError says why nothing more can be published until somebody decides.
type BlockedError struct{ Reason string }

func (e *BlockedError) Error() string { return e.Reason }

func blocked(format string, args ...any) error { return &BlockedError{fmt.Sprintf(format, args...)} }

// Errors of a Publisher's own.
var (
	// errFenced says that another process publishes this log.
	errFenced = errors.New("another process publishes this log to the topic: this one has stepped down. " +
		"Stop one of the two, and restart this one if it is to publish")
	// errReopen says that the outcome of a request is unknown.
	errReopen = errors.New("outcome unknown")
)

// decide says where to go on, given the end of the topic, what we noted about it, and how far the log is durable. sumAt returns the
// checksum of an entry.
func decide(topic string, t *tail, c cursor, durable log.Head, start Start, sumAt func(log.Offset) (string, error)) (plan, error) {
	if t.foreign != "" {
		return plan{}, blocked("the topic %s is not of this database: %s. Choose another topic with --kafka-topic", topic, t.foreign)
	}
	if t.says() {
		return goOn(topic, t, c, durable, sumAt)
	}
	if c.Seq == 0 {
		return begin(durable, start), nil
	}
	if t.start <= c.Offset {
		return plan{}, blocked("the topic %s was deleted and made anew, or lost everything: commits up to %d were published to it, and it holds none. "+
			"Choose another topic with --kafka-topic, or say `runner kafka reset` to publish to this one anew, as --kafka-start says", topic, c.Seq)
	}
	// The topic's retention has removed every commit. What comes next is known from the note alone.
	if err := ours(topic, c.Seq, c.Sum, durable, sumAt); err != nil {
		return plan{}, err
	}
	return plan{next: c.Seq + 1}, nil
}

func begin(durable log.Head, start Start) plan {
	if start == StartSnapshot && durable.Offset > 0 {
		return plan{next: durable.Offset + 1, snapshot: resume{seq: durable.Offset}}
	}
	return plan{next: 1}
}

func goOn(topic string, t *tail, c cursor, durable log.Head, sumAt func(log.Offset) (string, error)) (plan, error) {
	if t.seq > 0 {
		if err := ours(topic, t.seq, t.sum, durable, sumAt); err != nil {
			return plan{}, err
		}
	}
	if s := t.snapshot; s.seq > 0 {
		if s.seq > durable.Offset {
			return plan{}, ahead(topic, s.seq, durable.Offset)
		}
		return plan{next: s.seq + 1, snapshot: s}, nil
	}
	p := plan{next: t.seq + 1}
	if t.seq < c.Seq {
		p.lost = c.Seq - t.seq
	}
	return p, nil
}

// ours checks that the topic's last commit is in our log.
func ours(topic string, seq log.Offset, sum string, durable log.Head, sumAt func(log.Offset) (string, error)) error {
	if seq > durable.Offset {
		return ahead(topic, seq, durable.Offset)
	}
	have, err := sumAt(seq)
	if err != nil {
		return err
	}
	if have != sum {
		return blocked("the topic %s and this data folder have gone separate ways: both have a commit %d, and they are not the same one. "+
			"The data folder was restored from a backup or copied, and both were written to since. Choose another topic with --kafka-topic", topic, seq)
	}
	return nil
}

func ahead(topic string, seq, durable log.Offset) error {
	return blocked("the topic %s holds commits up to %d, and this data folder only up to %d: it was restored from an older backup, or is a copy. "+
		"Restore one that is newer, or choose another topic with --kafka-topic", topic, seq, durable)
}

package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"runlog/internal/clock"
	"runlog/log"
	"runlog/value"
)

// A History is the part of a *log.Log that envelopes are made of.
type History interface {
	// ID is the identity of the log.
	ID() [16]byte
	// DocumentAt returns the version of a document that was current at ts.
	DocumentAt(id value.ID, ts log.Timestamp) (body value.Encoded, version log.Timestamp, found bool, err error)
	// LiveAt calls fn for each document that was live at ts.
	LiveAt(first, last value.TableNumber, ts log.Timestamp, fn func(log.Document) error) error
	// LiveAfter is LiveAt for the documents behind one.
	LiveAfter(after value.ID, last value.TableNumber, ts log.Timestamp, fn func(log.Document) error) error
}

// A Log is what a Publisher needs of a *log.Log.
type Log interface {
	History
	// Durable is the last entry that survives a power loss.
	Durable() log.Head
	// Read returns one entry.
	Read(off log.Offset) (*log.Entry, error)
	// Tail returns the durable entries from first on, and waits for more.
	Tail(ctx context.Context, first log.Offset) iter.Seq2[*log.Entry, error]
}

// A Start says where a topic that is new begins.
type Start string

const (
	// StartBeginning publishes every commit since the first.
	StartBeginning Start = "beginning"
	// StartSnapshot publishes the documents there are, and then every later commit.
	StartSnapshot Start = "snapshot"
)

// The mechanisms of SASL.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// SASL is how to log in; the zero SASL does not.
type SASL struct {
	// Mechanism is one of those above.
	Mechanism      string
	User, Password string
}

// Options configure a Publisher.
type Options struct {
	// Log is what is published. Required.
	Log Log
	// Brokers are addresses HOST:PORT to begin with. Required.
	Brokers []string
	// Topic is where to publish; it is created if it does not exist. Required.
	Topic string
	// Replicas of a topic that is created. Default -1, the cluster's default.
	Replicas int
	// Start says where a new topic begins. Default StartBeginning.
	Start Start
	SASL  SASL
	// TLS is used if it is not nil.
	TLS *tls.Config
	// CursorFile is where the Publisher notes how far it has come, so that it can tell a topic that lost what it held from
	// one that is new. Required.
	CursorFile string
	// RequestTimeout is how long one request may take until its outcome counts as unknown. Default 15 s.
	RequestTimeout time.Duration
	// RetryMin and RetryMax bound the waits between attempts to reach the brokers. Default 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// BlockedRetry is how often a blocked Publisher looks whether the cause is gone. Default 15 s.
	BlockedRetry time.Duration
	// Clock tells the time of barriers. Default clock.System().
	Clock  clock.Clock
	Logger *slog.Logger
	// EventListener is told what happens.
	EventListener EventListener

	testing struct {
		// snapshotChunk is the size of a snapshot's chunk in bytes; 0 is the default.
		snapshotChunk int
	}
}

// An EventListener is told what a Publisher does, on its goroutine. Its functions may be nil and must be quick.
type EventListener struct {
	// StateChanged is called when the state or its reason changes.
	StateChanged func(Status)
	// Published is called when the broker has acknowledged a batch.
	Published func(BatchInfo)
}

// BatchInfo is about an acknowledged batch.
type BatchInfo struct {
	// Commits that were completed by it, and its records and bytes.
	Commits, Records, Bytes int
	// Last is the last commit completed.
	Last log.Offset
}

// String says it in words.
func (i BatchInfo) String() string {
	return fmt.Sprintf("published %d commits up to %d in %d records of %d bytes", i.Commits, i.Last, i.Records, i.Bytes)
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Start == "" {
		o.Start = StartBeginning
	}
	if o.Replicas == 0 {
		o.Replicas = -1
	}
	setDefault(&o.RequestTimeout, 15*time.Second)
	setDefault(&o.RetryMin, 100*time.Millisecond)
	setDefault(&o.RetryMax, 5*time.Second)
	setDefault(&o.BlockedRetry, 15*time.Second)
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.testing.snapshotChunk == 0 {
		o.testing.snapshotChunk = snapshotChunkBytes
	}
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// Validate reports everything that is wrong.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("publish: "+format, args...))
		}
	}
	check(o.Log != nil, "a log is required")
	check(o.CursorFile != "", "a cursor file is required")
	check(len(o.Brokers) > 0 && !slices.Contains(o.Brokers, ""), "at least one broker address is required, and none may be empty")
	check(o.Topic != "", "a topic is required")
	check(o.Start == StartBeginning || o.Start == StartSnapshot, "a new topic starts at the %q or with a %q, not with %q", StartBeginning, StartSnapshot, o.Start)
	switch o.SASL.Mechanism {
	case "":
		check(o.SASL.User == "" && o.SASL.Password == "", "a user or a password is given but no SASL mechanism: say %s, %s or %s",
			SASLPlain, SASLScramSHA256, SASLScramSHA512)
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		check(o.SASL.User != "", "SASL %s needs a user", o.SASL.Mechanism)
	default:
		check(false, "SASL mechanism %q is not known: say %s, %s or %s", o.SASL.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512)
	}
	check(o.RequestTimeout > 0 && o.RetryMin > 0 && o.RetryMax >= o.RetryMin && o.BlockedRetry > 0, "times must be positive")
	return errors.Join(errs...)
}

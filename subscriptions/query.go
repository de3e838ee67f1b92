package subscriptions

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"

	"runlog/index"
	"runlog/log"
	"runlog/value"
)

// A Query is what a session wants to follow.
type Query struct {
	// Path names the function, Args is the object of its arguments.
	Path string
	Args value.Encoded
	// Identity is the object of the caller's attributes; nil if nobody is logged in.
	Identity value.Encoded
	// Journal is the end cursor that a paginated query has to keep to; empty for none.
	Journal string
	// Admin says that internal functions may be called.
	Admin bool
}

// base names everything a result depends on besides database, journal and caller.
func (q *Query) base() string {
	b := make([]byte, 0, 8+len(q.Path)+len(q.Args))
	if q.Admin {
		b = append(b, 'a')
	}
	b = append(b, '\n')
	b = binary.AppendUvarint(b, uint64(len(q.Path)))
	b = append(b, q.Path...)
	return string(append(b, q.Args...))
}

// A Runner runs queries; *exec.Runner is one.
type Runner interface {
	// Live runs q on a snapshot. A function that fails gives a Result with Err; the error is for what may go better the
	// next time, or is broken.
	Live(ctx context.Context, q *Query, at *index.Snapshot) (*Result, error)
}

// A Result is what a query came to. It is shared by many and not changed.
type Result struct {
	Value value.Encoded
	// Logs are the console lines as clients see them.
	Logs []string
	// Journal is the end cursor of the page that was read; empty if none was.
	Journal string
	// Err is set if the function failed.
	Err error
	// Snapshot is the timestamp it was run at.
	Snapshot log.Timestamp
	// Reads is what it depends on. REQUIRES: merged.
	Reads *index.ReadSet
	// ObservedIdentity says that it depends on who calls.
	ObservedIdentity bool

	digest [sha256.Size]byte
	memo   *memo
}

// A memo is what listeners have made of a result.
type memo struct {
	once sync.Once
	text []byte
}

// Digest is the same for results that a listener cannot tell apart.
func (r *Result) Digest() [sha256.Size]byte { return r.digest }

// Text returns what render made of the result. It is rendered once for all who listen to the query, so they must agree on
// how; the bytes are not changed.
func (r *Result) Text(render func(*Result) []byte) []byte {
	r.memo.once.Do(func() { r.memo.text = render(r) })
	return r.memo.text
}

// Seal makes Digest and Text ready. A result that is like the one before, which may be nil, takes over its text. A Set does so with the
// results it gives.
func (r *Result) Seal(before *Result) {
	h := sha256.New()
	part := func(s []byte) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
		h.Write(s)
	}
	part(r.Value)
	if r.Err != nil {
		part([]byte(r.Err.Error()))
		var with interface{ ErrorData() value.Encoded }
		if errors.As(r.Err, &with) {
			part(with.ErrorData())
		}
	}
	part([]byte(r.Journal))
	for _, line := range r.Logs {
		part([]byte(line))
	}
	h.Sum(r.digest[:0])
	if before != nil && before.digest == r.digest {
		r.memo = before.memo
	} else {
		r.memo = &memo{}
	}
}

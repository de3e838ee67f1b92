package index

import (
	"fmt"
	"iter"

	"github.com/maypok86/otter/v2"

	"runlog/log"
	"runlog/value"
)

// A Log is what the indexes need of a *log.Log.
type Log interface {
	// Head returns the last entry.
	Head() log.Head
	// Live calls fn for each live document of the tables from first to last, ascending by id; the body is fn's until it returns.
	Live(first, last value.TableNumber, fn func(log.Document) error) error
	// DocumentAt returns the latest version of a document that is not later than ts, and its timestamp.
	DocumentAt(id value.ID, ts log.Timestamp) (body value.Encoded, version log.Timestamp, found bool, err error)
	// OffsetAt returns the last offset whose timestamp is not later than ts.
	OffsetAt(ts log.Timestamp) (log.Offset, error)
	// Scan yields the entries from first to last, both included.
	Scan(first, last log.Offset) iter.Seq2[*log.Entry, error]
}

// A source finds the bodies of versions: in the log, behind a cache. Any goroutine may use it.
type source struct {
	log    Log
	bodies *otter.Cache[bodyKey, value.Encoded]
}

type bodyKey struct {
	id value.ID
	ts log.Timestamp
}

// bodyOverhead is about what an entry of the cache costs beside its bytes.
const bodyOverhead = 160

func newSource(l Log, cacheSize int) (*source, error) {
	bodies, err := otter.New(&otter.Options[bodyKey, value.Encoded]{
		MaximumWeight: uint64(cacheSize),
		Weigher: func(_ bodyKey, body value.Encoded) uint32 {
			return uint32(len(body) + bodyOverhead)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make body cache: %w", err)
	}
	return &source{log: l, bodies: bodies}, nil
}

// body returns the version of a document that was written at ts.
func (s *source) body(id value.ID, ts log.Timestamp) (value.Encoded, error) {
	key := bodyKey{id, ts}
	if body, ok := s.bodies.GetIfPresent(key); ok {
		return body, nil
	}
	body, version, err := s.read(id, ts)
	if err != nil {
		return nil, err
	}
	if version != ts {
		return nil, fmt.Errorf("index: document %s has no version %d in the log, but one of %d", id, ts, version)
	}
	s.bodies.Set(key, body)
	return body, nil
}

// version returns what a snapshot at ts sees of a document, for snapshots older than what its record remembers.
func (s *source) version(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp, error) {
	body, version, err := s.read(id, ts)
	if err == nil {
		s.bodies.Set(bodyKey{id, version}, body)
	}
	return body, version, err
}

// read asks the log for the latest version not after ts.
func (s *source) read(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp, error) {
	body, version, found, err := s.log.DocumentAt(id, ts)
	if err != nil {
		return nil, 0, fmt.Errorf("read document %s at %d: %w", id, ts, err)
	}
	if !found {
		return nil, 0, fmt.Errorf("index: document %s is indexed at %d but not in the log", id, ts)
	}
	return body, version, nil
}

// remember puts the bodies that e wrote into the cache: what was written is likely to be read next.
func (s *source) remember(e *log.Entry) {
	for i := range e.Writes {
		if w := &e.Writes[i]; w.After != nil {
			s.bodies.Set(bodyKey{w.ID, e.Timestamp}, w.After)
		}
	}
}

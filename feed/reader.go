package feed

import "fmt"

// A Position is how far a consumer has come. It is saved with what was applied.
type Position struct {
	// Log is the database; "" before anything was read.
	Log string `json:"log"`
	// Seq is the last commit that was applied; 0 before the first.
	Seq uint64 `json:"seq"`
	// SnapshotSeq and SnapshotChunk are of a snapshot that is not complete: its seq, and its last chunk applied.
	SnapshotSeq   uint64 `json:"snapshotSeq,omitempty"`
	SnapshotChunk int    `json:"snapshotChunk,omitempty"`
}

// A Reader puts transactions together from records. One goroutine uses it.
type Reader struct {
	at Position
	// anywhere says that the first commit may have any number.
	anywhere bool
	// parts are those of the envelope that is not complete yet: part of group, which is the Meta of its first part.
	parts []byte
	part  int
	group Meta
}

// NewReader returns a Reader that goes on behind a position. With the zero Position, the first record of interest must be the
// first commit or the first chunk of a snapshot.
func NewReader(at Position) *Reader { return &Reader{at: at} }

// NewReaderAnywhere returns a Reader that takes any commit as the first: for consumers who care for what happens from
// now on and not for the state.
func NewReaderAnywhere() *Reader { return &Reader{anywhere: true} }

// Position is that of the last transaction returned.
func (r *Reader) Position() Position { return r.at }

// Add takes the next record of the topic and returns the transaction that it completes; nil if it completes none, because it
// is a part, was seen before, or is a mark of the publisher. Errors are *GapError, *ForeignError and *FormatError; the Reader does
// not move then.
func (r *Reader) Add(record Record) (*Transaction, error) {
	m, err := record.Meta()
	if err != nil {
		return nil, err
	}
	if r.at.Log != "" && m.Log != r.at.Log {
		return nil, &ForeignError{Offset: record.Offset, Want: r.at.Log, Got: m.Log}
	}
	switch m.Type {
	case TypeBarrier:
		r.drop()
		return nil, nil
	case TypeCommit, TypeSnapshot:
		if r.seen(m) {
			r.drop()
			return nil, nil
		}
		if err := r.expect(record.Offset, m); err != nil {
			return nil, err
		}
		return r.join(record, m)
	}
	return nil, nil // a type that later versions add beside these
}

// seen reports whether the record's transaction was returned before.
func (r *Reader) seen(m Meta) bool {
	if m.Seq <= r.at.Seq && r.at.Seq > 0 {
		return true
	}
	return m.Type == TypeSnapshot && m.Seq == r.at.SnapshotSeq && m.Chunk <= r.at.SnapshotChunk
}

// expect checks that the record belongs to the next transaction.
func (r *Reader) expect(offset int64, m Meta) error {
	gap := &GapError{Offset: offset, Want: r.at.Seq + 1, Got: m.Seq}
	if m.Type == TypeSnapshot {
		switch {
		case m.Chunk == 1:
			return nil
		case m.Seq == r.at.SnapshotSeq && m.Chunk == r.at.SnapshotChunk+1:
			return nil
		}
		gap.Detail = fmt.Sprintf("chunk %d of a snapshot", m.Chunk)
		return gap
	}
	switch {
	case r.at.SnapshotSeq != 0:
		gap.Want, gap.Detail = r.at.SnapshotSeq, "the snapshot is not complete"
		return gap
	case m.Seq == r.at.Seq+1, r.anywhere && r.at.Seq == 0:
		return nil
	}
	return gap
}

// join adds a part, and returns the transaction if it is the last one.
func (r *Reader) join(record Record, m Meta) (*Transaction, error) {
	if m.Part == 1 {
		r.drop()
		r.group = m
	}
	if m.Part != r.part+1 || m.Parts != r.group.Parts || m.Seq != r.group.Seq || m.Chunk != r.group.Chunk {
		if r.anywhere && r.at.Seq == 0 {
			return nil, nil // it began in the middle of this one
		}
		return nil, &GapError{Offset: record.Offset, Want: r.at.Seq + 1, Got: m.Seq,
			Detail: fmt.Sprintf("part %d of %d came after part %d", m.Part, m.Parts, r.part)}
	}
	text := record.Value
	if m.Parts > 1 {
		r.parts, r.part = append(r.parts, record.Value...), m.Part
		if m.Part < m.Parts {
			return nil, nil
		}
		text = r.parts
	}
	t, err := decodeTransaction(record.Offset, m, text)
	if err != nil {
		return nil, err
	}
	r.drop()
	r.advance(m)
	return t, nil
}

func (r *Reader) advance(m Meta) {
	switch {
	case m.Type == TypeCommit || m.LastChunk:
		r.at = Position{Log: m.Log, Seq: m.Seq}
	default:
		r.at.Log, r.at.SnapshotSeq, r.at.SnapshotChunk = m.Log, m.Seq, m.Chunk
	}
}

// drop forgets the parts.
func (r *Reader) drop() { r.parts, r.part, r.group = nil, 0, Meta{} }

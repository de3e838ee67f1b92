package exec

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"runlog/index"
	"runlog/isolates"
	"runlog/value"
)

const (
	pageSizeMax = 32000
	// splitAt is how many documents make a page worth splitting, and splitShare the share of a read limit.
	splitAt    = 6144
	splitShare = 0.75
)

// page reads one page of a query.
//
// A page is a half-open piece of the query's interval, named by its cursors, so that neighbouring pages stay gapless
// while rows come and go: with an end cursor the page is everything up to it, whatever the wanted size.
func (t *transaction) page(req *isolates.PageRequest) (*isolates.PageResult, *isolates.HostError) {
	if err := t.checkPage(req); err != nil {
		return nil, err
	}
	p, err := t.planQuery(&req.Query)
	if err != nil {
		return nil, err
	}
	fingerprint := p.fingerprint(&req.Query)
	whole := p.interval
	end, err := p.narrow(req, t.endCursor, fingerprint)
	if err != nil {
		return nil, err
	}
	r := pageReader{t: t, c: t.open(p), size: int(req.Size), end: end}
	r.rowsMax, r.bytesMax = t.limits.DocumentsRead, t.limits.BytesRead
	if req.MaxRows != nil {
		r.rowsMax = min(r.rowsMax, int(*req.MaxRows))
	}
	if req.MaxBytes != nil {
		r.bytesMax = min(r.bytesMax, int(*req.MaxBytes))
	}
	err = r.read()
	if err = firstError(err, r.c.close(r.c.last)); err != nil {
		return nil, err
	}
	p.interval = whole
	result := r.result(fingerprint)
	t.pageEnd = result.ContinueCursor
	return result, nil
}

func (t *transaction) checkPage(req *isolates.PageRequest) *isolates.HostError {
	if t.paginated {
		return hostError("MultiplePaginatedDatabaseQueries", "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.")
	}
	t.paginated = true
	switch {
	case !(req.Size >= 1):
		return hostError("NoDocumentsForPagination", "Must request at least 1 document while paginating")
	case req.Size > pageSizeMax:
		return hostError("PageSizeTooLarge", "Requested too many items: %d", int64(math.Min(req.Size, math.MaxInt64)))
	case req.MaxRows != nil && !(*req.MaxRows >= 1):
		return hostError("InvalidPaginationLimit", "maximumRowsRead must be at least 1 while paginating")
	case req.MaxBytes != nil && !(*req.MaxBytes >= 1):
		return hostError("InvalidPaginationLimit", "maximumBytesRead must be at least 1 while paginating")
	}
	return nil
}

// narrow cuts the plan's interval to what lies between the cursors. The end position is nil if the page may go on to
// the end of the query.
//
// A journal's end cursor stands in for one the query does not give. One of another query is of no use: the function reads
// something else than when the journal was made.
func (p *plan) narrow(req *isolates.PageRequest, journal string, fingerprint [8]byte) (end *position, err *isolates.HostError) {
	if req.Cursor != nil {
		from, err := parseCursor(*req.Cursor, fingerprint)
		if err != nil {
			return nil, err
		}
		p.interval = from.rest(p.interval, p.reverse)
	}
	switch {
	case req.EndCursor != nil:
		if end, err = parseCursor(*req.EndCursor, fingerprint); err != nil {
			return nil, err
		}
	case journal != "":
		if end, err = parseCursor(journal, fingerprint); err != nil {
			return nil, nil
		}
	default:
		return nil, nil
	}
	p.interval = end.upTo(p.interval, p.reverse)
	return end, nil
}

// A pageReader reads one page and remembers what its cursors are made of.
type pageReader struct {
	t    *transaction
	c    *cursor
	size int
	// end is where the page must end; nil if size and the read limits decide.
	end               *position
	rowsMax, bytesMax int

	documents []value.Encoded
	// keys are those of the documents.
	keys        [][]byte
	rows, bytes int
	// cut says that a read limit ended the page.
	cut bool
}

func (r *pageReader) read() *isolates.HostError {
	rowsBefore, bytesBefore := r.t.used.documentsRead, r.t.used.bytesRead
	r.c.paused = func() bool {
		r.rows, r.bytes = r.t.used.documentsRead-rowsBefore, r.t.used.bytesRead-bytesBefore
		r.cut = r.end == nil && (r.rows >= r.rowsMax || r.bytes >= r.bytesMax)
		return r.cut
	}
	for r.end != nil || len(r.documents) < r.size {
		body, err := r.c.next()
		if body == nil || err != nil {
			return err
		}
		r.documents = append(r.documents, body)
		r.keys = append(r.keys, bytes.Clone(r.c.last))
	}
	return nil
}

func (r *pageReader) result(fingerprint [8]byte) *isolates.PageResult {
	at := position{key: r.c.last}
	switch {
	case r.end != nil:
		at = *r.end
	case r.c.exhausted || r.c.limited():
		at = position{atEnd: true}
	}
	result := &isolates.PageResult{Documents: r.documents, Done: at.atEnd, ContinueCursor: at.String(fingerprint)}
	if len(r.keys) > 2 {
		split := position{key: r.keys[len(r.keys)/2-1]}.String(fingerprint)
		result.SplitCursor = &split
	}
	switch {
	case r.cut:
		result.Status = "SplitRequired"
	case len(r.documents) > splitAt, float64(r.rows) > splitShare*float64(r.rowsMax), float64(r.bytes) > splitShare*float64(r.bytesMax):
		result.Status = "SplitRecommended"
	}
	return result
}

// A position is a place between two documents of a query: after the one with key, or at the end.
type position struct {
	key   []byte
	atEnd bool
}

// rest is what lies after the position in the direction of the walk.
func (p *position) rest(iv index.Interval, reverse bool) index.Interval {
	switch {
	case p.atEnd:
		return index.Interval{Lo: []byte{0}, Hi: []byte{0}}
	case reverse:
		return iv.Before(p.key)
	}
	return iv.After(p.key)
}

// upTo is what lies before the position in the direction of the walk, its document included.
func (p *position) upTo(iv index.Interval, reverse bool) index.Interval {
	switch {
	case p.atEnd:
		return iv
	case reverse:
		return iv.From(p.key)
	}
	return iv.Through(p.key)
}

// A cursor's text is base64url of: version (1), fingerprint of its query (8), 'e' for the end or 'k' and the key,
// CRC-32C of all before (4, big-endian).
const cursorVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (p position) String(fingerprint [8]byte) string {
	b := append([]byte{cursorVersion}, fingerprint[:]...)
	if p.atEnd {
		b = append(b, 'e')
	} else {
		b = append(append(b, 'k'), p.key...)
	}
	sum := crc32.Checksum(b, castagnoli)
	b = append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(text string, fingerprint [8]byte) (*position, *isolates.HostError) {
	kind, key, has, err := decodeCursor(text)
	if err != nil {
		return nil, invalidCursor("Failed to parse cursor")
	}
	if has != fingerprint {
		return nil, invalidCursor("Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.")
	}
	return &position{key: key, atEnd: kind == 'e'}, nil
}

func decodeCursor(text string) (kind byte, key []byte, fingerprint [8]byte, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return 0, nil, fingerprint, err
	}
	const head, tail = 1 + 8 + 1, 4
	if len(b) < head+tail || b[0] != cursorVersion {
		return 0, nil, fingerprint, errors.New("not a cursor of this version")
	}
	body, sum := b[:len(b)-tail], b[len(b)-tail:]
	if want := crc32.Checksum(body, castagnoli); want != uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8|uint32(sum[3]) {
		return 0, nil, fingerprint, errors.New("checksum mismatch")
	}
	copy(fingerprint[:], body[1:9])
	kind, key = body[9], body[head:]
	if kind != 'k' && (kind != 'e' || len(key) > 0) {
		return 0, nil, fingerprint, fmt.Errorf("unknown position %q", kind)
	}
	return kind, key, fingerprint, nil
}

// invalidCursor is the error on which client libraries begin the pagination anew.
func invalidCursor(text string) *isolates.HostError {
	data := value.OfObject([]value.Field{
		{Name: "isConvexSystemError", Value: value.OfBool(true)},
		{Name: "paginationError", Value: value.OfString("InvalidCursor")},
	})
	return &isolates.HostError{Code: "InvalidCursor", Message: "InvalidCursor: " + text, Data: value.Encode(data)}
}

// fingerprint tells queries apart: a cursor is good only for the query it came from.
func (p *plan) fingerprint(q *isolates.Query) (f [8]byte) {
	text, err := json.Marshal(struct {
		Query  *isolates.Query
		Fields []string
	}{q, p.fields})
	if err != nil {
		// Strings, numbers and bytes always marshal.
		panic(err)
	}
	sum := sha256.Sum256(text)
	copy(f[:], sum[:])
	return f
}

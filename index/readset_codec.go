package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"runlog/schema"
	"runlog/value"
)

// readSetVersion begins every encoded ReadSet.
const readSetVersion = 1

// The form of an encoded interval, in the low bits of its header. Each interval has exactly one form: the first that fits.
const (
	formPoint    = iota // [lo, lo ‖ 00)
	formPrefix          // [lo, PrefixEnd(lo))
	formInfinite        // [lo, +infinity)
	formPair            // [lo, hi)
	formBits     = 2
)

// errReadSet is what DecodeReadSet reports; the log's checksum tells where bytes went bad.
var errReadSet = errors.New("index: malformed read set")

// Append merges r and appends its binary form to dst. Equal sets have equal bytes.
//
//	set      = version(1) group*
//	group    = uvarint(table) uvarint(index) uvarint(number of intervals) interval*     ascending by (table, index)
//	interval = uvarint(len(lo)<<2 | form) lo [uvarint(len(hi)) hi, for a pair]          ascending, apart
func (r *ReadSet) Append(dst []byte) []byte {
	r.Merge()
	dst = append(dst, readSetVersion)
	for i := 0; i < len(r.spans); {
		n := i + 1
		for n < len(r.spans) && r.spans[n].space == r.spans[i].space {
			n++
		}
		dst = binary.AppendUvarint(dst, uint64(r.spans[i].space.table()))
		dst = binary.AppendUvarint(dst, uint64(r.spans[i].space.index()))
		dst = binary.AppendUvarint(dst, uint64(n-i))
		for ; i < n; i++ {
			dst = appendInterval(dst, r.interval(r.spans[i]))
		}
	}
	return dst
}

func appendInterval(dst []byte, iv Interval) []byte {
	form := formOf(iv)
	dst = binary.AppendUvarint(dst, uint64(len(iv.Lo))<<formBits|uint64(form))
	dst = append(dst, iv.Lo...)
	if form == formPair {
		dst = binary.AppendUvarint(dst, uint64(len(iv.Hi)))
		dst = append(dst, iv.Hi...)
	}
	return dst
}

func formOf(iv Interval) int {
	switch {
	case iv.Hi == nil:
		return formInfinite
	case len(iv.Hi) == len(iv.Lo)+1 && iv.Hi[len(iv.Lo)] == 0 && bytes.HasPrefix(iv.Hi, iv.Lo):
		return formPoint
	case isPrefixEnd(iv.Hi, iv.Lo):
		return formPrefix
	}
	return formPair
}

// isPrefixEnd says whether hi = value.PrefixEnd(lo), without making that.
func isPrefixEnd(hi, lo []byte) bool {
	n := len(hi)
	if n == 0 || n > len(lo) || !bytes.Equal(hi[:n-1], lo[:n-1]) || hi[n-1] == 0 || hi[n-1]-1 != lo[n-1] {
		return false
	}
	for _, c := range lo[n:] {
		if c != 0xff {
			return false
		}
	}
	return true
}

// Digest merges r and returns the SHA-256 of its binary form.
func (r *ReadSet) Digest() [32]byte {
	var buf [512]byte
	return sha256.Sum256(r.Append(buf[:0]))
}

// DecodeReadSet reads what Append wrote, and accepts nothing else. It copies what it needs of b. No bytes at all are
// the empty set.
func DecodeReadSet(b []byte) (*ReadSet, error) {
	r := NewReadSet()
	r.merged = true
	if len(b) == 0 {
		return r, nil
	}
	d := readSetDecoder{b: b[1:], failed: b[0] != readSetVersion}
	for len(d.b) > 0 && !d.failed {
		d.group(r)
	}
	if d.failed {
		return nil, errReadSet
	}
	r.merged = true
	return r, nil
}

type readSetDecoder struct {
	b      []byte
	failed bool
}

func (d *readSetDecoder) group(r *ReadSet) {
	table, index := d.uvarint(), d.uvarint()
	n := d.uvarint()
	sp := spaceOf(value.TableNumber(table), schema.IndexID(index))
	last := len(r.spans)
	if table>>32 != 0 || index>>32 != 0 || n == 0 || last > 0 && r.spans[last-1].space >= sp {
		d.failed = true
	}
	for ; n > 0 && !d.failed; n-- {
		d.interval(r, sp)
	}
}

func (d *readSetDecoder) interval(r *ReadSet, sp space) {
	header := d.uvarint()
	form := int(header & (1<<formBits - 1))
	iv := Interval{Lo: d.bytes(header >> formBits)}
	switch form {
	case formPoint:
		iv.Hi = value.KeySuccessor(iv.Lo)
	case formPrefix:
		iv.Hi = value.PrefixEnd(iv.Lo)
	case formPair:
		iv.Hi = d.bytes(d.uvarint())
	}
	if d.failed || iv.Empty() || formOf(iv) != form {
		d.failed = true
		return
	}
	before := len(r.spans)
	r.Add(sp.table(), sp.index(), iv)
	if len(r.spans) == before || before > 0 && r.touches(r.spans[before-1], r.spans[before]) {
		d.failed = true
	}
}

func (d *readSetDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.failed = true
		d.b = nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *readSetDecoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.failed = true
		return []byte{}
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

package value

import (
	"encoding/binary"
	"fmt"
)

// TableNumber identifies a table for the life of the database. System tables are below 10001. 0 is no table.
type TableNumber uint32

// InternalID identifies a document within its table: 14 random bytes and the day of its creation (big endian, days since the
// Unix epoch). Within a table the order of these bytes is the order of the ids' texts.
type InternalID [16]byte

// ID identifies a document. Ids are comparable with ==.
type ID struct {
	Table    TableNumber
	Internal InternalID
}

const (
	idVersion    = 0
	idFooterLen  = 2
	maxVarintLen = 5
	minIDLen     = 1 + len(InternalID{}) + idFooterLen
	maxIDLen     = maxVarintLen + len(InternalID{}) + idFooterLen
	minIDTextLen = (minIDLen*8 + 4) / 5
	maxIDTextLen = (maxIDLen*8 + 4) / 5

	idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

// NewID makes an id of its parts. day is the number of days since the Unix epoch.
func NewID(table TableNumber, rnd [14]byte, day uint16) ID {
	id := ID{Table: table}
	copy(id.Internal[:], rnd[:])
	binary.BigEndian.PutUint16(id.Internal[14:], day)
	return id
}

// String returns the text of the id, as scripts and clients see it: 31 to 37 lower-case characters.
func (id ID) String() string {
	var buf [maxIDTextLen]byte
	return string(id.AppendText(buf[:0]))
}

// AppendText appends the text of the id to dst.
//
//	bytes  = varint(table) ‖ internal id ‖ footer (2 bytes, little endian)
//	footer = fletcher16(all before it) XOR version
//	text   = Crockford base32 of the bytes, most significant bit first, unpadded
func (id ID) AppendText(dst []byte) []byte {
	var buf [maxIDLen]byte
	b := binary.AppendUvarint(buf[:0], uint64(id.Table))
	b = append(b, id.Internal[:]...)
	b = binary.LittleEndian.AppendUint16(b, fletcher16(b)^idVersion)
	return appendBase32(dst, b)
}

// ParseID reads the text of an id. It accepts exactly the texts that String makes; else the error is an *Error.
func ParseID(s string) (ID, error) {
	id, fault, version := decodeID(s)
	switch fault {
	case idOK:
		return id, nil
	case idBadLength:
		return ID{}, invalidID("Invalid ID length %d", len(s))
	case idBadTable:
		return ID{}, invalidID("Invalid table number")
	case idBadVersion:
		return ID{}, invalidID("Invalid ID version %d (expected %d)", version, idVersion)
	default:
		return ID{}, invalidID("Unable to decode ID: ID wasn't valid base32")
	}
}

// LooksLikeID is ParseID for callers that do not need the reason; it never allocates.
func LooksLikeID(s string) (ID, bool) {
	id, fault, _ := decodeID(s)
	return id, fault == idOK
}

func invalidID(format string, args ...any) error {
	return &Error{Code: "InvalidID", Message: fmt.Sprintf(format, args...)}
}

type idFault uint8

const (
	idOK idFault = iota
	idBadLength
	idBadBase32
	idBadTable
	idBadVersion
)

// decodeID reads an id; version is what a text with idBadVersion claims.
func decodeID(s string) (id ID, fault idFault, version uint16) {
	if len(s) < minIDTextLen || len(s) > maxIDTextLen {
		return ID{}, idBadLength, 0
	}
	var buf [maxIDLen + 1]byte
	b, ok := decodeBase32(buf[:0], s)
	if !ok {
		return ID{}, idBadBase32, 0
	}
	table, n := binary.Uvarint(b)
	if n <= 0 || n > maxVarintLen || table == 0 || table > 1<<32-1 || n > 1 && b[n-1] == 0 {
		return ID{}, idBadTable, 0
	}
	if len(b) != n+len(InternalID{})+idFooterLen {
		return ID{}, idBadLength, 0
	}
	footer := len(b) - idFooterLen
	version = binary.LittleEndian.Uint16(b[footer:]) ^ fletcher16(b[:footer])
	if version != idVersion {
		return ID{}, idBadVersion, version
	}
	return ID{Table: TableNumber(table), Internal: InternalID(b[n:footer])}, idOK, 0
}

func fletcher16(b []byte) uint16 {
	var c0, c1 uint8
	for _, x := range b {
		c0 += x
		c1 += c0
	}
	return uint16(c1)<<8 | uint16(c0)
}

func appendBase32(dst, b []byte) []byte {
	var acc uint32
	bits := 0
	for _, x := range b {
		acc = acc<<8 | uint32(x)
		bits += 8
		for bits >= 5 {
			bits -= 5
			dst = append(dst, idAlphabet[acc>>bits&31])
		}
	}
	if bits > 0 {
		dst = append(dst, idAlphabet[acc<<(5-bits)&31])
	}
	return dst
}

// decodeBase32 undoes appendBase32. It refuses other characters, lengths no encoding has, and bits left over that are not zero.
func decodeBase32(dst []byte, s string) ([]byte, bool) {
	var acc uint32
	bits := 0
	for i := 0; i < len(s); i++ {
		digit, ok := base32Digit(s[i])
		if !ok {
			return nil, false
		}
		acc = acc<<5 | digit
		bits += 5
		if bits >= 8 {
			bits -= 8
			dst = append(dst, byte(acc>>bits))
		}
	}
	return dst, bits < 5 && acc&(1<<bits-1) == 0
}

// base32Digit is the inverse of idAlphabet, which leaves out i, l, o and u.
func base32Digit(c byte) (uint32, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint32(c - '0'), true
	case c >= 'a' && c <= 'h':
		return uint32(c-'a') + 10, true
	case c == 'j' || c == 'k':
		return uint32(c-'j') + 18, true
	case c == 'm' || c == 'n':
		return uint32(c-'m') + 20, true
	case c >= 'p' && c <= 't':
		return uint32(c-'p') + 22, true
	case c >= 'v' && c <= 'z':
		return uint32(c-'v') + 27, true
	default:
		return 0, false
	}
}

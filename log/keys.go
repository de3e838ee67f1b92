package log

import (
	"encoding/binary"

	"runlog/value"
)

// The first byte of a key says what it is. The numbers behind it are big endian, so that keys sort as they count.
const (
	keyBlob     byte = 'b' // b ‖ hash                                  -> content
	keyEntry    byte = 'e' // e ‖ offset                                -> entry
	keyHistory  byte = 'h' // h ‖ table ‖ internal id ‖ ^timestamp      -> body of a version that was replaced; empty: deleted
	keyLive     byte = 'l' // l ‖ table ‖ internal id                   -> timestamp ‖ body
	keyIdentity byte = 'm' // m                                         -> format version ‖ log id
)

const (
	blobKeyLen    = 1 + len(Hash{})
	entryKeyLen   = 1 + 8
	liveKeyLen    = 1 + 4 + len(value.InternalID{})
	historyKeyLen = liveKeyLen + 8
	liveHeaderLen = 8 // the timestamp before the body
)

func appendEntryKey(dst []byte, off Offset) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyEntry), uint64(off))
}

// entryKeyOffset undoes appendEntryKey. REQUIRES: len(key) == entryKeyLen.
func entryKeyOffset(key []byte) Offset { return Offset(binary.BigEndian.Uint64(key[1:])) }

func appendDocumentKey(dst []byte, space byte, id value.ID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, space), uint32(id.Table))
	return append(dst, id.Internal[:]...)
}

// documentKeyID undoes appendDocumentKey. REQUIRES: len(key) >= liveKeyLen.
func documentKeyID(key []byte) value.ID {
	return value.ID{
		Table:    value.TableNumber(binary.BigEndian.Uint32(key[1:])),
		Internal: value.InternalID(key[5:liveKeyLen]),
	}
}

// appendHistoryKey makes the key of one version. Later versions come first, so that the first key at or after that of a
// timestamp is the version which was current then.
func appendHistoryKey(dst []byte, id value.ID, ts Timestamp) []byte {
	return binary.BigEndian.AppendUint64(appendDocumentKey(dst, keyHistory, id), ^uint64(ts))
}

// historyKeyTimestamp returns the version a history key stands for. REQUIRES: len(key) == historyKeyLen.
func historyKeyTimestamp(key []byte) Timestamp {
	return Timestamp(^binary.BigEndian.Uint64(key[liveKeyLen:]))
}

func appendBlobKey(dst []byte, hash Hash) []byte { return append(append(dst, keyBlob), hash[:]...) }

// tableBounds returns the half-open range of live keys of the tables from first to last, both included.
func tableBounds(first, last value.TableNumber) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint32([]byte{keyLive}, uint32(first))
	if last == 1<<32-1 {
		return lower, []byte{keyLive + 1}
	}
	return lower, binary.BigEndian.AppendUint32([]byte{keyLive}, uint32(last)+1)
}

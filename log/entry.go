package log

import (
	"crypto/sha256"
	"fmt"
	"time"

	"runlog/value"
)

// Offset is the position of an entry in the log. Offsets are dense and start at 1; 0 stands before the first entry.
type Offset uint64

// Timestamp is a commit timestamp: nanoseconds since the Unix epoch, strictly increasing with the offset, not dense.
// 0 is before everything.
type Timestamp uint64

// Time returns the timestamp as a moment of wall-clock time, in UTC.
func (t Timestamp) Time() time.Time { return time.Unix(0, int64(t)).UTC() }

// A Hash is a SHA-256 digest.
type Hash = [sha256.Size]byte

// CallKind says what kind of call an entry records.
type CallKind uint8

// The kinds are part of the entry format: never renumber them.
const (
	// Query is a query; it commits nothing, so no entry has this kind.
	Query CallKind = 1
	// Mutation is a transaction written by an application's mutation.
	Mutation CallKind = 2
	// Action is what an action did to the log on its own account.
	Action CallKind = 3
	// HTTPAction is the same for an HTTP action.
	HTTPAction CallKind = 4
	// System is a change made by the runner itself: push, environment, import, scheduler.
	System CallKind = 5
)

// String returns the kind as people write it.
func (k CallKind) String() string {
	switch k {
	case Query:
		return "query"
	case Mutation:
		return "mutation"
	case Action:
		return "action"
	case HTTPAction:
		return "httpAction"
	case System:
		return "system"
	default:
		return fmt.Sprintf("CallKind(%d)", uint8(k))
	}
}

// A Call is everything needed to run an entry's function again.
type Call struct {
	Kind CallKind
	// Function is the canonical path, such as "messages.js:send", or a system verb such as "_system/push".
	Function string
	// Bundle is the hash of the bundle the function was run from; zero for system calls.
	Bundle Hash
	// Args is the object of arguments; nil for none.
	Args value.Encoded
	// Identity is the caller's claims as canonical JSON; nil means nobody was logged in.
	Identity []byte
	// RequestID names the client's request; Parent the request this call was made for, empty if it was the client's own.
	RequestID string
	Parent    string
	// Seed is the seed of the call's random stream.
	Seed [32]byte
	// Now is the clock the function saw, in milliseconds since the Unix epoch.
	Now int64
	// Attempts is how many times the call was run until it committed, this run included.
	Attempts uint32
	// Lost are the entries that earlier attempts lost against, in the order of the losses.
	Lost []Offset
}

// A Write is one document's change.
type Write struct {
	ID value.ID
	// Before is the version this write replaced; 0 if there was no document.
	Before Timestamp
	// BeforeBody is the document at Before. Append files it as history; an entry does not carry it, so an entry that
	// was read back has none.
	// Invariant: BeforeBody is set in an appended entry if and only if Before is.
	BeforeBody value.Encoded
	// After is the document from this entry on; nil deletes it.
	After value.Encoded
}

// A LogLine is one line that a function wrote to its console, as its client saw it.
type LogLine struct {
	// Level is "DEBUG", "ERROR", "WARN", "INFO" or "LOG".
	Level string
	Text  string
	// Path names the nested function that wrote the line; empty for the call's own.
	Path string
	// Time is the clock the function saw, in milliseconds since the Unix epoch.
	Time int64
	// Truncated says that Text was cut.
	Truncated bool
}

// An Entry is one committed event. Once appended or read it is never changed, and any goroutine may read it.
type Entry struct {
	Offset    Offset
	Timestamp Timestamp
	// Snapshot is the timestamp the call read at.
	// Invariant: Snapshot < Timestamp.
	Snapshot Timestamp
	Call     Call
	// Reads is the encoded read set (package index knows its form) and ReadDigest the digest of its canonical form.
	Reads      []byte
	ReadDigest Hash
	// Writes are in the order the function made them; no document occurs twice.
	Writes []Write
	// ResultHash is the digest of the value the function returned.
	ResultHash Hash
	Logs       []LogLine

	// Prev is the Sum of the entry before, zero for the first. Sum covers Prev and everything above it.
	Prev, Sum Hash

	// format is the version of the entry as it was read; 0 is the newest.
	format     uint8
	payload    []byte // what Encode made, until the entry is appended
	payloadSum Hash
}

// A Blob is content kept beside the log under its own hash, such as a bundle.
type Blob struct {
	// Hash is the SHA-256 of Content.
	Hash    Hash
	Content []byte
}

// NewBlob returns the blob of a content, named by its hash.
func NewBlob(content []byte) Blob { return Blob{Hash: sha256.Sum256(content), Content: content} }

// A Head is the last entry of a log or of a part of it: how far it reaches, and the checksum that vouches for all
// before it. The zero Head is that of the empty log.
type Head struct {
	Offset    Offset
	Timestamp Timestamp
	Sum       Hash
}

// A Document is the live version of a document.
type Document struct {
	ID      value.ID
	Version Timestamp
	Body    value.Encoded
}

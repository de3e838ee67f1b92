package feed

import (
	_ "embed"
	"strconv"
	"strings"
)

// Version is the newest version of the envelope.
const Version = 1

//go:embed envelope.schema.json
var envelopeSchema string

// EnvelopeSchema is the JSON Schema (draft 2020-12) of a record's value, its parts joined.
func EnvelopeSchema() []byte { return []byte(envelopeSchema) }

// The headers of a record. All are text.
const (
	// HeaderVersion is the version of the envelope.
	HeaderVersion = "v"
	// HeaderType is one of the types below.
	HeaderType = "type"
	// HeaderLog is the identity of the database, 32 hexadecimal digits.
	HeaderLog = "log"
	// HeaderSeq is the number of the commit: its offset in the log, from 1, without gaps. Of a snapshot, that of the last
	// commit in it.
	HeaderSeq = "seq"
	// HeaderTS is the commit timestamp, in nanoseconds since the Unix epoch.
	HeaderTS = "ts"
	// HeaderEpoch is the producer epoch of the publisher.
	HeaderEpoch = "epoch"
	// HeaderPart is "i/n" if the record is the i-th of the n parts whose values, joined, are the envelope.
	HeaderPart = "part"
	// HeaderFunction is the function that was called, of a commit.
	HeaderFunction = "fn"
	// HeaderSum is the start of the checksum that vouches for the log up to this commit, in hexadecimal.
	HeaderSum = "sum"
	// HeaderOwner names the process that wrote a barrier.
	HeaderOwner = "owner"
	// HeaderChunk is the number of a chunk of a snapshot, from 1, with "/last" after the last one's.
	HeaderChunk = "chunk"
	// HeaderAfter is the id of the last document in a chunk of a snapshot.
	HeaderAfter = "after"
)

// The types of records.
const (
	// TypeCommit is a commit, or a part of one.
	TypeCommit = "commit"
	// TypeSnapshot is a chunk of a snapshot, or a part of one.
	TypeSnapshot = "snapshot"
	// TypeBarrier marks where a publisher took over. Parts before it that are not complete were given up.
	TypeBarrier = "barrier"
)

// A Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is what the topic holds, from any client.
type Record struct {
	Offset  int64
	Value   []byte
	Headers []Header
}

func (r *Record) header(key string) (string, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// Meta is what the headers of a record say.
type Meta struct {
	Version   int
	Type, Log string
	Seq       uint64
	// Part of Parts, from 1; 1 of 1 if the record is whole.
	Part, Parts int
	// Chunk is the number of a snapshot's chunk, LastChunk says that it is the last, and After where it ends.
	Chunk     int
	LastChunk bool
	After     string
	// Sum is the checksum of the log up to the commit, Owner who wrote a barrier.
	Sum, Owner string
}

// Meta reads the headers; the error is a *FormatError.
func (r *Record) Meta() (Meta, error) {
	m := Meta{Part: 1, Parts: 1}
	v, ok := r.header(HeaderVersion)
	if !ok {
		return m, &FormatError{Offset: r.Offset, Reason: "it has no header v: it was not written by runlog"}
	}
	if m.Version, ok = count(v); !ok || m.Version > Version {
		return m, &FormatError{Offset: r.Offset, Reason: "its envelope has version " + v + ", and this package reads up to " +
			strconv.Itoa(Version) + ": update the consumer"}
	}
	m.Type, _ = r.header(HeaderType)
	m.Log, _ = r.header(HeaderLog)
	m.Sum, _ = r.header(HeaderSum)
	m.Owner, _ = r.header(HeaderOwner)
	m.After, _ = r.header(HeaderAfter)
	if m.Log == "" {
		return m, &FormatError{Offset: r.Offset, Reason: "it does not say whose log it is of"}
	}
	return m, r.numbers(&m)
}

// numbers reads what only commits and snapshots have.
func (r *Record) numbers(m *Meta) (err error) {
	if m.Type != TypeCommit && m.Type != TypeSnapshot {
		return nil
	}
	seq, _ := r.header(HeaderSeq)
	if m.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return &FormatError{Offset: r.Offset, Reason: "its header seq is " + strconv.Quote(seq)}
	}
	if part, ok := r.header(HeaderPart); ok {
		i, n, _ := strings.Cut(part, "/")
		var okI, okN bool
		m.Part, okI = count(i)
		m.Parts, okN = count(n)
		if !okI || !okN || m.Part > m.Parts {
			return &FormatError{Offset: r.Offset, Reason: "its header part is " + strconv.Quote(part)}
		}
	}
	if m.Type == TypeSnapshot {
		chunk, _ := r.header(HeaderChunk)
		number, last := strings.CutSuffix(chunk, "/last")
		var ok bool
		if m.Chunk, ok = count(number); !ok {
			return &FormatError{Offset: r.Offset, Reason: "its header chunk is " + strconv.Quote(chunk)}
		}
		m.LastChunk = last
	}
	return nil
}

// count reads a positive number.
func count(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0
}

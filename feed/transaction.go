package feed

import (
	"encoding/json"
	"fmt"

	"runlog/value"
)

// A Transaction is one commit, or a chunk of a snapshot: the envelope of docs/kafka.md.
type Transaction struct {
	Version int    `json:"v"`
	Type    string `json:"type"`
	Log     string `json:"log"`
	Seq     uint64 `json:"seq"`
	// TS is the commit timestamp in nanoseconds since the Unix epoch, a decimal number as text; Time says the same for people.
	TS   string `json:"ts"`
	Time string `json:"time"`
	// Call is what wrote, of a commit.
	Call *Call `json:"call,omitempty"`
	// Events happen before the writes.
	Events []Event `json:"events,omitempty"`
	// Writes are in the order the function made them; no document occurs twice.
	Writes []Write `json:"writes"`
	// Chunk and Last are of a snapshot: the first chunk has number 1 and replaces everything known before.
	Chunk int  `json:"chunk,omitempty"`
	Last  bool `json:"last,omitempty"`
}

// A Call is what wrote a commit.
type Call struct {
	// Kind is "mutation", "action", "httpAction" or "system".
	Kind      string `json:"kind"`
	Function  string `json:"fn"`
	RequestID string `json:"requestId,omitempty"`
	// Parent is the request that this call was made for, if it was not a client's own.
	Parent string `json:"parent,omitempty"`
}

// An Event is a change of what tables there are.
type Event struct {
	// Type is "truncate": Table is gone with all its documents; or "schema": Tables and Schema are as said from here on.
	Type   string          `json:"type"`
	Table  string          `json:"table,omitempty"`
	Tables []string        `json:"tables,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

// The operations of a write.
const (
	OpInsert = "insert"
	OpUpdate = "update"
	OpDelete = "delete"
	// OpRead is a document of a snapshot.
	OpRead = "read"
)

// A Write is one document's change.
type Write struct {
	Table string `json:"table"`
	ID    string `json:"id"`
	Op    string `json:"op"`
	// Before and After are the document in plain JSON, null where there is none. The types say what plain JSON cannot.
	Before      json.RawMessage `json:"before"`
	After       json.RawMessage `json:"after"`
	BeforeTypes Types           `json:"beforeTypes,omitempty"`
	AfterTypes  Types           `json:"afterTypes,omitempty"`
}

// BeforeValue returns the document before the write with its exact types; undefined if there was none.
func (w *Write) BeforeValue() (value.Value, error) { return restore(w.Before, w.BeforeTypes) }

// AfterValue returns the document after the write with its exact types; undefined if there is none.
func (w *Write) AfterValue() (value.Value, error) { return restore(w.After, w.AfterTypes) }

func restore(raw json.RawMessage, types Types) (value.Value, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return value.Undefined(), nil
	}
	return types.Restore(raw)
}

func decodeTransaction(offset int64, m Meta, text []byte) (*Transaction, error) {
	t := &Transaction{}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, &FormatError{Offset: offset, Reason: err.Error()}
	}
	if t.Seq != m.Seq || t.Log != m.Log || t.Type != m.Type {
		return nil, &FormatError{Offset: offset, Reason: fmt.Sprintf("its headers say %s %d of log %s, its value says %s %d of log %s",
			m.Type, m.Seq, m.Log, t.Type, t.Seq, t.Log)}
	}
	return t, nil
}

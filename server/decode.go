package server

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"runlog/exec"
	"runlog/log"
	"runlog/value"
)

// A callRequest is the body of a function route: which function, with what, answered in which form.
type callRequest struct {
	path      string
	args      []byte // JSON text, a part of the body
	format    string // "" = by the client's version
	component string
	adminKey  string
	timestamp string

	has struct{ path, args, timestamp bool }
}

// field reads one field of the envelope. Names nobody knows are skipped.
func (q *callRequest) field(s *scanner, name []byte) (err error) {
	switch string(name) {
	case "path":
		if err := once(&q.has.path, name); err != nil {
			return err
		}
		return required(s, "path", &q.path)
	case "args":
		if err := once(&q.has.args, name); err != nil {
			return err
		}
		q.args, err = s.span()
	case "ts":
		if err := once(&q.has.timestamp, name); err != nil {
			return err
		}
		return required(s, "ts", &q.timestamp)
	case "format":
		q.format, err = s.optionalString("format")
	case "componentPath":
		q.component, err = s.optionalString("componentPath")
	case "adminKey":
		q.adminKey, err = s.optionalString("adminKey")
	default:
		err = s.skip()
	}
	return err
}

func once(seen *bool, name []byte) error {
	if *seen {
		return errShape("duplicate field `%s`", name)
	}
	*seen = true
	return nil
}

func required(s *scanner, name string, to *string) error {
	if s.peek() != '"' {
		return errShape("`%s` must be a string", name)
	}
	text, err := s.string()
	*to = string(text)
	return err
}

// decode reads a body that is one call. named says that the body holds the function's path.
func (q *callRequest) decode(body []byte, named bool) error {
	s := scanner{text: body}
	if err := s.object(func(name []byte) error { return q.field(&s, name) }); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	return q.complete(named)
}

func (q *callRequest) complete(named bool) error {
	if named && !q.has.path {
		return errShape("missing field `path`")
	}
	if !q.has.args {
		return errShape("missing field `args`")
	}
	return nil
}

// decodeBatch reads a body of several calls.
func decodeBatch(body []byte) ([]callRequest, error) {
	var calls []callRequest
	found := false
	s := scanner{text: body}
	element := func() error {
		var q callRequest
		if err := s.object(func(name []byte) error { return q.field(&s, name) }); err != nil {
			return err
		}
		calls = append(calls, q)
		return q.complete(true)
	}
	err := s.object(func(name []byte) error {
		if string(name) != "queries" {
			return s.skip()
		}
		if err := once(&found, name); err != nil {
			return err
		}
		return s.array(element)
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errShape("missing field `queries`")
	}
	return calls, s.end()
}

// arguments returns the one object a function receives. Clients send it bare, or alone in an array; another value
// than an object goes on as it is, for the Runner to refuse.
//
// A value that no document could hold, in JSON that is well-formed, is the fault of the call and not of the
// request: the error is an *exec.FunctionError then.
func (q *callRequest) arguments() (value.Value, error) {
	text := q.args
	several := 0
	if len(text) > 0 && text[0] == '[' {
		count, first, err := countElements(text)
		switch {
		case err != nil:
			return value.Value{}, err
		case count == 0:
			return value.OfObject(nil), nil
		case count == 1:
			text = first // the array is an envelope and counts for no limit
		default:
			several = count
		}
	}
	v, err := value.ParseJSON(text)
	if err != nil {
		return v, argumentError(q.path, err)
	}
	if several > 0 {
		return v, &exec.FunctionError{Message: fmt.Sprintf("Expected to receive a single object as the function's argument. "+
			"Instead received %d arguments: %s\n", several, v)}
	}
	return v, nil
}

// countElements returns how many elements the array has, and the text of the first.
func countElements(array []byte) (n int, first []byte, err error) {
	s := scanner{text: array}
	err = s.array(func() error {
		span, err := s.span()
		if n == 0 {
			first = span
		}
		n++
		return err
	})
	return n, first, err
}

func argumentError(path string, err error) error {
	var invalid *value.Error
	if !errors.As(err, &invalid) {
		return errJSON("args: %v", err)
	}
	if invalid.Code == "InvalidJson" || invalid.Code == "InvalidString" { // not JSON, or not even text
		return errJSON("args: %s", strings.TrimPrefix(invalid.Message, "Invalid JSON: "))
	}
	return &exec.FunctionError{Message: fmt.Sprintf("Invalid arguments for %s: %s\n", path, invalid.Message)}
}

// formatOr returns the form the request asks for, or the given one if it asks for none.
func (q *callRequest) formatOr(fallback value.Format) (value.Format, error) {
	if q.format == "" {
		return fallback, nil
	}
	f, err := value.ParseFormat(q.format)
	if err != nil {
		return f, errFormat(q.format)
	}
	return f, nil
}

// parseTimestamp reads base64 of 8 bytes, little endian.
func parseTimestamp(text string) (log.Timestamp, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 8 {
		return 0, errShape("`ts` must be base64 of 8 bytes")
	}
	// Timestamp 0 is before every commit; for the Runner it would mean the latest.
	return log.Timestamp(max(binary.LittleEndian.Uint64(raw), 1)), nil
}

func appendTimestamp(dst []byte, ts log.Timestamp) []byte {
	return base64.StdEncoding.AppendEncode(dst, binary.LittleEndian.AppendUint64(nil, uint64(ts)))
}

package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"runlog/exec"
	"runlog/log"
	"runlog/value"
)

// A message is what a client sends, of any type: each uses some of the fields. Fields nobody knows are ignored.
type message struct {
	Type string `json:"type"`

	SessionID            string   `json:"sessionId"`
	MaxObservedTimestamp *string  `json:"maxObservedTimestamp"`
	ClientTS             *float64 `json:"clientTs"`

	BaseVersion   *uint32         `json:"baseVersion"`
	NewVersion    *uint32         `json:"newVersion"`
	Modifications []modification  `json:"modifications"`
	TokenType     string          `json:"tokenType"`
	Value         string          `json:"value"`
	Impersonating json.RawMessage `json:"impersonating"`
	ActingAs      json.RawMessage `json:"acting_as"`

	RequestID     *uint32         `json:"requestId"`
	UDFPath       *string         `json:"udfPath"`
	Args          json.RawMessage `json:"args"`
	ComponentPath *string         `json:"componentPath"`
}

// A modification adds a query to the set, or removes one.
type modification struct {
	Type          string          `json:"type"`
	QueryID       *uint32         `json:"queryId"`
	UDFPath       *string         `json:"udfPath"`
	Args          json.RawMessage `json:"args"`
	Journal       *string         `json:"journal"`
	ComponentPath *string         `json:"componentPath"`
}

// A protocolError is the client's fault: trying again will not help, so it is told to give up.
type protocolError struct{ code, text string }

func (e *protocolError) Error() string { return e.code + ": " + e.text }

func malformed(format string, args ...any) error {
	return &protocolError{"WSMessageInvalidJson", "Received Invalid JSON on websocket: " + fmt.Sprintf(format, args...)}
}

// decode reads a frame.
func decode(frame []byte) (*message, error) {
	m := &message{}
	if err := json.Unmarshal(frame, m); err != nil {
		return nil, malformed("%v", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// check reports what a message of its type lacks.
func (m *message) check() error {
	missing := func(name string, is bool) error {
		if is {
			return malformed("missing field `%s` of %s", name, m.Type)
		}
		return nil
	}
	switch m.Type {
	case "Connect":
		return missing("sessionId", m.SessionID == "")
	case "Authenticate":
		return errors.Join(missing("baseVersion", m.BaseVersion == nil), missing("tokenType", m.TokenType == ""))
	case "ModifyQuerySet":
		errs := []error{missing("baseVersion", m.BaseVersion == nil), missing("newVersion", m.NewVersion == nil)}
		for i := range m.Modifications {
			errs = append(errs, m.Modifications[i].check())
		}
		return first(errs)
	case "Mutation", "Action":
		return first([]error{missing("requestId", m.RequestID == nil), missing("udfPath", m.UDFPath == nil), missing("args", m.Args == nil)})
	case "Event":
		return nil
	}
	return malformed("unknown type %q", m.Type)
}

func (m *modification) check() error {
	switch {
	case m.Type != "Add" && m.Type != "Remove":
		return malformed("unknown type %q of a modification", m.Type)
	case m.QueryID == nil:
		return malformed("missing field `queryId` of %s", m.Type)
	case m.Type == "Add" && (m.UDFPath == nil || m.Args == nil):
		return malformed("missing field `udfPath` or `args` of Add")
	}
	return nil
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// parseSessionID reads a UUID.
func parseSessionID(text string) (id [16]byte, err error) {
	raw := strings.ReplaceAll(text, "-", "")
	if n, err := hex.Decode(id[:], []byte(raw)); err != nil || n != len(id) || len(raw) != 2*len(id) {
		return id, malformed("`sessionId` must be a UUID")
	}
	return id, nil
}

func parseTimestamp(text string) (log.Timestamp, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 8 {
		return 0, malformed("a timestamp must be base64 of 8 bytes")
	}
	return log.Timestamp(binary.LittleEndian.Uint64(raw)), nil
}

func appendTimestamp(dst []byte, ts log.Timestamp) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, binary.LittleEndian.AppendUint64(nil, uint64(ts)))
	return append(dst, '"')
}

// parseArguments returns the one object a function receives. Clients send it alone in an array, or bare; another value than an
// object goes on as it is, for the runner to refuse. The error is an *exec.FunctionError: no document could hold the value.
func parseArguments(path string, text json.RawMessage) (value.Value, error) {
	several := 0
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(trimmed, &list); err != nil {
			return value.Value{}, invalidArguments(path, err)
		}
		switch len(list) {
		case 0:
			return value.OfObject(nil), nil
		case 1:
			text = list[0]
		default:
			several = len(list)
		}
	}
	v, err := value.ParseJSON(text)
	switch {
	case err != nil:
		return v, invalidArguments(path, err)
	case several > 0:
		return v, &exec.FunctionError{Message: fmt.Sprintf("Expected to receive a single object as the function's argument. "+
			"Instead received %d arguments: %s\n", several, v)}
	}
	return v, nil
}

func invalidArguments(path string, err error) error {
	text := err.Error()
	var invalid *value.Error
	if errors.As(err, &invalid) {
		text = invalid.Message
	}
	return &exec.FunctionError{Message: fmt.Sprintf("Invalid arguments for %s: %s\n", path, text)}
}

// noComponent refuses a path into a component: there are none.
func noComponent(path, component string) error {
	return &exec.FunctionError{Message: fmt.Sprintf("Could not find public function for '%s' in '%s'.\n", path, component)}
}

package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"runlog/exec"
	"runlog/subscriptions"
	"runlog/value"
)

// requestID names a mutation or action in error texts and in the log.
func requestID(session [16]byte, request uint32) string {
	b := session[:]
	text := fmt.Sprintf("%x-%x-%x-%x-%x|%d", b[:4], b[4:6], b[6:8], b[8:10], b[10:], request)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func appendString(dst []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(dst, text...)
}

func appendLogs(dst []byte, lines []string, redact bool) []byte {
	dst = append(dst, `"logLines":[`...)
	if !redact {
		for i, line := range lines {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, line)
		}
	}
	return append(dst, ']')
}

// appendErrorText appends what clients see of a failure. Data is sent apart, and always.
func appendErrorText(dst []byte, requestID string, e *exec.FunctionError, redact bool) []byte {
	text := "[Request ID: " + requestID + "] Server Error"
	if !redact {
		text += "\n" + e.Message
	}
	return appendString(dst, text)
}

func appendErrorData(dst []byte, e *exec.FunctionError) []byte {
	if e.Data == nil {
		return dst
	}
	return value.AppendJSONEncoded(append(dst, `,"errorData":`...), e.Data, value.FormatEncoded)
}

func appendResponse(kind string, request uint32, success bool) []byte {
	dst := append(make([]byte, 0, 256), `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `Response","requestId":`...)
	dst = strconv.AppendUint(dst, uint64(request), 10)
	dst = append(dst, `,"success":`...)
	dst = strconv.AppendBool(dst, success)
	return append(dst, `,"result":`...)
}

func mutationSucceeded(request uint32, o *exec.Outcome, redact bool) []byte {
	dst := value.AppendJSONEncoded(appendResponse("Mutation", request, true), o.Value, value.FormatEncoded)
	dst = appendTimestamp(append(dst, `,"ts":`...), o.Timestamp)
	return append(appendLogs(append(dst, ','), o.Logs, redact), '}')
}

func mutationFailed(request uint32, id string, e *exec.FunctionError, redact bool) []byte {
	dst := appendErrorText(appendResponse("Mutation", request, false), id, e, redact)
	dst = appendLogs(append(dst, `,"ts":null,`...), e.Logs, redact)
	return append(appendErrorData(dst, e), '}')
}

func actionSucceeded(request uint32, o *exec.Outcome, redact bool) []byte {
	dst := value.AppendJSONEncoded(appendResponse("Action", request, true), o.Value, value.FormatEncoded)
	return append(appendLogs(append(dst, ','), o.Logs, redact), '}')
}

func actionFailed(request uint32, id string, e *exec.FunctionError, redact bool) []byte {
	dst := appendErrorText(appendResponse("Action", request, false), id, e, redact)
	dst = appendLogs(append(dst, ','), e.Logs, redact)
	return append(appendErrorData(dst, e), '}')
}

func fatal(text string) []byte {
	return append(appendString([]byte(`{"type":"FatalError","error":`), text), '}')
}

func authError(text string, base uint32, attempted bool) []byte {
	dst := appendString([]byte(`{"type":"AuthError","error":`), text)
	dst = strconv.AppendUint(append(dst, `,"baseVersion":`...), uint64(base), 10)
	return append(strconv.AppendBool(append(dst, `,"authUpdateAttempted":`...), attempted), '}')
}

// asFailure is err as an answer; false if trying again may help, or nobody can.
func asFailure(err error) (*exec.FunctionError, bool) {
	var failed *exec.FunctionError
	if errors.As(err, &failed) {
		return failed, true
	}
	var system *exec.SystemError
	if errors.As(err, &system) && system.Status < http.StatusInternalServerError &&
		system.Status != http.StatusTooManyRequests && system.Status != http.StatusRequestTimeout {
		return &exec.FunctionError{Message: system.Message + "\n"}, true
	}
	return nil, false
}

// systemMessage is what a client may know of a failure that is no function's.
func systemMessage(err error) string {
	var system *exec.SystemError
	if errors.As(err, &system) {
		return system.Message
	}
	return "Your request couldn't be completed. Try again later."
}

// transition tells the client of the update that was made, if there is anything to tell.
func (s *Session) transition(now time.Time) {
	var modifications [][]byte
	for _, id := range sorted(s.unsent) {
		if q := s.queries[id]; q.added <= s.target.querySet {
			delete(s.unsent, id)
			modifications = append(modifications, s.queryModification(id, q)...)
		}
	}
	for _, id := range sorted(s.removed) {
		if s.removed[id] <= s.target.querySet {
			delete(s.removed, id)
			modifications = append(modifications, fmt.Appendf(nil, `,{"type":"QueryRemoved","queryId":%d}`, id))
		}
	}
	settled := s.owing && s.target.ts >= s.owed
	if modifications == nil && !settled && s.target.querySet == s.sent.querySet && s.target.identity == s.sent.identity {
		return
	}
	if settled {
		s.owing = false
	}
	if modifications != nil {
		modifications[0] = modifications[0][1:] // the comma before the first
	}
	parts := append([][]byte{s.transitionHead(now)}, modifications...)
	s.sendTransition(append(parts, []byte(`]}`)))
	s.sent = s.target
}

// transitionHead is a transition up to its modifications.
func (s *Session) transitionHead(now time.Time) []byte {
	dst := append(make([]byte, 0, 256), `{"type":"Transition","startVersion":`...)
	dst = s.sent.append(dst)
	dst = s.target.append(append(dst, `,"endVersion":`...))
	if s.skew != nil {
		dst = strconv.AppendInt(append(dst, `,"clientClockSkew":`...), *s.skew, 10)
		dst = strconv.AppendInt(append(dst, `,"serverTs":`...), now.UnixNano(), 10)
	}
	return append(dst, `,"modifications":[`...)
}

func (v version) append(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, `{"querySet":`...), uint64(v.querySet), 10)
	dst = strconv.AppendUint(append(dst, `,"identity":`...), uint64(v.identity), 10)
	return append(appendTimestamp(append(dst, `,"ts":`...), v.ts), '}')
}

// queryModification is what the client has to be told of a query, after a comma; nil if it knows.
func (s *Session) queryModification(id uint32, q *query) [][]byte {
	if q.failed != nil {
		return modificationOf(id, "QueryFailed", s.render(&subscriptions.Result{Err: q.failed}))
	}
	if q.latest == nil || q.sent && q.digest == q.latest.Digest() {
		return nil
	}
	q.sent, q.digest = true, q.latest.Digest()
	kind := "QueryUpdated"
	if q.latest.Err != nil {
		kind = "QueryFailed"
	}
	return modificationOf(id, kind, q.latest.Text(s.render))
}

// render makes the part of a modification that all who follow the query share.
func (s *Session) render(r *subscriptions.Result) []byte {
	dst := make([]byte, 0, 128+2*len(r.Value))
	if r.Err == nil {
		dst = value.AppendJSONEncoded(append(dst, `,"value":`...), r.Value, value.FormatEncoded)
		dst = appendLogs(append(dst, ','), r.Logs, s.options.Redact)
	} else {
		failed, ok := asFailure(r.Err)
		if !ok {
			failed = &exec.FunctionError{Message: systemMessage(r.Err) + "\n"}
		}
		dst = appendErrorText(append(dst, `,"errorMessage":`...), s.options.RequestID(), failed, s.options.Redact)
		dst = appendLogs(append(dst, ','), failed.Logs, s.options.Redact)
		dst = appendErrorData(dst, failed)
	}
	dst = append(dst, `,"journal":`...)
	if r.Journal == "" {
		return append(dst, `null}`...)
	}
	return append(appendString(dst, r.Journal), '}')
}

// sendTransition sends a transition whole, or in parts to a client that wants large ones so.
func (s *Session) sendTransition(parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if !s.options.Chunked || size <= s.options.ChunkSize {
		s.send(parts...)
		return
	}
	whole := make([]byte, 0, size)
	for _, p := range parts {
		whole = append(whole, p...)
	}
	pieces := cut(whole, s.options.ChunkSize)
	for i, piece := range pieces {
		dst := appendString([]byte(`{"type":"TransitionChunk","chunk":`), string(piece))
		s.send(fmt.Appendf(dst, `,"partNumber":%d,"totalParts":%d,"transitionId":"%d"}`, i, len(pieces), size))
	}
}

// cut divides text into pieces of at most size bytes, between characters.
func cut(text []byte, size int) (pieces [][]byte) {
	for len(text) > size {
		end := size
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	return append(pieces, text)
}

func modificationOf(id uint32, kind string, rest []byte) [][]byte {
	return [][]byte{fmt.Appendf(nil, `,{"type":"%s","queryId":%d`, kind, id), rest}
}

// TooLarge tells a client that its message is larger than limit bytes. Sending it again would not help.
func TooLarge(limit int64) []byte {
	return fatal(fmt.Sprintf("The message is too large (maximum size %d bytes)", limit))
}

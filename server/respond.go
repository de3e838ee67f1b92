package server

import (
	"errors"
	"net/http"

	"runlog/exec"
	"runlog/value"
)

// respond writes what a call came to. A function's own failure is an answer like any other, with status 200; what
// the server failed at goes back as an error.
func (x *exchange) respond(outcome *exec.Outcome, err error, format value.Format) error {
	out, err := x.appendResult(x.out[:0], outcome, err, format)
	x.out = out
	if err != nil {
		return err
	}
	x.send(http.StatusOK, contentJSON, out)
	return nil
}

func (x *exchange) respondBatch(results []exec.BatchResult, formats []value.Format) (err error) {
	out := append(x.out[:0], `{"results":[`...)
	for i, r := range results {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = x.appendResult(out, r.Outcome, r.Err, formats[i]); err != nil {
			return err
		}
	}
	x.out = append(out, `]}`...)
	x.send(http.StatusOK, contentJSON, x.out)
	return nil
}

// appendResult appends `{"status":"success",…}` or `{"status":"error",…}`, or returns the error that is neither.
func (x *exchange) appendResult(out []byte, o *exec.Outcome, err error, f value.Format) ([]byte, error) {
	if err != nil {
		var failed *exec.FunctionError
		if !errors.As(err, &failed) {
			return out, err
		}
		return x.appendFailure(out, failed, f), nil
	}
	out = append(out, `{"status":"success","value":`...)
	out = value.AppendJSONEncoded(out, o.Value, f)
	out = x.appendLogs(out, o.Logs)
	return append(out, '}'), nil
}

// appendFailure withholds the text when redacting, but not data: a ConvexError is thrown to be seen.
//
// Clients take an errorData of null for a thrown null, so it is absent unless there is data.
func (x *exchange) appendFailure(out []byte, e *exec.FunctionError, f value.Format) []byte {
	out = append(out, `{"status":"error","errorMessage":`...)
	message := "[Request ID: " + x.id + "] Server Error"
	if !x.s.options.Redact {
		message += "\n" + e.Message
	}
	out = appendString(out, message)
	if e.Data != nil {
		out = append(out, `,"errorData":`...)
		out = value.AppendJSONEncoded(out, e.Data, f)
	}
	out = x.appendLogs(out, e.Logs)
	return append(out, '}')
}

func (x *exchange) appendLogs(out []byte, lines []string) []byte {
	if len(lines) == 0 || x.s.options.Redact {
		return out
	}
	out = append(out, `,"logLines":[`...)
	for i, line := range lines {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, line)
	}
	return append(out, ']')
}

package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"runlog/exec"
	"runlog/index"
	"runlog/internal/auth"
	"runlog/log"
	"runlog/subscriptions"
	"runlog/value"
)

// A script plays one connection: what a client sends, and in which order things end.
type script struct {
	s   *Session
	now time.Time
	// settled is when the mutation under way was committed; 0 if it was not.
	settled log.Timestamp
}

func newScript(d *datadriven.TestData) *script {
	o := Options{
		RequestID: func() string { return "0123456789abcdef" }, Latest: func() log.Timestamp { return 1000 },
		Redact: d != nil && d.HasArg("redact"), Limits: Limits{Queries: 3, Mutations: 2, Actions: 1, QueryBytes: 1000},
	}
	if d != nil && d.HasArg("chunked") {
		o.Chunked, o.ChunkSize = true, 150
	}
	p := &script{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	o.Settled = func(_ *exec.SessionRequest, ts log.Timestamp) (bool, error) {
		return p.settled != 0 && p.settled <= ts, nil
	}
	p.s = New(o, p.now)
	return p
}

// TestTranscripts runs testdata. Each command is followed by what is to be done then.
//
//	connection [redact] [chunked]        a new one
//	receive                              one frame a line
//	authenticated user=NAME | admin | refused | unreachable [expires=SECONDS]
//	update ts=N                          results, one a line: ID VALUE | ID !ERROR | ID VALUE journal=J
//	update overloaded | broken
//	commits ts=N                         the mutation under way; its outcome is not known here yet
//	mutation ts=N VALUE | !ERROR | overloaded
//	action N VALUE | !ERROR
//	notified, stop, later SECONDS
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		p := newScript(nil)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "connection" {
				p = newScript(d)
				return ""
			}
			return p.play(t, d)
		})
	})
}

func (p *script) play(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "receive":
		var out strings.Builder
		for line := range strings.SplitSeq(d.Input, "\n") {
			p.s.Receive([]byte(line), p.now)
			out.WriteString(describe(p.s.Ready(p.now)))
		}
		return out.String()
	case "authenticated":
		p.authenticated(d)
	case "update":
		u, err := p.update(t, d)
		p.s.Updated(u, err, p.now)
	case "commits":
		p.settled = log.Timestamp(argument(d, "ts"))
		return ""
	case "mutation":
		p.settled = 0
		o, err := outcome(t, d.Input, argument(d, "ts"))
		p.s.MutationDone(o, err, p.now)
	case "action":
		o, err := outcome(t, d.Input, 0)
		p.s.ActionDone(uint32(argument(d, "request")), o, err)
	case "notified":
		p.s.Notified()
	case "stop":
		p.s.Stop()
	case "later":
		p.now = p.now.Add(time.Duration(argument(d, "seconds")) * time.Second)
		p.s.Tick(p.now)
	default:
		t.Fatalf("%s: no such command %s", d.Pos, d.Cmd)
	}
	return describe(p.s.Ready(p.now))
}

func argument(d *datadriven.TestData, name string) int {
	for _, a := range d.CmdArgs {
		if a.Key == name {
			n, _ := strconv.Atoi(a.Vals[0])
			return n
		}
	}
	return 0
}

func (p *script) authenticated(d *datadriven.TestData) {
	var c auth.Caller
	var err error
	switch {
	case d.HasArg("refused"):
		err = &auth.Error{Code: "InvalidAuthHeader", Status: http.StatusUnauthorized, Message: "Could not parse the token."}
	case d.HasArg("unreachable"):
		err = &auth.Error{Code: "AuthProviderDiscoveryFailed", Status: http.StatusServiceUnavailable, Message: "No answer."}
	case d.HasArg("admin"):
		c.Admin = &auth.Grant{Name: "root", Ops: auth.AllOps()}
	default:
		var name string
		for _, a := range d.CmdArgs {
			if a.Key == "user" {
				name = a.Vals[0]
			}
		}
		c.User = &auth.User{TokenIdentifier: "i|" + name, Issuer: "i", Subject: name,
			Attributes: value.OfObject([]value.Field{{Name: "subject", Value: value.OfString(name)}})}
		if seconds := argument(d, "expires"); seconds != 0 {
			c.Expires = p.now.Add(time.Duration(seconds) * time.Second)
		}
	}
	p.s.Authenticated(c, err)
}

// update makes the results that are written one a line.
func (p *script) update(t *testing.T, d *datadriven.TestData) (*subscriptions.Update, error) {
	switch {
	case d.HasArg("overloaded"):
		return nil, &exec.SystemError{Code: "TooManyConcurrentRequests", Status: http.StatusTooManyRequests, Message: "Too many."}
	case d.HasArg("broken"):
		return nil, errors.New("secret detail")
	}
	u := &subscriptions.Update{Timestamp: log.Timestamp(argument(d, "ts")), Results: map[uint32]*subscriptions.Result{}}
	for line := range strings.Lines(d.Input) {
		id, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(id)
		if err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		text, journal, _ := strings.Cut(text, " journal=")
		o, err := outcome(t, text, 0)
		r := &subscriptions.Result{Journal: journal, Err: err, Reads: index.NewReadSet()}
		if err == nil {
			r.Value, r.Logs = o.Value, o.Logs
		}
		r.Seal(nil)
		u.Results[uint32(n)] = r
	}
	return u, nil
}

// outcome is a JSON value, or after a ! what was thrown.
func outcome(t *testing.T, text string, ts int) (*exec.Outcome, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "overloaded":
		return nil, &exec.SystemError{Code: "Overloaded", Status: http.StatusServiceUnavailable, Message: "Too much."}
	case strings.HasPrefix(text, "!!"):
		return nil, &exec.FunctionError{Message: "Uncaught ConvexError: " + text[2:] + "\n", Data: value.Encode(value.OfString(text[2:]))}
	case strings.HasPrefix(text, "!"):
		return nil, &exec.FunctionError{Message: "Uncaught Error: " + text[1:] + "\n", Logs: []string{"[LOG] 'before'"}}
	}
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return &exec.Outcome{Value: value.Encode(v), Timestamp: log.Timestamp(ts), Logs: []string{"[LOG] 'done'"}}, nil
}

// describe shows what is to be done, in order.
func describe(r Ready) string {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString("send ")
		for _, part := range m {
			b.Write(part)
		}
		b.WriteByte('\n')
	}
	for _, id := range r.Unsubscribe {
		fmt.Fprintf(&b, "unsubscribe %d\n", id)
	}
	for _, id := range sorted(r.Subscribe) {
		q := r.Subscribe[id]
		fmt.Fprintf(&b, "subscribe %d %s %s%s\n", id, q.Path, shown(q.Args), caller(q.Identity, q.Admin))
	}
	if c := r.Authenticate; c != nil {
		fmt.Fprintf(&b, "authenticate admin=%t %s %s\n", c.Admin, c.Token, c.Attributes)
	}
	if c := r.Mutation; c != nil {
		fmt.Fprintf(&b, "mutate %s %s request %s\n", c.Path, c.Args, c.RequestID)
	}
	for _, a := range r.Actions {
		fmt.Fprintf(&b, "act %d %s %s\n", a.Request, a.Call.Path, a.Call.Args)
	}
	if r.Update != nil {
		fmt.Fprintf(&b, "update to %d or later\n", r.Update.AtLeast)
	}
	if c := r.Close; c != nil {
		fmt.Fprintf(&b, "close %d %s\n", c.Code, c.Reason)
	}
	return b.String()
}

func shown(e value.Encoded) string {
	return string(value.AppendJSONEncoded(nil, e, value.FormatEncoded))
}

func caller(identity value.Encoded, admin bool) string {
	text := ""
	if identity != nil {
		text = " as " + shown(identity)
	}
	if admin {
		text += " admin"
	}
	return text
}

// FuzzReceive gives a session any frame, after any of a few beginnings: it must not panic, and what it sends must be JSON.
func FuzzReceive(f *testing.F) {
	for _, seed := range []string{
		`{"type":"Connect","sessionId":"00000000-0000-0000-0000-000000000001","connectionCount":0,"lastCloseReason":null}`,
		`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"m:f","args":[{}]}]}`,
		`{"type":"Mutation","requestId":0,"udfPath":"m:f","args":[{"a":{"$integer":"AAAAAAAAAAA="}}]}`,
		`{"type":"Action","requestId":0,"udfPath":"m:f","args":[]}`,
		`{"type":"Authenticate","baseVersion":0,"tokenType":"Admin","value":"k","impersonating":{"issuer":"i"}}`,
		`{"type":"Event","eventType":"x","event":{}}`, `[`, `{"type":1}`, "\xff", `{"type":"Mutation","requestId":-1}`,
	} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		p := newScript(nil)
		p.s.Receive([]byte(`{"type":"Connect","sessionId":"00000000-0000-0000-0000-000000000001"}`), p.now)
		for _, frame := range [][]byte{one, two} {
			p.s.Receive(frame, p.now)
			checkReady(t, p.s.Ready(p.now))
			p.s.Authenticated(auth.Caller{}, nil)
			if p.s.mutating {
				p.s.MutationDone(nil, &exec.FunctionError{Message: "no"}, p.now)
			}
			checkReady(t, p.s.Ready(p.now))
			if p.s.updating {
				p.s.Updated(&subscriptions.Update{Timestamp: 5}, nil, p.now)
			}
			checkReady(t, p.s.Ready(p.now))
		}
	})
}

// checkReady checks that what is sent is JSON, with all parts of a message together.
func checkReady(t *testing.T, r Ready) {
	t.Helper()
	for _, parts := range r.Messages {
		if whole := bytes.Join(parts, nil); !json.Valid(whole) {
			t.Fatalf("sent what is no JSON: %q", whole)
		}
	}
}

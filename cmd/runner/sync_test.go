package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"runlog/exec"
	"runlog/internal/engine"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/server"
	"runlog/server/session"
)

// A lateRunner answers a mutation only when it has been asked whether an update shows it, and it does.
type lateRunner struct {
	*exec.Runner
	asked sync.Once
	early chan struct{} // closed when an update has overtaken a mutation's answer
}

func (r *lateRunner) Mutation(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	o, err := r.Runner.Mutation(ctx, c)
	<-r.early
	return o, err
}

func (r *lateRunner) Answered(s *exec.SessionRequest, ts log.Timestamp) (bool, error) {
	shown, err := r.Runner.Answered(s, ts)
	if shown {
		r.release()
	}
	return shown, err
}

func (r *lateRunner) release() { r.asked.Do(func() { close(r.early) }) }

const countingApp = `
import { action, query, mutation } from "./_generated/server";
export const count = query(async (ctx) => (await ctx.db.query("items").collect()).length);
export const act = action(async () => null);
export const add = mutation(async (ctx) => { await ctx.db.insert("items", {}); });
`

// openCounting opens a database with a query that counts, a mutation that adds, and an action.
func openCounting(t *testing.T) *engine.Engine {
	t.Helper()
	app := t.TempDir()
	if err := os.MkdirAll(filepath.Join(app, "convex"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "convex", "items.ts"), []byte(countingApp), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	b, _, err := bundle.Build(t.Context(), bundle.Options{Dir: app})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Deployer.Push(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return e
}

// serveSync serves clients of a database until the test ends, with a runner in front of its own.
func serveSync(t *testing.T, e *engine.Engine, runner server.Runner, o server.Options) (url string) {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Attach(server.Backend{Runner: runner, Live: e.Live})
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	return front.URL
}

// dialSync connects a client and sends frames.
func dialSync(t *testing.T, url string, frames ...string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url+"/api/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	for _, frame := range frames {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// nextOf returns the next message but pings.
func nextOf(t *testing.T, conn *websocket.Conn) (m struct{ Type string }, frame []byte) {
	t.Helper()
	for {
		_, frame, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(frame, &m); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if m.Type != "Ping" {
			return m, frame
		}
	}
}

const (
	connectFrame = `{"type":"Connect","sessionId":"00000000-0000-4000-8000-000000000001","connectionCount":0,"lastCloseReason":null}`
	followFrame  = `{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"items:count","args":[{}]}]}`
	addFrame     = `{"type":"Mutation","requestId":0,"udfPath":"items:add","args":[{}]}`
)

// TestResponseBeforeTransition has the answer of a mutation be later than the update that shows it.
func TestResponseBeforeTransition(t *testing.T) {
	e := openCounting(t)
	runner := &lateRunner{Runner: e.Runner, early: make(chan struct{})}
	t.Cleanup(runner.release)
	conn := dialSync(t, serveSync(t, e, runner, server.Options{}), connectFrame, followFrame)
	if m, frame := nextOf(t, conn); m.Type != "Transition" {
		t.Fatalf("the first message is %s", frame)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(addFrame)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MutationResponse", "Transition"} {
		if m, frame := nextOf(t, conn); m.Type != want {
			t.Fatalf("got %s, want a %s", frame, want)
		}
	}
}

// A heldRunner runs mutations and actions when its gate is open.
type heldRunner struct {
	*exec.Runner
	gate chan struct{} // closed to open it
}

func (r *heldRunner) Mutation(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	<-r.gate
	return r.Runner.Mutation(ctx, c)
}

func (r *heldRunner) Action(ctx context.Context, c exec.Call) (*exec.Outcome, error) {
	<-r.gate
	return r.Runner.Action(ctx, c)
}

// requests are n messages of a kind, mutations or actions.
func requests(kind, path string, n int) (frames []string) {
	for i := range n {
		frames = append(frames, fmt.Sprintf(`{"type":%q,"requestId":%d,"udfPath":%q,"args":[{}]}`, kind, i, path))
	}
	return frames
}

// adds is a message that adds n queries, with args as their argument.
func adds(base, n int, args string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"type":"Add","queryId":%d,"udfPath":"items:count","args":[%s]}`, i, args))
	}
	return fmt.Sprintf(`{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[%s]}`, base, base+1, strings.Join(all, ","))
}

// event is a message of a size in bytes.
func event(size int) string {
	const head, tail = `{"type":"Event","eventType":"x","event":"`, `"}`
	return head + strings.Repeat("a", size-len(head)-len(tail)) + tail
}

// TestSocketLimits sends clients' messages up to each limit, which are served, and beyond, which end the connection with a reason.
func TestSocketLimits(t *testing.T) {
	o := server.Options{MessageLimit: 100_000, SessionLimits: session.Limits{Queries: 3, Mutations: 4, Actions: 5, QueryBytes: 1000}}
	none := adds(0, 0, "")
	for name, c := range map[string]struct {
		// within is served, and answered with as many messages of the type besides one transition.
		within  []string
		answers int
		answer  string
		// beyond closes the connection, after a FatalError if one is given.
		beyond []string
		fatal  string
		code   websocket.StatusCode
		reason string
	}{
		"message":           {within: []string{event(100_000), none}, beyond: []string{event(100_001)}, fatal: "maximum size 100000 bytes", code: websocket.StatusMessageTooBig, reason: "too large"},
		"queries":           {within: []string{adds(0, 3, "{}")}, beyond: []string{adds(0, 4, "{}")}, fatal: "up to 3 queries", code: websocket.StatusNoStatusRcvd},
		"queries' bytes":    {within: []string{adds(0, 1, `{"a":"`+strings.Repeat("a", 900)+`"}`)}, beyond: []string{adds(0, 1, `{"a":"`+strings.Repeat("a", 1000)+`"}`)}, fatal: "up to 1000 bytes", code: websocket.StatusNoStatusRcvd},
		"pending mutations": {within: append(requests("Mutation", "items:add", 4), none), answers: 4, answer: "MutationResponse", beyond: requests("Mutation", "items:add", 5), code: websocket.StatusTryAgainLater, reason: "TooManyConcurrentMutations"},
		"running actions":   {within: append(requests("Action", "items:act", 5), none), answers: 5, answer: "ActionResponse", beyond: requests("Action", "items:act", 6), code: websocket.StatusTryAgainLater, reason: "TooManyInflightActionsForSingleClient"},
	} {
		t.Run(name, func(t *testing.T) {
			e := openCounting(t)
			runner := &heldRunner{Runner: e.Runner, gate: make(chan struct{})}
			open := sync.OnceFunc(func() { close(runner.gate) })
			t.Cleanup(open)
			url := serveSync(t, e, runner, o)
			closed := dialSync(t, url, append([]string{connectFrame}, c.beyond...)...)
			expectClose(t, closed, c.fatal, c.code, c.reason)
			served := dialSync(t, url, append([]string{connectFrame}, c.within...)...)
			if m, frame := nextOf(t, served); m.Type != "Transition" {
				t.Fatalf("got %s, want a Transition", frame)
			}
			open() // all has been received: frames are handled in order
			for answered := 0; answered < c.answers; {
				if m, frame := nextOf(t, served); m.Type == c.answer && bytes.Contains(frame, []byte(`"success":true`)) {
					answered++
				} else if m.Type != "Transition" {
					t.Fatalf("got %s, want a %s", frame, c.answer)
				}
			}
		})
	}
}

// TestSessionsMax: one more client than there may be is told to come back, and may when another has left.
func TestSessionsMax(t *testing.T) {
	e := openCounting(t)
	url := serveSync(t, e, e.Runner, server.Options{SessionsMax: 2})
	one := dialSync(t, url, connectFrame, followFrame)
	two := dialSync(t, url, connectFrame, followFrame)
	nextOf(t, one)
	nextOf(t, two)
	expectClose(t, dialSync(t, url), "", websocket.StatusTryAgainLater, "TooManyConcurrentRequests")
	one.Close(websocket.StatusNormalClosure, "")
	for { // the place is free soon after the goodbye
		three := dialSync(t, url)
		three.Write(t.Context(), websocket.MessageText, []byte(connectFrame))
		three.Write(t.Context(), websocket.MessageText, []byte(followFrame))
		if _, _, err := three.Read(t.Context()); err == nil {
			return
		} else if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
			t.Fatal(err)
		}
	}
}

// expectClose reads a FatalError, if fatal is part of one, and the end of the connection.
func expectClose(t *testing.T, conn *websocket.Conn, fatal string, code websocket.StatusCode, reason string) {
	t.Helper()
	if fatal != "" {
		if m, frame := nextOf(t, conn); m.Type != "FatalError" || !bytes.Contains(frame, []byte(fatal)) {
			t.Errorf("got %s, want a FatalError with %q", frame, fatal)
		}
	}
	_, frame, err := conn.Read(t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, reason) {
		t.Errorf("got %q, %v; want a close with %d %s", frame, err, code, reason)
	}
}

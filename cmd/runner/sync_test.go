package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"runlog/exec"
	"runlog/internal/engine"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/server"
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
import { query, mutation } from "./_generated/server";
export const count = query(async (ctx) => (await ctx.db.query("items").collect()).length);
export const add = mutation(async (ctx) => { await ctx.db.insert("items", {}); });
`

// openCounting opens a database with a query that counts and a mutation that adds.
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
	s, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Attach(server.Backend{Runner: runner, Live: e.Live})
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	conn := dialSync(t, front.URL, connectFrame, followFrame)
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

package engine

import (
	"sync"
	"testing"
	"time"

	"runlog/exec"
	"runlog/internal/clock"
)

// TestAnsweredOnce sends one request many times at once and then again, as a client does that lost its connection.
func TestAnsweredOnce(t *testing.T) {
	e := openApp(t, Options{}, cacheApp)
	put := callOf(t, "items:put", `{"group":"a","n":1}`)
	put.Session = &exec.SessionRequest{Session: [16]byte{1}, Request: 7}
	var outcomes [8]*exec.Outcome
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() { // ends with the call
			var err error
			if outcomes[i], err = e.Runner.Mutation(t.Context(), put); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, o := range outcomes {
		if difference := sameAnswer(o, nil, outcomes[0], nil); difference != "" || o.Timestamp != outcomes[0].Timestamp {
			t.Errorf("at %d and %d: %s", o.Timestamp, outcomes[0].Timestamp, difference)
		}
	}
	count := func() float64 {
		t.Helper()
		o, err := e.Runner.Query(t.Context(), callOf(t, "items:count", `{}`))
		if err != nil {
			t.Fatal(err)
		}
		return o.Value.Float64()
	}
	if n := count(); n != 1 {
		t.Errorf("one request, sent %d times, left %v documents", len(outcomes), n)
	}
	for _, other := range []exec.SessionRequest{{Session: [16]byte{1}, Request: 8}, {Session: [16]byte{2}, Request: 7}} {
		put.Session = &other
		if _, err := e.Runner.Mutation(t.Context(), put); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 3 {
		t.Errorf("three requests left %v documents", n)
	}
}

// TestFailuresAreNotRecorded repeats a request that failed when it can succeed.
func TestFailuresAreNotRecorded(t *testing.T) {
	e := openApp(t, Options{}, "-- m.ts --\n"+`
import { mutation } from "./_generated/server";
export const fill = mutation(async (ctx) => {
  const first = await ctx.db.query("things").first();
  if (!first) throw new Error("empty");
  return first.n;
});
export const add = mutation(async (ctx) => { await ctx.db.insert("things", { n: 1 }); });
`)
	fill := callOf(t, "m:fill", `{}`)
	fill.Session = &exec.SessionRequest{Session: [16]byte{1}, Request: 1}
	if _, err := e.Runner.Mutation(t.Context(), fill); err == nil {
		t.Fatal("m:fill succeeded on no data")
	}
	if _, err := e.Runner.Mutation(t.Context(), callOf(t, "m:add", `{}`)); err != nil {
		t.Fatal(err)
	}
	if o, err := e.Runner.Mutation(t.Context(), fill); err != nil || o.Value.Float64() != 1 {
		t.Fatalf("the second time: %v %v", o, err)
	}
}

func TestAnswersArePruned(t *testing.T) {
	manual := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	e := openApp(t, Options{Clock: manual}, cacheApp)
	limits := exec.AnswerLimits{Age: time.Hour, Count: 5}
	send := func(request uint32) {
		t.Helper()
		put := callOf(t, "items:put", `{"group":"a","n":1}`)
		put.Session = &exec.SessionRequest{Session: [16]byte{1}, Request: request}
		if _, err := e.Runner.Mutation(t.Context(), put); err != nil {
			t.Fatal(err)
		}
	}
	prune := func(want int) {
		t.Helper()
		if n, err := e.Runner.PruneAnswers(t.Context(), limits); err != nil || n != want {
			t.Errorf("pruned %d answers, want %d: %v", n, want, err)
		}
	}
	for i := range uint32(8) {
		send(i)
	}
	prune(3)
	manual.Advance(50 * time.Minute)
	send(100)
	prune(1)
	manual.Advance(20 * time.Minute)
	prune(4)
	send(100) // still known
	o, err := e.Runner.Query(t.Context(), callOf(t, "items:count", `{}`))
	if err != nil || o.Value.Float64() != 9 {
		t.Errorf("9 requests left %v documents: %v", o.Value.Float64(), err)
	}
}

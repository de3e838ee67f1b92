package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/index"
	"runlog/schema"
	"runlog/value"
)

const jobsApp = `
-- jobs.ts --
import { action, internalAction, internalMutation, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";

export const note = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const running = (await ctx.db.system.query("_scheduled_functions").collect()).filter((j) => j.state.kind === "inProgress");
    const identity = await ctx.auth.getUserIdentity();
    await ctx.db.insert("notes", { text, running: running.length, anonymous: identity === null });
  },
});
export const count = internalMutation({ args: { text: v.string() }, handler: (ctx, { text }) => ctx.db.insert("notes", { text }) });
export const fail = internalMutation({ args: {}, handler: async (ctx) => {
  await ctx.db.insert("notes", { text: "lost" });
  throw new Error("as planned");
} });
export const act = internalAction({ args: { text: v.string() }, handler: async (ctx, { text }) => {
  await ctx.runMutation(internal.jobs.note, { text });
  await ctx.scheduler.runAfter(0, internal.jobs.note, { text: text + ", then" });
} });
export const look = query({ args: {}, handler: () => 1 });
export const schedule = mutation({ args: { path: v.string(), args: v.any(), after: v.number() },
  handler: (ctx, { path, args, after }) => ctx.scheduler.runAfter(after, path as any, args) });
export const scheduleAndFail = mutation({ args: {}, handler: async (ctx) => {
  await ctx.scheduler.runAfter(0, internal.jobs.note, { text: "never" });
  throw new Error("rolled back");
} });
export const many = mutation({ args: { n: v.number(), after: v.number() }, handler: async (ctx, { n, after }) => {
  for (let i = 0; i < n; i++) await ctx.scheduler.runAfter(after, internal.jobs.count, { text: "n" + i });
} });
export const call = mutation({ args: {}, handler: (ctx) => ctx.db.insert("calls", {}) });
export const cancel = mutation({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.scheduler.cancel(id as any) });
export const cancelSelf = internalMutation({ args: {}, handler: async (ctx) => {
  const me = (await ctx.db.system.query("_scheduled_functions").collect()).find((j) => j.state.kind === "inProgress")!;
  await ctx.scheduler.cancel(me._id);
} });
export const scheduleFromAction = action({ args: {}, handler: (ctx) => ctx.scheduler.runAt(Date.now(), internal.jobs.note, { text: "from an action" }) });
export const job = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.db.system.get(id as any) });
export const notes = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map((n) => n.text) });
export const checked = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.query("notes").collect()).every((n) => n.running === 1 && n.anonymous) });
`

// mutate runs a mutation and gives what it returned as JSON.
func mutate(t *testing.T, e *Engine, path, args string) string {
	t.Helper()
	outcome, err := e.Runner.Mutation(context.Background(), callOf(t, path, args))
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return "null"
	}
	return string(value.AppendJSONEncoded(nil, outcome.Value, value.FormatClean))
}

func ask(t *testing.T, e *Engine, path, args string) string {
	t.Helper()
	outcome, err := e.Runner.Query(context.Background(), callOf(t, path, args))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(value.AppendJSONEncoded(nil, outcome.Value, value.FormatClean))
}

// until waits for a query to give what is wanted: it asks again after each commit.
func until(t *testing.T, e *Engine, path, args string, good func(string) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		seen := e.Committer.Visible().Timestamp()
		got := ask(t, e, path, args)
		if good(got) {
			return got
		}
		if err := e.Committer.WaitVisible(ctx, seen+1); err != nil {
			t.Fatalf("%s%s still gives %s", path, args, got)
		}
	}
}

// drained waits until every job has ended.
func drained(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		snapshot, left := e.Committer.Visible(), 0
		for _, state := range []schema.JobState{schema.JobPending, schema.JobInProgress} {
			n, err := snapshot.CountRange(schema.ScheduledTable, schema.DueIndex, index.Prefix(schema.DueKey(state)))
			if err != nil {
				t.Fatal(err)
			}
			left += n
		}
		if left == 0 {
			return
		}
		if err := e.Committer.WaitVisible(ctx, snapshot.Timestamp()+1); err != nil {
			t.Fatalf("%d jobs have not ended", left)
		}
	}
}

func scheduled(t *testing.T, e *Engine, path, args string, after int) (id string) {
	t.Helper()
	out := mutate(t, e, "jobs:schedule", fmt.Sprintf(`{"path": %q, "args": %s, "after": %d}`, path, args, after))
	if err := json.Unmarshal([]byte(out), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

// ended waits until a job has ended and gives its document.
func ended(t *testing.T, e *Engine, id string) map[string]any {
	t.Helper()
	text := until(t, e, "jobs:job", fmt.Sprintf(`{"id": %q}`, id), func(s string) bool { return strings.Contains(s, "completedTime") })
	var job map[string]any
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// TestScheduledFunctions: each kind of job ends in the state, and with the effect, that the interface promises.
func TestScheduledFunctions(t *testing.T) {
	e := openApp(t, Options{}, jobsApp)
	state := func(id string) map[string]any { return ended(t, e, id)["state"].(map[string]any) }

	note := scheduled(t, e, "jobs:note", `{"text": "a"}`, 0)
	if job := ended(t, e, note); job["name"] != "jobs.js:note" || fmt.Sprint(job["args"]) != "[map[text:a]]" ||
		fmt.Sprint(job["state"]) != "map[kind:success]" || job["completedTime"].(float64) < job["scheduledTime"].(float64) || len(job) != 7 {
		t.Errorf("the job of a mutation: %v", job)
	}
	if s := state(scheduled(t, e, "jobs:fail", `{}`, 0)); s["kind"] != "failed" || !strings.HasPrefix(s["error"].(string), "Uncaught Error: as planned") {
		t.Errorf("a mutation that throws: %v", s)
	}
	if s := state(scheduled(t, e, "jobs:look", `{}`, 0)); s["kind"] != "failed" || !strings.Contains(s["error"].(string), "UnsupportedScheduledFunctionType") {
		t.Errorf("a query: %v", s)
	}
	if s := state(scheduled(t, e, "jobs:note", `{"wrong": 1}`, 0)); s["kind"] != "failed" || !strings.Contains(s["error"].(string), "ArgumentValidationError") {
		t.Errorf("wrong arguments: %v", s)
	}
	if s := state(scheduled(t, e, "jobs:cancelSelf", `{}`, 0)); s["kind"] != "failed" || !strings.Contains(s["error"].(string), "A mutation cannot cancel itself") {
		t.Errorf("a mutation that cancels itself: %v", s)
	}
	if s := state(scheduled(t, e, "jobs:act", `{"text": "b"}`, 0)); s["kind"] != "success" {
		t.Errorf("an action: %v", s)
	}
	if _, err := e.Runner.Action(context.Background(), callOf(t, "jobs:scheduleFromAction", "{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Runner.Mutation(context.Background(), callOf(t, "jobs:scheduleAndFail", "{}")); err == nil {
		t.Error("the mutation that throws did not")
	}
	drained(t, e)
	var notes []string
	if err := json.Unmarshal([]byte(ask(t, e, "jobs:notes", "{}")), &notes); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(notes, ";"); len(notes) != 4 || !strings.Contains(got, "a;b;b, then") || !strings.Contains(got, "from an action") {
		t.Errorf("notes: %s", got)
	}
}

// TestScheduledMutationSeesItself: it is in progress, and nobody has called it.
func TestScheduledMutationSeesItself(t *testing.T) {
	e := openApp(t, Options{}, jobsApp)
	ended(t, e, scheduled(t, e, "jobs:note", `{"text": "a"}`, 0))
	if got := ask(t, e, "jobs:checked", "{}"); got != "true" {
		t.Errorf("the note says otherwise")
	}
}

// TestScheduleRefused: what cannot be scheduled is refused when it is asked for.
func TestScheduleRefused(t *testing.T) {
	e := openApp(t, Options{}, jobsApp)
	for _, c := range []struct{ path, args, after, want string }{
		{"nowhere:fn", `{}`, "0", "Attempted to schedule function at nonexistent path: nowhere:fn"},
		{"jobs:nothing", `{}`, "0", "Attempted to schedule function, but no exported function nothing found in the file: jobs.js. Did you forget to export it?"},
		{"jobs:note", `{}`, "158112000001", "at most five years from now"},
	} {
		_, err := e.Runner.Mutation(context.Background(), callOf(t, "jobs:schedule", fmt.Sprintf(`{"path": %q, "args": %s, "after": %s}`, c.path, c.args, c.after)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s after %s: %v, want %s", c.path, c.after, err, c.want)
		}
	}
	if _, err := e.Runner.Mutation(context.Background(), callOf(t, "jobs:many", `{"n": 1001, "after": 100000}`)); err == nil ||
		!strings.Contains(err.Error(), "Too many functions scheduled by this mutation (limit: 1000)") {
		t.Errorf("1001 jobs: %v", err)
	}
	if _, err := e.Runner.Mutation(context.Background(), callOf(t, "jobs:cancel", `{"id": "nonsense"}`)); err == nil ||
		!strings.Contains(err.Error(), "The ID must be an ID on the '_scheduled_functions' table.") {
		t.Errorf("cancel of nonsense: %v", err)
	}
}

// TestCancel: a job that is canceled does not run, and canceling it again changes nothing.
func TestCancel(t *testing.T) {
	e := openApp(t, Options{}, jobsApp)
	id := scheduled(t, e, "jobs:note", `{"text": "a"}`, 3_600_000)
	mutate(t, e, "jobs:cancel", fmt.Sprintf(`{"id": %q}`, id))
	first := ask(t, e, "jobs:job", fmt.Sprintf(`{"id": %q}`, id))
	if !strings.Contains(first, `"state":{"kind":"canceled"}`) {
		t.Errorf("after cancel: %s", first)
	}
	mutate(t, e, "jobs:cancel", fmt.Sprintf(`{"id": %q}`, id))
	if again := ask(t, e, "jobs:job", fmt.Sprintf(`{"id": %q}`, id)); again != first {
		t.Errorf("after another cancel: %s", again)
	}
}

// TestScheduledBacklog: 10,000 due jobs drain, each run once, and a caller is served meanwhile.
func TestScheduledBacklog(t *testing.T) {
	e := openApp(t, Options{}, jobsApp)
	const batches = 10
	for range batches {
		mutate(t, e, "jobs:many", `{"n": 1000, "after": 0}`)
	}
	done := make(chan int)
	stop := make(chan struct{})
	go func() {
		calls := 0
		for {
			select {
			case <-stop:
				done <- calls
				return
			default:
				mutate(t, e, "jobs:call", `{}`)
				calls++
			}
		}
	}()
	drained(t, e)
	close(stop)
	if calls := <-done; calls < 10 {
		t.Errorf("a caller was served %d times while 10,000 jobs ran", calls)
	}
	times := texts(t, e)
	for i := range 1000 {
		if n := times[fmt.Sprint("n", i)]; n != batches {
			t.Fatalf("job %d ran %d times, want %d", i, n, batches)
		}
	}
}

// texts counts the notes by their text.
func texts(t *testing.T, e *Engine) map[string]int {
	t.Helper()
	snapshot, times := e.Committer.Visible(), map[string]int{}
	notes, _ := snapshot.Catalog().Table("notes")
	it := snapshot.Scan(notes.Number, schema.ByID, index.All(), false)
	for it.Next() {
		doc, err := it.Doc()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := doc.Body.Field("text")
		times[text.Str()]++
	}
	return times
}

// TestJobsForgotten: a job is remembered for seven days after it has ended.
func TestJobsForgotten(t *testing.T) {
	b := buildApp(t, jobsApp)
	synctest.Test(t, func(t *testing.T) {
		e := openCrons(t, vfs.NewMem())
		push(t, e, b)
		id := fmt.Sprintf(`{"id": %q}`, scheduled(t, e, "jobs:count", `{"text": "a"}`, 1000))
		waiting := fmt.Sprintf(`{"id": %q}`, scheduled(t, e, "jobs:count", `{"text": "b"}`, 30*24*3_600_000))
		time.Sleep(7*24*time.Hour - time.Hour)
		synctest.Wait()
		if got := ask(t, e, "jobs:job", id); !strings.Contains(got, "success") {
			t.Errorf("after almost seven days: %s", got)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := ask(t, e, "jobs:job", id); got != "null" {
			t.Errorf("after more than seven days: %s", got)
		}
		if got := ask(t, e, "jobs:job", waiting); !strings.Contains(got, "pending") {
			t.Errorf("the job that waits: %s", got)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

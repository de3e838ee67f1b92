package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/isolates/bundle"
	"runlog/log"
)

const cronsApp = `
-- crons.ts --
import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";
const crons = cronJobs();
crons.interval("often", { minutes: 10 }, internal.work.note, { text: "often" });
crons.hourly("hourly", { minuteUTC: 30 }, internal.work.note, { text: "hourly" });
crons.daily("daily", { hourUTC: 6, minuteUTC: 15 }, internal.work.act, { text: "daily" });
crons.weekly("weekly", { dayOfWeek: "tuesday", hourUTC: 0, minuteUTC: 0 }, internal.work.note, { text: "weekly" });
crons.monthly("monthly", { day: 2, hourUTC: 12, minuteUTC: 0 }, internal.work.note, { text: "monthly" });
crons.cron("expression", "0 */8 * * *", internal.work.note, { text: "expression" });
crons.cron("failing", "0 12 * * *", internal.work.fail);
export default crons;
-- work.ts --
import { internalAction, internalMutation, query } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";
export const note = internalMutation({ args: { text: v.string() }, handler: async (ctx, { text }) => {
  console.log("noting", text);
  await ctx.db.insert("notes", { text, at: Date.now() });
} });
export const act = internalAction({ args: { text: v.string() }, handler: async (ctx, { text }) => { await ctx.runMutation(internal.work.note, { text }) } });
export const fail = internalMutation({ args: {}, handler: () => { throw new Error("as planned") } });
export const notes = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.query("notes").collect()).map((n) => n.text + " " + new Date(n.at).toISOString()) });
export const crons = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.system.query("_cron_jobs" as any).collect()).map((c: any) => c.name + " " + c.state.kind + " " + new Date(c.nextTime).toISOString()) });
export const runs = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.system.query("_cron_job_logs" as any).collect()).map((r: any) => r.name + " " + r.state.kind + " " + (r.state.error ?? r.logLines.join())) });
`

// openCrons opens a database in memory, whose time is the bubble's: it begins on Saturday, 2000-01-01.
func openCrons(t *testing.T, fs vfs.FS) *Engine {
	t.Helper()
	e, err := Open(Options{Dir: "data", Log: log.Options{FS: fs}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func push(t *testing.T, e *Engine, b *bundle.Bundle) {
	t.Helper()
	if _, err := e.Deployer.Push(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, e *Engine, path string) []string {
	t.Helper()
	synctest.Wait()
	var list []string
	if err := json.Unmarshal([]byte(ask(t, e, path, "{}")), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestCrons: in four days each cron runs when its schedule says so, in UTC.
func TestCrons(t *testing.T) {
	b := buildApp(t, cronsApp)
	synctest.Test(t, func(t *testing.T) {
		e := openCrons(t, vfs.NewMem())
		push(t, e, b)
		time.Sleep(4*24*time.Hour + time.Second)
		count := map[string]int{}
		for _, line := range lines(t, e, "work:notes") {
			count[strings.Fields(line)[0]]++
			for name, suffix := range map[string]string{
				"hourly": ":30:00.000Z", "daily": "T06:15:00.000Z", "weekly": "2000-01-04T00:00:00.000Z", "monthly": "2000-01-02T12:00:00.000Z",
			} {
				if strings.HasPrefix(line, name+" ") && !strings.HasSuffix(line, suffix) {
					t.Errorf("ran at the wrong time: %s", line)
				}
			}
		}
		for name, want := range map[string]int{"often": 4*144 + 1, "hourly": 96, "daily": 4, "weekly": 1, "monthly": 1, "expression": 12} {
			if count[name] != want {
				t.Errorf("%s ran %d times, want %d", name, count[name], want)
			}
		}
		runs := map[string]int{}
		for _, run := range lines(t, e, "work:runs") {
			runs[run]++
		}
		if runs["often success [LOG] 'noting' 'often'"] != 100 {
			t.Errorf("100 runs of each cron are remembered: %v", runs)
		}
		failed := 0
		for run := range runs {
			if strings.HasPrefix(run, "failing failed Uncaught Error: as planned") {
				failed += runs[run]
			}
		}
		if failed != 4 {
			t.Errorf("the cron that fails is remembered %d times, want 4: %v", failed, runs)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCronsAfterDowntime: what was due while the server was down runs once, and then the plan goes on.
func TestCronsAfterDowntime(t *testing.T) {
	b := buildApp(t, cronsApp)
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		e := openCrons(t, fs)
		push(t, e, b)
		time.Sleep(time.Second)
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4*time.Hour + 5*time.Minute)
		e = openCrons(t, fs)
		time.Sleep(6 * time.Minute)
		got := strings.Join(lines(t, e, "work:notes"), "\n")
		want := "often 2000-01-01T00:00:00.000Z\nhourly 2000-01-01T04:05:01.000Z\noften 2000-01-01T04:05:01.000Z\noften 2000-01-01T04:10:00.000Z"
		other := "often 2000-01-01T00:00:00.000Z\noften 2000-01-01T04:05:01.000Z\nhourly 2000-01-01T04:05:01.000Z\noften 2000-01-01T04:10:00.000Z"
		if got != want && got != other {
			t.Errorf("notes:\n%s\nwant:\n%s", got, want)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCronsPushed: a push adds, changes and removes crons together with the code; one that stays keeps its plan.
func TestCronsPushed(t *testing.T) {
	first := buildApp(t, cronsApp)
	second := buildApp(t, strings.NewReplacer(
		`crons.cron("failing", "0 12 * * *", internal.work.fail);`, `crons.cron("new", "1 0 * * *", internal.work.note, { text: "new" });`,
		`{ minutes: 10 }`, `{ hours: 7 }`,
	).Replace(cronsApp))
	synctest.Test(t, func(t *testing.T) {
		e := openCrons(t, vfs.NewMem())
		push(t, e, first)
		time.Sleep(5 * time.Minute)
		report, err := e.Deployer.Push(context.Background(), second)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(report.CronsAdded, ",") != "new" || strings.Join(report.CronsChanged, ",") != "often" || strings.Join(report.CronsRemoved, ",") != "failing" {
			t.Errorf("the report says %v, %v, %v", report.CronsAdded, report.CronsChanged, report.CronsRemoved)
		}
		time.Sleep(time.Minute)
		got := lines(t, e, "work:crons")
		for _, want := range []string{
			"often pending 2000-01-01T07:05:00.000Z", "new pending 2000-01-02T00:01:00.000Z", "hourly pending 2000-01-01T00:30:00.000Z",
		} {
			if !strings.Contains(strings.Join(got, "\n"), want) {
				t.Errorf("crons %q, want %s", got, want)
			}
		}
		if len(got) != 7 {
			t.Errorf("%d crons, want 7: %q", len(got), got)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCronRefused: a push whose crons cannot run is refused as a whole.
func TestCronRefused(t *testing.T) {
	e := openApp(t, Options{}, cronsApp)
	for _, c := range []struct{ old, with, want string }{
		{`"0 */8 * * *"`, `"0 25 * * *"`, "expression"},
		{`"0 */8 * * *"`, `"TZ=Europe/Berlin 0 8 * * *"`, "names a time zone"},
		{`internal.work.fail`, `internal.work.missing`, `The cron job "failing" runs work:missing: there is no such function.`},
		{`internal.work.fail`, `internal.work.notes`, "only mutations and actions"},
	} {
		_, err := e.Deployer.Push(context.Background(), buildApp(t, strings.Replace(cronsApp, c.old, c.with, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %s: %v, want %s", c.with, err, c.want)
		}
	}
}

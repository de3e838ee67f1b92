package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// versioned is an app whose functions say of which version their code is. slow waits until somebody inserts a release.
func versioned(version string) string {
	return fmt.Sprintf(`import { queryGeneric as query, mutationGeneric as mutation, actionGeneric as action, anyApi } from "convex/server";
const version = %q;
export const which = query({ handler: () => version });
export const mark = mutation({ handler: (ctx, { what }) => ctx.db.insert("marks", { what }).then(() => version) });
export const marked = query({ handler: async (ctx, { what }) => (await ctx.db.query("marks").collect()).some((m) => m.what === what) });
export const slow = action({ handler: async (ctx) => {
  await ctx.runMutation(anyApi.app.mark, { what: "begun" });
  while (!(await ctx.runQuery(anyApi.app.marked, { what: "release" }))) await new Promise((next) => setTimeout(next, 5));
  return version;
} });
`, version)
}

// TestPushDuringCalls: a call that runs while a program is pushed ends with the code it began with; those that come after run
// the new code.
func TestPushDuringCalls(t *testing.T) {
	for _, isolation := range []string{"process", "inprocess"} {
		t.Run(isolation, func(t *testing.T) {
			app := t.TempDir()
			if err := os.Mkdir(filepath.Join(app, "convex"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(app, "convex/app.js"), []byte(versioned("old")), 0o644); err != nil {
				t.Fatal(err)
			}
			d := startDev(t, app, "--isolation", isolation)
			type ended struct {
				answer answer
				err    error
			}
			const calls = 4
			done := make(chan ended, calls)
			for range calls {
				go func() { // ends with the call, which is released below or ends with the server
					a, err := ask(t.Context(), d.url, "", "action", "app:slow", "{}")
					done <- ended{a, err}
				}()
			}
			for mustAsk(t, d.url, "query", "app:marked", `{"what":"begun"}`) != "true" {
			}
			awaitMetric(t, d.url, fmt.Sprintf(`(?m)^runlog_isolates_in_use\{[^}]*pool="actions"[^}]*\} %d$`, calls))
			from := d.mark()
			d.write("convex/app.js", versioned("new"))
			d.await(from, `pushed \d+ functions`)
			if got := mustAsk(t, d.url, "query", "app:which", "{}"); got != `"new"` {
				t.Errorf("after the push a query answers %s", got)
			}
			select {
			case e := <-done:
				t.Fatalf("an action ended with the push: %+v", e)
			default:
			}
			if got := mustAsk(t, d.url, "mutation", "app:mark", `{"what":"release"}`); got != `"new"` {
				t.Errorf("after the push a mutation answers %s", got)
			}
			for range calls {
				if e := <-done; e.err != nil || string(e.answer.Value) != `"old"` {
					t.Errorf("an action that began before the push ended with %+v", e)
				}
			}
			d.stop()
		})
	}
}

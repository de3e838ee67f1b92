package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"runlog/exec"
	"runlog/internal/deploy"
	"runlog/log"
	"runlog/value"
)

// environmentApp reads variables in every place there is.
const environmentApp = `
-- m.ts --
import { internalMutationGeneric as internalMutation, mutationGeneric as mutation, queryGeneric as query, actionGeneric as action } from "convex/server";

export const reads = query({ args: {}, handler: () => process.env.A ?? "unset" });
export const readsOther = query({ args: {}, handler: () => process.env.B ?? "unset" });
export const readsNone = query({ args: {}, handler: () => "none" });
export const readsNested = query({ args: {}, handler: async (ctx) => await ctx.runQuery("m:reads" as any, {}) });
export const writes = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("t", { a: process.env.A }); return process.env.A; } });
export const acts = action({ args: {}, handler: () => process.env.A ?? "unset" });
-- schema.ts --
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ t: defineTable({ a: v.string() }) });
-- loads.ts --
import { queryGeneric as query } from "convex/server";
import { loaded } from "./loaded";
export const reads = query({ args: {}, handler: () => loaded });
-- loaded.ts --
export const loaded = process.env.A ?? "unset";
`

// A changed is one environment variable, set.
func changed(name, text string) deploy.EnvironmentChange {
	return deploy.EnvironmentChange{Changes: []deploy.VariableChange{{Name: name, Value: &text}}}
}

func removed(name string) deploy.EnvironmentChange {
	return deploy.EnvironmentChange{Changes: []deploy.VariableChange{{Name: name}}}
}

// TestEnvironmentIsRead: what read a variable runs again when it changes, when it is first set, and when it is removed;
// what did not read it does not run.
func TestEnvironmentIsRead(t *testing.T) {
	runs := map[string]int{}
	e := openApp(t, Options{Calls: exec.EventListener{
		Attempt: func(_ context.Context, info exec.AttemptInfo) { runs[info.Path]++ },
	}}, environmentApp)
	readers := map[string]bool{"m:reads": true, "loads:reads": true, "m:readsNested": true, "m:readsOther": false, "m:readsNone": false}
	ask := func(path string) string {
		t.Helper()
		outcome, err := e.Runner.Query(t.Context(), callOf(t, path, "{}"))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		v, err := outcome.Value.Decode()
		if err != nil {
			t.Fatal(err)
		}
		return v.Str()
	}
	expect := func(when, want string, again bool) {
		t.Helper()
		for path, reads := range readers {
			before := runs[path]
			got := ask(path)
			if reads && got != want {
				t.Errorf("%s: %s is %q, want %q", when, path, got, want)
			}
			if ran := runs[path] > before; ran != (reads && again) {
				t.Errorf("%s: %s ran: %v", when, path, ran)
			}
		}
	}
	change := func(c deploy.EnvironmentChange) {
		t.Helper()
		if err := e.Deployer.ChangeEnvironment(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for path := range readers {
		ask(path)
	}
	expect("nothing changed", "unset", false)
	change(changed("A", "one"))
	expect("first set", "one", true)
	change(changed("A", "one"))
	expect("set to what it was", "one", false)
	change(changed("A", "two"))
	expect("set again", "two", true)
	for kind, run := range map[string]func(context.Context, exec.Call) (*exec.Outcome, error){"m:writes": e.Runner.Mutation, "m:acts": e.Runner.Action} {
		outcome, err := run(t.Context(), callOf(t, kind, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := outcome.Value.Decode(); err != nil || v.Str() != "two" {
			t.Errorf("%s read %v, %v", kind, v, err)
		}
	}
	expect("a mutation wrote", "two", false)
	change(removed("A"))
	expect("removed", "unset", true)
	change(removed("A"))
	expect("removed again", "unset", false)
	change(changed("A", "three"))
	expect("set after it was removed", "three", true)
}

// TestEnvironmentInTheLog: one change is one entry, whose call names variables and no values.
func TestEnvironmentInTheLog(t *testing.T) {
	e := openApp(t, Options{}, environmentApp)
	before := e.Committer.Applied().Offset()
	text := "the secret"
	err := e.Deployer.ChangeEnvironment(t.Context(), deploy.EnvironmentChange{RequestID: "00000000000000aa", Changes: []deploy.VariableChange{
		{Name: "A", Value: &text}, {Name: "B", Value: &text}, {Name: "C"}, {Name: "B"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if after := e.Committer.Applied().Offset(); after != before+1 {
		t.Fatalf("%d entries, want 1", after-before)
	}
	var entry *log.Entry
	for last, err := range e.Log.Scan(before+1, before+1) {
		if err != nil {
			t.Fatal(err)
		}
		entry = last
	}
	args, err := entry.Call.Args.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if entry.Call.Kind != log.System || entry.Call.Function != "_system/environment" || entry.Call.RequestID != "00000000000000aa" ||
		args.String() != `{set: ["A", "B"], unset: ["C", "B"]}` {
		t.Errorf("the call is %s %s of %s", entry.Call.Function, args, entry.Call.RequestID)
	}
	if env := e.Deployer.Environment(); len(env) != 1 || env["A"] != text {
		t.Errorf("the variables are %v", env)
	}
}

// TestEnvironmentRefused: a change that breaks a rule changes nothing.
func TestEnvironmentRefused(t *testing.T) {
	e := openApp(t, Options{}, environmentApp)
	many := func(n int, text string) deploy.EnvironmentChange {
		var c deploy.EnvironmentChange
		for i := range n {
			c.Changes = append(c.Changes, deploy.VariableChange{Name: "V" + strings.Repeat("x", i), Value: &text})
			if i > 200 {
				c.Changes[i].Name = "W" + strings.Repeat("y", i-200)
			}
		}
		return c
	}
	numbered := func(n int, text string) deploy.EnvironmentChange {
		var c deploy.EnvironmentChange
		for i := range n {
			name := value.OfFloat64(float64(i)).String()
			c.Changes = append(c.Changes, deploy.VariableChange{Name: "N" + strings.TrimSuffix(name, ".0"), Value: &text})
		}
		return c
	}
	good := "x"
	for _, c := range []struct {
		change deploy.EnvironmentChange
		want   string
	}{
		{changed("", "x"), "EnvironmentVariableNameInvalid"},
		{changed("1A", "x"), "EnvironmentVariableNameInvalid"},
		{changed("A-B", "x"), "EnvironmentVariableNameInvalid"},
		{changed("Ä", "x"), "EnvironmentVariableNameInvalid"},
		{removed("A B"), "EnvironmentVariableNameInvalid"},
		{changed(strings.Repeat("A", 257), "x"), "EnvironmentVariableNameTooLong"},
		{changed("CONVEX_CLOUD_URL", "x"), "EnvVarNameForbidden"},
		{removed("CONVEX_SITE_URL"), "EnvVarNameForbidden"},
		{changed("A", strings.Repeat("x", 8<<10+1)), "EnvironmentVariableValueTooLarge"},
		{numbered(513, "x"), "EnvVarLimitMet"},
		{numbered(1025, "x"), "EnvVarLimitMet"},
		{many(65, strings.Repeat("x", 8<<10)), "EnvVarTotalSizeLimitMet"},
		{deploy.EnvironmentChange{Changes: []deploy.VariableChange{{Name: "GOOD", Value: &good}, {Name: "1A", Value: &good}}}, "EnvironmentVariableNameInvalid"},
		{deploy.EnvironmentChange{Changes: append(changed("GOOD", "x").Changes, numbered(512, "x").Changes...)}, "EnvVarLimitMet"},
	} {
		before := e.Committer.Applied().Offset()
		err := e.Deployer.ChangeEnvironment(t.Context(), c.change)
		var refused *deploy.Error
		if !errors.As(err, &refused) || refused.Code != c.want {
			t.Errorf("%d changes, the first of %.20q: %v, want %s", len(c.change.Changes), c.change.Changes[0].Name, err, c.want)
		}
		if e.Committer.Applied().Offset() != before || len(e.Deployer.Environment()) != 0 {
			t.Errorf("%.20q changed something", c.change.Changes[0].Name)
		}
	}
	for _, c := range []deploy.EnvironmentChange{
		changed(strings.Repeat("A", 256), strings.Repeat("x", 8<<10)), changed("_", ""), changed("a1", "ü\n"), numbered(509, ""),
	} {
		if err := e.Deployer.ChangeEnvironment(t.Context(), c); err != nil {
			t.Errorf("%.20q: %v", c.Changes[0].Name, err)
		}
	}
	if n := len(e.Deployer.Environment()); n != 512 {
		t.Errorf("%d variables, want 512", n)
	}
}

const authEnvironmentApp = `
-- auth.config.ts --
export default { providers: [{ domain: process.env.ISSUER!, applicationID: "app" }] };
-- m.ts --
import { queryGeneric as query } from "convex/server";
export const f = query({ args: {}, handler: () => 1 });
`

// TestEnvironmentOfAuthConfig: the auth config follows the variables it reads, in the same entry, and a change that it
// does not survive is refused.
func TestEnvironmentOfAuthConfig(t *testing.T) {
	e, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b := buildApp(t, authEnvironmentApp)
	var refused *deploy.Error
	if _, err := e.Deployer.Push(t.Context(), b); !errors.As(err, &refused) || refused.Code != "AuthConfigMissingEnvironmentVariable" {
		t.Fatalf("a push without the variable: %v", err)
	}
	if err := e.Deployer.ChangeEnvironment(t.Context(), changed("ISSUER", "https://one.example")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Deployer.Push(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	expect := func(when, issuer string) {
		t.Helper()
		want := `{"providers":[{"domain":"` + issuer + `","applicationID":"app"}]}`
		if got := string(e.Committer.Visible().Catalog().Deployment().Auth); got != want {
			t.Errorf("%s: the auth config is %s, want %s", when, got, want)
		}
	}
	expect("pushed", "https://one.example")
	before := e.Committer.Applied().Offset()
	if err := e.Deployer.ChangeEnvironment(t.Context(), changed("ISSUER", "https://two.example")); err != nil {
		t.Fatal(err)
	}
	expect("changed", "https://two.example")
	if after := e.Committer.Applied().Offset(); after != before+1 {
		t.Errorf("variable and auth config changed in %d entries, want 1", after-before)
	}
	if err := e.Deployer.ChangeEnvironment(t.Context(), changed("UNRELATED", "x")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change deploy.EnvironmentChange
		want   string
	}{{removed("ISSUER"), "AuthConfigMissingEnvironmentVariable"}, {changed("ISSUER", ""), "AuthConfigNotMatchingSchemaError"}} {
		if err := e.Deployer.ChangeEnvironment(t.Context(), c.change); !errors.As(err, &refused) || refused.Code != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	expect("refused", "https://two.example")
	if env := e.Deployer.Environment(); env["ISSUER"] != "https://two.example" {
		t.Errorf("a refused change left %v", env)
	}
}

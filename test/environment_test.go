package test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const environmentModule = `import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
export const greeting = query({ args: {}, handler: () => process.env.GREETING ?? "unset" });
export const greetingInMutation = mutation({ args: {}, handler: () => process.env.GREETING ?? "unset" });
`

// TestEnvironment sets variables with the program and reads them in functions, over a restart, and checks that a value
// is shown to nobody but those who ask for it with a key.
func TestEnvironment(t *testing.T) {
	const secret = "the-secret-of-the-test"
	app := copyApp(t, "kitchen")
	if err := os.WriteFile(filepath.Join(app, "convex", "env.ts"), []byte(environmentModule), 0o644); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, app, "--log-level=debug")
	run := func(want int, args ...string) string {
		t.Helper()
		out, errs, code := command(t, app, nil, append([]string{"env"}, args...)...)
		if code != want {
			t.Errorf("env %s: exit code %d, want %d: %s", args[0], code, want, errs)
		}
		if strings.Contains(errs, secret) {
			t.Errorf("env %s printed the secret as an error: %s", args[0], errs)
		}
		return out + errs
	}
	expect := func(want string) {
		t.Helper()
		for kind, path := range map[string]string{"query": "env:greeting", "mutation": "env:greetingInMutation"} {
			if got := mustAsk(t, d.url, kind, path, "{}"); got != `"`+want+`"` {
				t.Errorf("%s reads %s, want %q", path, got, want)
			}
		}
	}
	expect("unset")
	run(0, "set", "GREETING", "hello")
	expect("hello")
	run(0, "set", "GREETING", secret)
	expect(secret)
	if got := run(0, "list"); got != "GREETING="+secret+"\n" {
		t.Errorf("list prints %q", got)
	}
	if got := run(0, "get", "GREETING"); got != secret+"\n" {
		t.Errorf("get prints %q", got)
	}
	if got := run(1, "get", "OTHER"); !strings.Contains(got, "OTHER is not set") {
		t.Errorf("get of what is not set prints %q", got)
	}
	if got := run(1, "set", "1A", secret); !strings.Contains(got, "EnvironmentVariableNameInvalid") {
		t.Errorf("a wrong name prints %q", got)
	}
	run(2)
	run(2, "set")

	if _, body := get(t, d.url+"/metrics"); strings.Contains(body, secret) {
		t.Error("the secret stands in the metrics")
	}
	if status, body := get(t, d.url+"/api/list_environment_variables"); status != http.StatusForbidden || strings.Contains(body, secret) {
		t.Errorf("without a key the variables are %d %s", status, body)
	}
	d.stop()
	if strings.Contains(d.output(), secret) {
		t.Errorf("the server printed the secret:\n%s", d.output())
	}

	d = startDev(t, app)
	expect(secret)
	set := exec.CommandContext(t.Context(), binary, "env", "set", "GREETING")
	set.Dir, set.Stdin, set.Env = app, strings.NewReader("two\nlines\n"), cleanEnv()
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("env set from standard input: %v\n%s", err, out)
	}
	expect(`two\nlines`)
	run(0, "unset", "GREETING")
	expect("unset")
	d.stop()
}

// TestEnvironmentReachesFollowers: a variable that changes reruns the live queries that read it, set or not, and no others.
func TestEnvironmentReachesFollowers(t *testing.T) {
	app := copyApp(t, "kitchen")
	if err := os.WriteFile(filepath.Join(app, "convex", "env.ts"), []byte(environmentModule), 0o644); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, app)
	reader := mustDial(t, d.url, 1, [2]string{"env:greeting", `{}`}, [2]string{"counter:get", `{"name":"a"}`})
	other := mustDial(t, d.url, 2, [2]string{"counter:get", `{"name":"b"}`})
	runs := metric(t, d.url, "runlog_live_runs_total")
	for i, change := range []struct{ args, want string }{{"set GREETING hello", `"hello"`}, {"set OTHER x", ""}, {"unset GREETING", `"unset"`}} {
		if _, errs, code := command(t, app, nil, append([]string{"env"}, strings.Fields(change.args)...)...); code != 0 {
			t.Fatalf("env %s: %s", change.args, errs)
		}
		if change.want == "" {
			continue
		}
		if err := reader.until(t.Context(), func() bool { return reader.values[0] == change.want }); err != nil {
			t.Fatal(err)
		}
		if ran := metric(t, d.url, "runlog_live_runs_total") - runs; ran != float64(i/2+1) {
			t.Errorf("after env %s %v queries have run, want %d", change.args, ran, i/2+1)
		}
	}
	// Who reads no variable is told of its own write first.
	transitions := 0
	other.seen = func(*liveClient) { transitions++ }
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"b"}`)
	if err := other.until(t.Context(), func() bool { return other.values[0] == "1.0" }); err != nil || transitions != 1 {
		t.Errorf("who reads no variable was told %d times (%v), want once", transitions, err)
	}
	d.stop()
}

// TestEnvironmentOfAuth: an auth config that names its issuer by a variable is pushed once that is set, and follows it.
func TestEnvironmentOfAuth(t *testing.T) {
	one, two := startIssuer(t), startIssuer(t)
	app := copyApp(t, "kitchen")
	d := startDev(t, app)
	const config = "export default { providers: [{ domain: process.env.ISSUER!, applicationID: 'app' }] };\n"
	from := d.mark()
	d.write("convex/auth.config.ts", config)
	d.await(from, `push failed[^\n]*\n\s*Environment variable ISSUER is used in auth config file but its value was not set`)
	set := func(want int, args ...string) {
		t.Helper()
		if _, errs, code := command(t, app, nil, append([]string{"env"}, args...)...); code != want {
			t.Fatalf("env %v: exit code %d, want %d: %s", args, code, want, errs)
		}
	}
	from = d.mark()
	set(0, "set", "ISSUER", one.URL)
	d.await(from, `pushed \d+ function`) // what failed for the lack of a variable is tried again
	ofOne, ofTwo := one.token(time.Hour, map[string]any{"sub": "ada"}), two.token(time.Hour, map[string]any{"sub": "bob"})
	d.expectUser("the first issuer", ofOne, http.StatusOK, `"subject":"ada"`)
	d.expectUser("the first issuer", ofTwo, http.StatusUnauthorized, "NoAuthProvider")
	set(0, "set", "ISSUER", two.URL)
	d.expectUser("the second issuer", ofOne, http.StatusUnauthorized, "NoAuthProvider")
	d.expectUser("the second issuer", ofTwo, http.StatusOK, `"subject":"bob"`)
	set(1, "unset", "ISSUER")
	d.expectUser("the second issuer, which may not be taken away", ofTwo, http.StatusOK, `"subject":"bob"`)
	d.stop()
}

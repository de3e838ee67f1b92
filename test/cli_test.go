package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// awaitMetric asks for the metrics until they match.
func awaitMetric(t *testing.T, url, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for begin := time.Now(); time.Since(begin) < patience; {
		if _, text := get(t, url+"/metrics"); re.MatchString(text) {
			return
		}
	}
	t.Fatalf("the metrics do not show %s", pattern)
}

func TestRun(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	below := filepath.Join(d.app, "convex")
	for _, c := range []struct {
		args          []string
		code          int
		stdout, about string // about is a part of stderr
	}{
		{[]string{"counter:get", `{"name":"none"}`}, 0, "0\n", ""},
		{[]string{"counter:increment", `{"name":"run"}`}, 0, "1\n", ""},
		{[]string{"messages:count"}, 0, "0\n", ""},
		{[]string{"messages"}, 0, "\"the default export\"\n", ""},
		{[]string{"values:echo", `{"value":{"b":[1.5,true],"a":"<é>"}}`}, 0, "{\n  \"a\": \"<é>\",\n  \"b\": [\n    1.5,\n    true\n  ]\n}\n", ""},
		{[]string{"effects:logs"}, 0, "null\n", "[LOG] 'hello' 1"},
		{[]string{"errors:throws"}, 1, "", "Uncaught Error: out of cheese"},
		{[]string{"errors:convexError", `{"data":{"code":"FULL"}}`}, 1, "", `"code": "FULL"`},
		{[]string{"errors:nowhere"}, 1, "", "Could not find function for 'errors:nowhere'"},
		{[]string{"counter:get", "{"}, 2, "", "ARGS must be a JSON object"},
		{[]string{"counter:get", "[]"}, 2, "", "ARGS must be a JSON object"},
		{[]string{}, 2, "", "Try `runner run --help`"},
		{[]string{"counter:get", "{}", "more"}, 2, "", "Try `runner run --help`"},
		{[]string{"counter:get", "--nonsense"}, 2, "", "--nonsense"},
		{[]string{"counter:get", "{}", "--admin-key", "no|body"}, 1, "", "BadAdminKey"},
	} {
		out, errs, code := command(t, below, nil, append([]string{"run"}, c.args...)...)
		if code != c.code || out != c.stdout || !strings.Contains(errs, c.about) {
			t.Errorf("run %q: exit code %d, printed %q and %q; want %d, %q and %q", c.args, code, out, errs, c.code, c.stdout, c.about)
		}
	}
	elsewhere := t.TempDir()
	if _, errs, code := command(t, elsewhere, nil, "run", "messages"); code != 1 || !strings.Contains(errs, "runner dev") {
		t.Errorf("without a server: exit code %d, %s", code, errs)
	}
	env := []string{"RUNLOG_URL=" + d.url, "RUNLOG_ADMIN_KEY=" + d.key}
	if out, errs, code := command(t, elsewhere, env, "run", "messages:count"); code != 0 || out != "0\n" {
		t.Errorf("with address and key in the environment: exit code %d, %q %s", code, out, errs)
	}
	d.stop()
	if _, errs, code := command(t, d.app, nil, "run", "messages"); code != 1 || !strings.Contains(errs, "no server answers") {
		t.Errorf("after the server stopped: exit code %d, %s", code, errs)
	}
}

// startServe runs `runner serve` on an app and returns it with its address.
func startServe(t *testing.T, app string, env []string, args ...string) (p *process, url string) {
	t.Helper()
	p = start(t, app, env, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	url = p.await(0, `serving at (http://[^,\s]+)`)[1]
	noteAddress(t, app, url)
	return p, url
}

// TestServe: production shows clients no texts of errors, makes a key at its first start only, and keeps functions.
func TestServe(t *testing.T) {
	app := copyApp(t, "kitchen")
	p, url := startServe(t, app, nil, "--functions", app)
	key := p.await(0, `admin key, shown this once: (\S+)`)[1]
	if status, body := get(t, url+"/readyz"); status != 200 || !strings.Contains(body, `"ready":true`) {
		t.Errorf("/readyz answers %d %s", status, body)
	}
	a, err := ask(t.Context(), url, "", "query", "errors:throws", "{}")
	if err != nil || strings.Contains(a.ErrorMessage, "cheese") || !strings.HasSuffix(a.ErrorMessage, "Server Error") {
		t.Errorf("a client sees %+v, %v", a, err)
	}
	a, err = ask(t.Context(), url, "", "mutation", "errors:convexError", `{"data":"shown"}`)
	if err != nil || string(a.ErrorData) != `"shown"` {
		t.Errorf("the data of a ConvexError is %+v, %v", a, err)
	}
	a, err = ask(t.Context(), url, "", "query", "effects:logs", "{}")
	if err != nil || a.LogLines != nil {
		t.Errorf("a client sees console lines: %+v, %v", a, err)
	}
	if out, errs, code := command(t, app, nil, "run", "counter:increment", `{"name":"x"}`); code != 0 {
		t.Errorf("runner run beside a server: exit code %d, %s%s", code, out, errs)
	}
	p.stop()
	if _, err := os.Stat(filepath.Join(app, ".runlog", "server.json")); !os.IsNotExist(err) {
		t.Errorf("server.json is left behind: %v", err)
	}
	p, url = startServe(t, app, nil)
	if strings.Contains(p.output(), "shown this once") {
		t.Error("the second start made another key")
	}
	a, err = ask(t.Context(), url, key, "function", "counter:get", `{"name":"x"}`)
	if err != nil || string(a.Value) != "1.0" {
		t.Errorf("after a restart, with the first key: %+v, %v", a, err)
	}
	p.stop()
}

func TestServeRefusesBrokenFunctions(t *testing.T) {
	app := copyApp(t, "kitchen")
	if err := os.WriteFile(filepath.Join(app, "convex/broken.ts"), []byte("export const = 1;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _, code := command(t, app, nil, "serve", "--listen", "127.0.0.1:0", "--functions", app)
	if code != 1 || !strings.Contains(out, "convex/broken.ts:1:") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// TestKeys: keys made and revoked beside a running server count at once.
func TestKeys(t *testing.T) {
	app := copyApp(t, "kitchen")
	p, url := startServe(t, app, []string{"RUNLOG_ADMIN_KEY=fixed|of-the-test"}, "--functions", app)
	check := func(key string) string {
		t.Helper()
		status, body := get(t, url+"/api/check_admin_key", "Authorization", "Convex "+key)
		return fmt.Sprint(status, " ", body)
	}
	if got := check("fixed|of-the-test"); !strings.HasPrefix(got, "200") {
		t.Errorf("the fixed key: %s", got)
	}
	if strings.Contains(p.output(), "of-the-test") {
		t.Error("the fixed key was printed")
	}
	out, errs, code := command(t, app, nil, "keys", "create", "reader", "--read-only")
	key := strings.TrimSpace(out)
	if code != 0 || !strings.HasPrefix(key, "reader|") {
		t.Fatalf("keys create: exit code %d, %s%s", code, out, errs)
	}
	if got := check(key); !strings.HasPrefix(got, "200") || !strings.Contains(got, `"isReadOnly":true`) {
		t.Errorf("the new key: %s", got)
	}
	out, _, code = command(t, app, nil, "keys", "list")
	if code != 0 || !strings.Contains(out, "reader") || !strings.Contains(out, "reading") || strings.Contains(out, strings.TrimPrefix(key, "reader|")) {
		t.Errorf("keys list: exit code %d, %s", code, out)
	}
	if _, errs, code = command(t, app, nil, "keys", "create", "reader"); code != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("the same name again: exit code %d, %s", code, errs)
	}
	if _, errs, code = command(t, app, nil, "keys", "revoke", "reader"); code != 0 {
		t.Errorf("keys revoke: exit code %d, %s", code, errs)
	}
	if got := check(key); !strings.HasPrefix(got, "401") {
		t.Errorf("the revoked key: %s", got)
	}
	for _, args := range [][]string{{"keys"}, {"keys", "create"}, {"keys", "create", "a b"}, {"keys", "create", "x", "--ops", "Nothing"}} {
		if _, errs, code := command(t, app, nil, args...); code != 2 {
			t.Errorf("%v: exit code %d, want 2: %s", args, code, errs)
		}
	}
	p.stop()
}

// TestSettings: a flag comes from the command line, else from the environment, else from the config file.
func TestSettings(t *testing.T) {
	app := copyApp(t, "kitchen")
	config := filepath.Join(t.TempDir(), "runlog.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("listen = \"127.0.0.1:0\"\ninstance = \"from-config\"\nquery-timeout = \"90ms\"\nquery-documents-read = 3\n")
	p := start(t, app, []string{"RUNLOG_CONFIG=" + config, "RUNLOG_QUERY_TIMEOUT=110ms"}, "dev")
	url := p.await(0, `URL +(http://\S+)`)[1]
	if _, name := get(t, url+"/instance_name"); name != "from-config" {
		t.Errorf("the instance is called %s", name)
	}
	a, err := ask(t.Context(), url, "", "query", "errors:loops", "{}")
	if err != nil || !strings.Contains(a.ErrorMessage, "timed out") {
		t.Errorf("an endless loop answered %+v, %v", a, err)
	}
	for range 4 {
		mustAsk(t, url, "mutation", "messages:send", `{"channel":"c","body":"b"}`)
	}
	a, err = ask(t.Context(), url, "", "query", "messages:list", `{"channel":"c"}`)
	if err != nil || !strings.Contains(a.ErrorMessage, "Too many documents read") || !strings.Contains(a.ErrorMessage, "limit: 3") {
		t.Errorf("four documents with a limit of three: %+v, %v", a, err)
	}
	p.stop()
	for _, c := range []struct {
		config string
		args   []string
		about  string
	}{
		{"no-such-flag = 1\n", nil, "no-such-flag"},
		{"query-timeout = \"soon\"\n", nil, "query-timeout"},
		{"= 1\n", nil, config},
		{"", []string{"--limits", "none"}, "--limits"},
		{"", []string{"--query-heap", "much"}, "--query-heap"},
		{"", []string{"--query-timeout", "-1s"}, "timeout"},
		{"", []string{"--convex-package", "other"}, "--convex-package"},
		{"", []string{"--admin-key", "nokey"}, "--admin-key"},
		{"", []string{"no-such-folder"}, "no-such-folder"},
	} {
		write(c.config)
		_, errs, code := command(t, app, nil, append([]string{"dev", "--config", config}, c.args...)...)
		if code != 2 || !strings.Contains(errs, c.about) {
			t.Errorf("config %q, flags %v: exit code %d, %s", c.config, c.args, code, errs)
		}
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
	}{
		{nil, 2}, {[]string{"nonsense"}, 2}, {[]string{"--help"}, 0}, {[]string{"dev", "--help"}, 0},
		{[]string{"version"}, 0}, {[]string{"version", "more"}, 2}, {[]string{"serve", "more"}, 2}, {[]string{"dev", "a", "b"}, 2},
	} {
		out, errs, code := command(t, dir, nil, c.args...)
		if code != c.code || code == 0 && out == "" || code != 0 && errs == "" {
			t.Errorf("runner %v: exit code %d, want %d; printed %q and %q", c.args, code, c.code, out, errs)
		}
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("files were left behind: %v", left)
	}
}

package test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// TestSitePort: HTTP actions on a port of their own, where a path is what it says, and in production, where errors are
// not told.
func TestSitePort(t *testing.T) {
	installNode(t)
	app := copyApp(t, "kitchen")
	p, url := startServe(t, app, nil, "--functions", app, "--site-listen", "127.0.0.1:0")
	var site string
	if err := json.Unmarshal([]byte(mustAsk(t, url, "query", "later:siteUrl", "{}")), &site); err != nil {
		t.Fatal(err)
	}
	if site == url || strings.Contains(site, "/http/") {
		t.Errorf("the site is at %s, the server at %s", site, url)
	}
	for path, want := range map[string]string{
		"/hello?name=x":      "hello x",
		"/http/hello?name=x": "No matching routes found",
		"/api/query_ts":      "No matching routes found",
		"/files/deep/":       site + "/files/deep/",
	} {
		if _, got := get(t, site+path); got != want {
			t.Errorf("%s answers %q, want %q", path, got, want)
		}
	}
	if _, got := get(t, site+"/files/deep/x", "X-Forwarded-Proto", "https"); !strings.HasPrefix(got, "https://") {
		t.Errorf("behind a proxy the action sees %s", got)
	}
	status, got := get(t, site+"/throws")
	var thrown struct {
		Code  string
		Trace *string
	}
	if err := json.Unmarshal([]byte(got), &thrown); err != nil || status != 500 || thrown.Trace != nil || !strings.HasSuffix(thrown.Code, "] Server Error") {
		t.Errorf("an action that throws answers %d %s", status, got)
	}
	if _, got := get(t, site+"/throws-data"); !strings.Contains(got, `"data":{"n":{"$integer":"AQAAAAAAAAA="}}`) {
		t.Errorf("an action that throws data answers %s", got)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "--test-name-pattern=routes|methods|bodies stream|webhook|headers", "http.test.mjs")
	cmd.Dir = "node"
	cmd.Env = append(cleanEnv(), "RUNLOG_TEST_URL="+url, "RUNLOG_TEST_SITE_URL="+site, "RUNLOG_TEST_ADMIN_KEY=unused")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("node --test http.test.mjs on the site's port: %v\n%s", err, out)
	}
	p.stop()
}

// TestNoHTTPActions: without http.ts there is nothing below /http, and that is said.
func TestNoHTTPActions(t *testing.T) {
	app := copyApp(t, "jobs")
	p, url := startServe(t, app, nil, "--functions", app)
	if status, got := get(t, url+"/http/x"); status != 404 || got != "This Convex deployment does not have HTTP actions enabled." {
		t.Errorf("%d %s", status, got)
	}
	p.stop()
}

package test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAuth runs the official HTTP client with users' tokens, then changes what is trusted under a running server.
func TestAuth(t *testing.T) {
	installNode(t)
	trusted := startIssuer(t)
	d := startDev(t, copyApp(t, "kitchen"))
	token := trusted.token(time.Hour, map[string]any{"sub": "ada"})
	d.expectUser("before there is a config", token, http.StatusUnauthorized, "NoAuthProvider")

	d.push("convex/auth.config.ts", trusted.config())
	d.expectUser("a config", token, http.StatusOK, `"subject":"ada"`)
	runNodeWith(t, d, []string{"RUNLOG_TEST_ISSUER=" + trusted.URL}, "auth.test.mjs")

	from := d.mark()
	d.write("convex/auth.config.ts", "export default { providers: [{ domain: 5 }] };\n")
	d.await(from, `push failed[^\n]*\n\s*auth.config.ts: providers\[0\].domain must be a string`)
	d.expectUser("a config that was refused", token, http.StatusOK, `"subject":"ada"`)

	from = d.mark()
	d.write("convex/auth.config.ts", "export default { providers: [{ domain: process.env.ISSUER!, applicationID: 'app' }] };\n")
	d.await(from, `push failed[^\n]*\n\s*Environment variable ISSUER is used in auth config file but its value was not set`)

	d.push("convex/auth.config.ts", strings.Replace(trusted.config(), `"app"`, `"another"`, 1))
	d.expectUser("a config of another application", token, http.StatusUnauthorized, "app_id=another")

	d.push("convex/auth.config.ts", trusted.config())
	trusted.Close()
	d.expectUser("the issuer is gone and its keys were seen", token, http.StatusOK, `"subject":"ada"`)
	d.stop()
	if text := d.output(); strings.Contains(text, token[:40]) {
		t.Errorf("the server printed a token:\n%s", text)
	}
}

// push writes a file of the app and waits until the new code runs.
func (d *devServer) push(path, content string) {
	d.t.Helper()
	from := d.mark()
	d.write(path, content)
	d.await(from, `pushed \d+ function`)
}

// expectUser asks the app who a token's bearer is.
func (d *devServer) expectUser(when, token string, status int, want string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url+"/api/query", strings.NewReader(`{"path":"effects:whoami","args":{}}`))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if response.StatusCode != status || !strings.Contains(string(body), want) {
		d.t.Errorf("%s: %d %s, want %d and %s", when, response.StatusCode, body, status, want)
	}
}

package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestServeRefusesInnerAddresses asks production servers for a service on this machine: only what the operator allows is
// reached, whether a script runs in the server's process or in a child.
func TestServeRefusesInnerAddresses(t *testing.T) {
	var came atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		came.Add(1)
		fmt.Fprint(w, "a secret")
	}))
	t.Cleanup(inner.Close)
	local := strings.Replace(inner.URL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		args    []string
		reached bool
	}{
		{nil, false},
		{[]string{"--isolation=inprocess"}, false},
		{[]string{"--fetch-allow=10.0.0.0/8"}, false},
		{[]string{"--fetch-allow=127.0.0.0/8"}, true},
		{[]string{"--fetch-allow=loopback", "--isolation=inprocess"}, true},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			app := copyApp(t, "kitchen")
			p, url := startServe(t, app, []string{"HTTP_PROXY=" + inner.URL}, append([]string{"--functions", app}, c.args...)...)
			before := came.Load()
			for _, target := range []string{inner.URL, local} {
				answer := callAction(t, url, fmt.Sprintf(`{"path":"web:fails","args":{"url":%q}}`, target))
				refused := strings.Contains(answer, "is a loopback address")
				if refused == c.reached || !strings.Contains(answer, `"success"`) {
					t.Errorf("%s: got %s", target, answer)
				}
			}
			if reached := came.Load() != before; reached != c.reached {
				t.Errorf("the service was reached: %t, want %t", reached, c.reached)
			}
			p.stop()
		})
	}
}

// callAction posts a call of an action and returns the answer.
func callAction(t *testing.T, url, body string) string {
	t.Helper()
	resp, err := http.Post(url+"/api/action", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestReplayServer: the history of a running server can be asked with a key, and nobody else is told of it.
func TestReplayServer(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	const calls = 20
	for range calls {
		mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"x"}`)
	}
	elsewhere := t.TempDir()
	asked := []string{"--url", d.url, "--admin-key", d.key}
	ask := func(args ...string) (string, string, int) { return replay(t, elsewhere, append(args, asked...)...) }

	out, errs, code := ask("verify")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("%d mutations run again", calls)) {
		t.Fatalf("verify: exit code %d, %s%s", code, out, errs)
	}
	out, errs, code = ask("query", "counter:get", `{"name":"x"}`)
	if code != 0 || out != fmt.Sprintf("%d\n", calls) {
		t.Fatalf("query: exit code %d, %s%s", code, out, errs)
	}
	// The call at half time saw half of the count.
	out, errs, code = ask("log", "--function", "counter:increment", "--json")
	var half struct{ Offset int }
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 0 || len(lines) != calls || json.Unmarshal([]byte(lines[calls/2-1]), &half) != nil {
		t.Fatalf("log: exit code %d, %s%s", code, out, errs)
	}
	out, errs, code = ask("query", "--at", fmt.Sprint(half.Offset), "counter:get", `{"name":"x"}`)
	if code != 0 || out != fmt.Sprintf("%d\n", calls/2) {
		t.Fatalf("query --at %d: exit code %d, %s%s", half.Offset, code, out, errs)
	}

	for _, c := range []struct {
		args  []string
		code  int
		about string
	}{
		{[]string{"verify", "--data", filepath.Join(d.app, ".runlog")}, 3, "--url"},
		{[]string{"verify", "--url", d.url}, 2, "--admin-key"},
		{[]string{"verify", "--url", d.url, "--admin-key", "no|body"}, 2, "--admin-key"},
		{[]string{"verify", "--url", d.url, "--data", "."}, 2, "say one"},
		{[]string{"log", "--follow"}, 2, "--url"},
		{[]string{"verify", "--url", "http://127.0.0.1:1"}, 2, "no server answers"},
	} {
		out, errs, code := replay(t, elsewhere, c.args...)
		if code != c.code || !strings.Contains(errs, c.about) {
			t.Errorf("replay %q: exit code %d, %s%s", c.args, code, out, errs)
		}
	}
	left, err := filepath.Glob(filepath.Join(d.app, ".runlog", "checkpoint-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("checkpoints are left behind: %q, %v", left, err)
	}
	d.stop()
}

// TestReplayFollow: what a server writes is told as it is written, until the server stops.
func TestReplayFollow(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"before"}`)
	p := startProgram(t, replayBinary, t.TempDir(), nil, "log", "--follow", "--function", "counter:increment", "--url", d.url, "--admin-key", d.key)
	p.await(0, `counter:increment\({"name":"before"}\)`)
	mark := p.mark()
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"after"}`)
	p.await(mark, `counter:increment\({"name":"after"}\)  update|counter:increment\({"name":"after"}\)  insert`)
	d.stop()
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d when the server has stopped, want 0", code)
	}
}

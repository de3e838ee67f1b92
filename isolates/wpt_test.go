package isolates

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestURLs holds URL against the data of the web-platform-tests project (url/resources of
// https://github.com/web-platform-tests/wpt, 3-clause BSD licence).
func TestURLs(t *testing.T) {
	for name, check := range map[string]string{
		"urltestdata": `(list) => list.filter((c) => typeof c === "object").flatMap((c) => {
			let u = null;
			try { u = new URL(c.input, c.base ?? undefined); } catch {}
			if (c.failure) return u === null ? [] : [c.input + " | " + c.base + ": parsed as " + u.href];
			if (u === null) return [c.input + " | " + c.base + ": refused"];
			const parts = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
			return parts.filter((p) => c[p] !== undefined && c[p] !== u[p]).map((p) => c.input + " | " + c.base + ": " + p + " is " + u[p] + ", want " + c[p]);
		})`,
		"setters_tests": `(tests) => Object.entries(tests).filter(([name]) => name !== "comment").flatMap(([name, list]) => list.flatMap((c) => {
			const u = new URL(c.href);
			u[name] = c.new_value;
			return Object.entries(c.expected).filter(([p, v]) => u[p] !== v).map(([p, v]) => c.href + " " + name + " = " + c.new_value + ": " + p + " is " + u[p] + ", want " + v);
		}))`,
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/wpt/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(string(data))
			if err != nil {
				t.Fatal(err)
			}
			source := prelude + "const data = JSON.parse(" + string(text) + ");\nconst check = " + check + ";\nexports.f = query(() => check(data));"
			res, err := newTestPool(t, true).Run(context.Background(), &Invocation{Program: bundle(map[string]string{"app.js": source}), Module: "app.js", Export: "f",
				Kind: KindQuery, Host: newMemory(), Limits: Limits{Timeout: time.Minute}})
			if err != nil {
				t.Fatal(err)
			}
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			v, err := res.Value.Decode()
			if err != nil {
				t.Fatal(err)
			}
			for _, failure := range v.Array() {
				t.Error(strings.ToValidUTF8(failure.Str(), "?"))
			}
		})
	}
}

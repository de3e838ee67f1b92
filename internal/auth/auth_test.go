package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runlog/internal/clock"
	"runlog/internal/rng"
)

func newKey(t *testing.T, name string) (string, Record) {
	t.Helper()
	key, r, err := NewKey(name, rng.NewStream(rng.NewSeed()))
	if err != nil {
		t.Fatal(err)
	}
	return key, r
}

func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Status, " ", e.Code)
	}
	return fmt.Sprint(err)
}

func TestAuthenticate(t *testing.T) {
	a, err := New(Options{Fixed: []string{"root|secret"}})
	if err != nil {
		t.Fatal(err)
	}
	acting := base64.StdEncoding.EncodeToString([]byte(`{"issuer":"https://i","subject":"s","role":"x"}`))
	for _, c := range []struct{ header, want string }{
		{"", "nobody"},
		{"Convex root|secret", "root"},
		{"convex prod:root|secret", "root"},
		{"CONVEX dev:root|secret", "root"},
		{"Convex preview:team:proj|secret", "root"},
		{"Convex project:x|secret", "root"},
		{"Convex root|secret:" + acting, "root as https://i|s"},
		{"Convex prod:root|secret:" + acting, "root as https://i|s"},
		{"Convex prod:other|secret", "401 BadAdminKey"},
		{"Convex root|", "401 BadAdminKey"},
		{"Convex root|secre", "401 BadAdminKey"},
		{"Convex root|secret2", "401 BadAdminKey"},
		{"Convex root|:" + acting, "401 BadAdminKey"},
		{"Convex ", "401 BadAdminKey"},
		{"Convex root|secret:!", "400 InvalidHeaderFailure"},
		{"Convex root|secret:" + base64.StdEncoding.EncodeToString([]byte(`[1]`)), "400 InvalidHeaderFailure"},
		{"Convex root|secret:" + base64.StdEncoding.EncodeToString([]byte(`{"issuer":1,"subject":"s"}`)), "400 InvalidHeaderFailure"},
		{"Convex root|secret:" + base64.StdEncoding.EncodeToString([]byte(`{"subject":"s"}`)), "400 InvalidHeaderFailure"},
		{"Convex", "400 InvalidHeaderFailure"},
		{"Basic root|secret", "400 InvalidAdminKey"},
		{"Bearer eyJhbGciOiJub25lIn0.e30.", "401 NoAuthProvider"},
		{"bearer x", "401 NoAuthProvider"},
	} {
		caller, err := a.Authenticate(t.Context(), c.header)
		got := describe(caller)
		if err != nil {
			got = codeOf(err)
		}
		if got != c.want {
			t.Errorf("%q is %s, want %s", c.header, got, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secre") {
			t.Errorf("the error of %q quotes the secret: %v", c.header, err)
		}
	}
}

func describe(c Caller) string {
	switch {
	case c.Admin == nil && c.User == nil:
		return "nobody"
	case c.User == nil:
		return c.Admin.Name
	}
	return c.Admin.Name + " as " + c.User.TokenIdentifier
}

func TestActingKeepsAttributes(t *testing.T) {
	a, err := New(Options{Fixed: []string{"root|secret"}})
	if err != nil {
		t.Fatal(err)
	}
	claims := base64.StdEncoding.EncodeToString([]byte(`{"tokenIdentifier":"t","role":{"admin":true},"issuer":null}`))
	c, err := a.CheckKey("root|secret:" + claims)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.User.Attributes.String(), `{issuer: null, role: {admin: true}, tokenIdentifier: "t"}`; got != want {
		t.Errorf("attributes %s, want %s", got, want)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, key := range []string{"", "secret", "|secret", "name|", "a b|c", "name|se cret", "name|a:b", "name|a|b",
		strings.Repeat("n", 65) + "|s", "näme|s"} {
		if _, err := New(Options{Fixed: []string{key}}); err == nil {
			t.Errorf("%q was taken for a key", key)
		}
	}
}

func TestKeysOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	now := clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	server, cli := NewFile(path), NewFile(path)
	a, err := New(Options{Store: server, Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	key, r := newKey(t, "ci")
	check := func(when, want string) {
		t.Helper()
		_, err := a.CheckKey(key)
		if got := codeOf(err); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	check("before the file exists", "401 BadAdminKey")
	r.Created = now.Now()
	r.Expires = now.Now().Add(time.Hour)
	r.Ops = OpsOf(ViewData, Deploy)
	if err := cli.Add(r); err != nil {
		t.Fatal(err)
	}
	check("after another process added it", "<nil>")
	if err := cli.Add(r); !errors.Is(err, ErrKeyExists) {
		t.Errorf("the same name again: %v", err)
	}
	stored, err := server.Keys()
	if err != nil || len(stored) != 1 || stored[0] != r {
		t.Errorf("stored %v, %v; want %v", stored, err, r)
	}
	c, err := a.CheckKey(key)
	if err != nil || c.Admin.Require(Deploy) != nil || codeOf(c.Admin.Require(ActAsUser)) != "403 OperationNotPermitted" || c.Admin.ReadOnly() {
		t.Errorf("the grant is %+v, %v", c.Admin, err)
	}
	now.Advance(time.Hour - 1)
	check("just before it expires", "<nil>")
	now.Advance(1)
	check("when it expires", "401 BadAdminKey")
	now.Set(r.Created)
	if err := cli.Remove("ci"); err != nil {
		t.Fatal(err)
	}
	check("after it was revoked", "401 BadAdminKey")
	if err := cli.Remove("ci"); !errors.Is(err, ErrNoKey) {
		t.Errorf("revoking it again: %v", err)
	}
}

func TestFileHoldsNoSecretAndIsPrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	key, r := newKey(t, "ci")
	if err := NewFile(path).Add(r); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(key, "|")
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), secret) {
			t.Errorf("%s holds the secret", e.Name())
		}
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
		if strings.HasSuffix(e.Name(), ".tmp") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestDamagedFile(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":2,"keys":[]}`, `{"version":1,"keys":[{"name":"a","sha256":"00","ops":[]}]}`,
		`{"version":1,"keys":[{"name":"a","sha256":"` + strings.Repeat("0", 64) + `","ops":["Nothing"]}]}`, `{"version":1,"other":1}`} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := NewFile(path)
		if _, err := f.Keys(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q was read: %v", content, err)
		}
		_, r := newKey(t, "b")
		if err := f.Add(r); err == nil {
			t.Errorf("%q was replaced", content)
		}
	}
}

// TestConcurrentChanges guards the lock: of keys added at once none is lost.
func TestConcurrentChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	var names []string
	var wg sync.WaitGroup
	for i := range 8 {
		name := fmt.Sprintf("key-%d", i)
		names = append(names, name)
		_, r := newKey(t, name)
		wg.Go(func() {
			if err := NewFile(path).Add(r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	keys, err := NewFile(path).Keys()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, k.Name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("kept %v, want %v", got, names)
	}
}

func TestOps(t *testing.T) {
	all := AllOps().Names()
	if len(all) != int(opCount) || all[0] != Deploy.String() || all[len(all)-1] != ViewUsage.String() {
		t.Errorf("all operations are %v", all)
	}
	for _, s := range []Ops{0, AllOps(), ReadOnlyOps(), OpsOf(Deploy, ViewUsage)} {
		if back, err := ParseOps(s.Names()); back != s || err != nil {
			t.Errorf("%v reads back as %v, %v", s.Names(), back.Names(), err)
		}
	}
	if _, err := ParseOps([]string{"deploy"}); err == nil {
		t.Error("an unknown operation was read")
	}
}

func BenchmarkCheckKey(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys.json")
	f := NewFile(path)
	key, r, err := NewKey("ci", rng.NewStream(rng.NewSeed()))
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Add(r); err != nil {
		b.Fatal(err)
	}
	a, err := New(Options{Store: f})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), "Convex "+key); err != nil {
			b.Fatal(err)
		}
	}
}

package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNode runs the suites in node/ against a server of each kind: functions may get the package convex from the
// program or from npm, and nobody may notice a difference.
func TestNode(t *testing.T) {
	modules := installNode(t)
	t.Run("builtin", func(t *testing.T) {
		d := startDev(t, copyApp(t, "kitchen"))
		runNode(t, d, "client.test.mjs", "wire.test.mjs", "live.test.mjs", "later.test.mjs", "files.test.mjs", "http.test.mjs", "fetch.test.mjs", "load.test.mjs")
		d.stop()
	})
	t.Run("npm", func(t *testing.T) {
		app := copyApp(t, "kitchen")
		if err := os.Symlink(modules, filepath.Join(app, "node_modules")); err != nil {
			t.Fatal(err)
		}
		d := startDev(t, app, "--convex-package=npm")
		runNode(t, d, "client.test.mjs", "wire.test.mjs", "live.test.mjs", "later.test.mjs", "files.test.mjs", "http.test.mjs", "fetch.test.mjs")
		d.stop()
	})
	t.Run("inprocess", func(t *testing.T) {
		d := startDev(t, copyApp(t, "kitchen"), "--isolation=inprocess")
		runNode(t, d, "client.test.mjs", "later.test.mjs", "files.test.mjs", "http.test.mjs", "fetch.test.mjs")
		d.stop()
	})
}

func runNode(t *testing.T, d *devServer, suites ...string) {
	t.Helper()
	runNodeWith(t, d, nil, suites...)
}

// runNodeWith runs suites that want to know more of their surroundings than where the server is.
func runNodeWith(t *testing.T, d *devServer, env []string, suites ...string) {
	t.Helper()
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", suite)
			cmd.Dir = "node"
			cmd.Env = append(cleanEnv(), "RUNLOG_TEST_URL="+d.url, "RUNLOG_TEST_ADMIN_KEY="+d.key)
			cmd.Env = append(cmd.Env, env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("node --test %s: %v\n%s", suite, err, out)
			}
		})
	}
}

// installNode makes sure of the packages in package-lock.json and returns their folder.
func installNode(t *testing.T) string {
	t.Helper()
	modules, err := filepath.Abs("node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if installedVersion(filepath.Join(modules, "convex")) == lockedVersion(t, "convex") {
		return modules
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = "node"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return modules
}

// installedVersion is that of the package in dir, "" if it is not there.
func installedVersion(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return ""
	}
	var p struct{ Version string }
	if json.Unmarshal(raw, &p) != nil {
		return ""
	}
	return p.Version
}

func lockedVersion(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&lock); err != nil {
		t.Fatal(err)
	}
	return lock.Packages["node_modules/"+name].Version
}

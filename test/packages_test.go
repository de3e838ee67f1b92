package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPackages runs packages from npm inside functions.
func TestPackages(t *testing.T) {
	installNode(t)
	modules := installPackages(t, "apps/packages")
	app := filepath.Join(t.TempDir(), "packages")
	if err := os.CopyFS(filepath.Join(app, "convex"), os.DirFS("apps/packages/convex")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(app, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, isolation := range []string{"inprocess", "process"} {
		t.Run(isolation, func(t *testing.T) {
			d := startDev(t, app, "--isolation="+isolation, "--data", t.TempDir())
			runNode(t, d, "packages.test.mjs")
			d.stop()
		})
	}
}

// installPackages installs what the package-lock.json in dir names, unless that is what was installed last.
func installPackages(t *testing.T, dir string) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(dir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(modules, ".installed-lock")
	if installed, err := os.ReadFile(mark); err == nil && bytes.Equal(installed, lock) {
		return modules
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
	}
	if err := os.WriteFile(mark, lock, 0o644); err != nil {
		t.Fatal(err)
	}
	return modules
}

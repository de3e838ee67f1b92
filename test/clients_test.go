package test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPython runs the official Python client over its socket.
func TestPython(t *testing.T) {
	python := installPython(t)
	s := startStage(t, copyApp(t, "kitchen"))
	s.run("python", nil, python, "-m", "unittest", "-v", "test_client")
	s.server.stop()
}

// installPython makes sure of an environment with the packages in requirements.txt, and returns its interpreter. One that
// was made for the same file is used again.
func installPython(t *testing.T) string {
	t.Helper()
	dir := cacheDir(t, "python", "python/requirements.txt")
	python := filepath.Join(dir, "bin", "python")
	if exec.CommandContext(t.Context(), python, "-c", "import convex").Run() == nil {
		return python
	}
	mustRun(t, exec.CommandContext(t.Context(), "python3", "-m", "venv", "--clear", dir))
	mustRun(t, exec.CommandContext(t.Context(), python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "python/requirements.txt"))
	return python
}

// TestRust runs the official Rust client over its socket.
func TestRust(t *testing.T) {
	// What was built for the same lock file is used again.
	target := cacheDir(t, "rust", "rust/Cargo.lock")
	build := exec.CommandContext(t.Context(), "cargo", "build", "--quiet", "--locked")
	build.Dir, build.Env = "rust", append(cleanEnv(), "CARGO_TARGET_DIR="+target)
	mustRun(t, build)
	s := startStage(t, copyApp(t, "kitchen"))
	s.run("rust", nil, filepath.Join(target, "debug", "runlog-test-rust"))
	s.server.stop()
}

// cacheDir is a folder that stays between runs, for what is made from the named file.
func cacheDir(t *testing.T, what, from string) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(content)
	return filepath.Join(base, "runlog-test", what+"-"+hex.EncodeToString(hash[:6]))
}

func mustRun(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

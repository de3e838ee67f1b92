package test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBrowser opens the page of examples/chat in Chromium. RUNLOG_TEST_SCREENSHOT=FILE keeps a picture of it.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: `make deps-browser` installs it", err)
	}
	installPackages(t, "browser")
	s := startStage(t, copyChat(t))
	page := httptest.NewServer(http.FileServer(http.Dir(buildChat(t))))
	defer page.Close()
	env := []string{"RUNLOG_TEST_PAGE=" + page.URL, "RUNLOG_TEST_CHROMIUM=" + chromium}
	if file := os.Getenv("RUNLOG_TEST_SCREENSHOT"); file != "" {
		env = append(env, "RUNLOG_TEST_SCREENSHOT="+file)
	}
	s.run("browser", env, "node", "--test", "--test-reporter=spec", "chat.test.mjs")
	s.server.stop()
}

const chat = "../examples/chat"

// copyChat copies the functions of the example.
func copyChat(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "convex"), os.DirFS(filepath.Join(chat, "convex"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// buildChat bundles the page of the example and returns the folder it is in.
func buildChat(t *testing.T) string {
	t.Helper()
	web := filepath.Join(chat, "web")
	installPackages(t, web)
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "node", "build.mjs", "--out", dir)
	build.Dir = web
	mustRun(t, build)
	return dir
}

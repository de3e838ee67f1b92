package test

import (
	"fmt"
	"io"
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
	s := startStage(t, copyExample(t, "chat"))
	s.run("browser", browserEnv(t, chromium, "chat"), "node", "--test", "--test-reporter=spec", "chat.test.mjs")
	s.server.stop()
}

// TestGallery opens the page of examples/gallery in Chromium: files, an action, a webhook and the cron's clean-up.
func TestGallery(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: `make deps-browser` installs it", err)
	}
	installPackages(t, "browser")
	captions := httptest.NewServer(http.HandlerFunc(caption))
	defer captions.Close()
	s := startStage(t, copyExample(t, "gallery"))
	env := append(browserEnv(t, chromium, "gallery"), "RUNLOG_TEST_CAPTIONS="+captions.URL, "RUNLOG_TEST_KEY="+s.server.key)
	s.run("browser", env, "node", "--test", "--test-reporter=spec", "gallery.test.mjs")
	s.server.stop()
}

// caption is a service that describes pictures.
func caption(w http.ResponseWriter, r *http.Request) {
	picture, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "image/png" {
		http.Error(w, "a picture is wanted", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `{"caption": "%d bytes of art"}`, len(picture))
}

// browserEnv serves the page of an example and says where it is.
func browserEnv(t *testing.T, chromium, example string) []string {
	t.Helper()
	page := httptest.NewServer(http.FileServer(http.Dir(buildPage(t, example))))
	t.Cleanup(page.Close)
	env := []string{"RUNLOG_TEST_PAGE=" + page.URL, "RUNLOG_TEST_CHROMIUM=" + chromium}
	if file := os.Getenv("RUNLOG_TEST_SCREENSHOT"); file != "" {
		env = append(env, "RUNLOG_TEST_SCREENSHOT="+file)
	}
	return env
}

// copyExample copies the functions of an example.
func copyExample(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "convex"), os.DirFS(filepath.Join("../examples", name, "convex"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// buildPage bundles the page of an example and returns the folder it is in.
func buildPage(t *testing.T, name string) string {
	t.Helper()
	web := filepath.Join("../examples", name, "web")
	installPackages(t, web)
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "node", "build.mjs", "--out", dir)
	build.Dir = web
	mustRun(t, build)
	return dir
}

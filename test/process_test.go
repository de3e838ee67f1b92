package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, and replayBinary the one that asks what it did; both are built by TestMain.
var binary, replayBinary string

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "runlog-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary, replayBinary = filepath.Join(dir, "runner"), filepath.Join(dir, "replay")
	build := exec.Command("go", "build", "-o", dir, "./cmd/runner", "./cmd/replay")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience is how long a test waits for what must come. It is long: machines that run tests are busy.
const patience = 60 * time.Second

// A process is a running program and what it has printed.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and everything it printed is here

	mu struct {
		sync.Mutex
		out     bytes.Buffer
		changed chan struct{} // closed and replaced when out grows or the process ends
		ended   bool
	}
}

// start runs the program in dir. It is killed when the test ends, if it still runs.
func start(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	return startProgram(t, binary, dir, env, args...)
}

func startProgram(t *testing.T, binary, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.mu.changed = make(chan struct{})
	p.cmd.Dir = dir
	p.cmd.Env = append(cleanEnv(), env...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go p.read(r) // ends with the process, which has the other end
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s printed:\n%s", strings.Join(args, " "), p.output())
		}
	})
	return p
}

// cleanEnv is the environment without settings of the program.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RUNLOG_") {
			env = append(env, v)
		}
	}
	return env
}

func (p *process) read(r io.ReadCloser) {
	defer r.Close()
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		p.grow(buf[:n], false)
		if err != nil {
			break
		}
	}
	p.cmd.Wait() // the exit code is asked for elsewhere
	p.grow(nil, true)
	close(p.done)
}

func (p *process) grow(b []byte, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.out.Write(b)
	p.mu.ended = p.mu.ended || ended
	close(p.mu.changed)
	p.mu.changed = make(chan struct{})
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.out.String()
}

// mark is the place in the output that await is to begin at.
func (p *process) mark() int { return len(p.output()) }

// await waits until the output from a mark on matches, and returns the submatches.
func (p *process) await(from int, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		text, changed, ended := p.mu.out.String()[from:], p.mu.changed, p.mu.ended
		p.mu.Unlock()
		if found := re.FindStringSubmatch(text); found != nil {
			return found
		}
		if ended {
			p.t.Fatalf("the process ended without printing %q", pattern)
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("the process has not printed %q in %s", pattern, patience)
		}
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the process has not ended in %s", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop asks the process to end and checks that it does so in good order.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 0 {
		p.t.Errorf("exit code %d after an interrupt, want 0", code)
	}
}

// command runs the program to its end and returns what it printed.
func command(t *testing.T, dir string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runProgram(t, binary, dir, env, args...)
}

// replay asks a history, and returns what was printed.
func replay(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runProgram(t, replayBinary, dir, nil, args...)
}

func runProgram(t *testing.T, binary, dir string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A devServer is `runner dev` on a copy of an app.
type devServer struct {
	*process
	app, url, key string
}

// copyApp copies an app of apps/ to a folder of the test's own. What servers wrote beside it is run again when the test has ended.
func copyApp(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("apps", name))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { verifyHistory(t, filepath.Join(dir, ".runlog")) })
	return dir
}

// addressFile is where the tests keep the address that an app was served at last: functions may return it, and the log does not
// hold it.
func addressFile(app string) string { return app + ".url" }

func noteAddress(t *testing.T, app, url string) {
	t.Helper()
	if err := os.WriteFile(addressFile(app), []byte(url), 0o600); err != nil {
		t.Fatal(err)
	}
}

// verifyHistory runs the history in a data folder again, if there is one: it must do the same.
func verifyHistory(t *testing.T, data string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(data, "runlog.head")); err != nil {
		return // no server has got as far as that
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"verify", "--data", data}
	if url, err := os.ReadFile(addressFile(filepath.Dir(data))); err == nil {
		args = append(args, "--cloud-url", string(url), "--site-url", string(url)+"/http")
	}
	out, err := exec.CommandContext(ctx, replayBinary, args...).CombinedOutput()
	if err != nil {
		t.Errorf("replay verify: %v\n%s", err, out)
	}
}

func startDev(t *testing.T, app string, args ...string) *devServer {
	t.Helper()
	p := start(t, app, nil, append([]string{"dev", app, "--listen", "127.0.0.1:0"}, args...)...)
	d := &devServer{process: p, app: app}
	d.url = p.await(0, `URL +(http://\S+)`)[1]
	noteAddress(t, app, d.url)
	d.key = p.await(0, `admin key +(\S+)`)[1]
	p.await(0, `pushed \d+ functions?|push failed|nothing changed`)
	return d
}

// write replaces a file of the app.
func (d *devServer) write(path, content string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.app, path), []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// An answer is what a function route answers.
type answer struct {
	HTTP         int             `json:"-"`
	Status       string          `json:"status"`
	Value        json.RawMessage `json:"value"`
	ErrorMessage string          `json:"errorMessage"`
	ErrorData    json.RawMessage `json:"errorData"`
	LogLines     []string        `json:"logLines"`
	Code         string          `json:"code"`
	Message      string          `json:"message"`
}

// ask calls a function. kind is query, mutation, action or function.
func ask(ctx context.Context, url, key, kind, path, args string) (a answer, err error) {
	body := fmt.Sprintf(`{"path":%q,"args":%s,"format":"json"}`, path, args)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/"+kind, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Convex "+key)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.HTTP = response.StatusCode
	return a, json.NewDecoder(bufio.NewReader(response.Body)).Decode(&a)
}

// mustAsk calls a function that must succeed and returns its value.
func mustAsk(t *testing.T, url, kind, path, args string) string {
	t.Helper()
	a, err := ask(t.Context(), url, "", kind, path, args)
	if err != nil {
		t.Fatalf("%s %s: %v", kind, path, err)
	}
	if a.Status != "success" {
		t.Fatalf("%s %s answered %+v", kind, path, a)
	}
	return string(a.Value)
}

// get asks a plain route.
func get(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// files lists the files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

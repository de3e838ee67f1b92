package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peakMemory is the most memory a process has had, in MB.
func peakMemory(t *testing.T, p *process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kb, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}

// upload stores what r gives and returns the address of the file.
func upload(t *testing.T, url string, r io.Reader) (status int, file string) {
	t.Helper()
	var uploadURL string
	if err := json.Unmarshal([]byte(mustAsk(t, url, "mutation", "files:uploadUrl", "{}")), &uploadURL); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(uploadURL, "application/octet-stream", r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ StorageID string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 {
		return response.StatusCode, ""
	}
	if err := json.Unmarshal([]byte(mustAsk(t, url, "query", "files:url", fmt.Sprintf(`{"id": %q}`, answer.StorageID))), &file); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, file
}

// TestLargeFile: a file much larger than the memory it may cost goes up and comes back.
func TestLargeFile(t *testing.T) {
	megabytes := int64(256)
	if _, soak := os.LookupEnv("RUNLOG_SOAK_ROUNDS"); soak {
		megabytes = 1024
	}
	app := copyApp(t, "kitchen")
	p, url := startServe(t, app, nil, "--functions", app)
	if _, small := upload(t, url, strings.NewReader("small")); small == "" {
		t.Fatal("a small file was refused")
	}
	before := peakMemory(t, p)
	sent := sha256.New()
	content := io.LimitReader(rand.NewChaCha8([32]byte{1}), megabytes<<20)
	status, file := upload(t, url, io.TeeReader(content, sent))
	if status != 200 {
		t.Fatalf("the upload is answered %d", status)
	}
	response, err := http.Get(file)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	received := sha256.New()
	if n, err := io.Copy(received, response.Body); err != nil || n != megabytes<<20 {
		t.Fatalf("%d bytes came back, %v", n, err)
	}
	if hex.EncodeToString(sent.Sum(nil)) != hex.EncodeToString(received.Sum(nil)) {
		t.Error("other bytes came back than were sent")
	}
	grown := peakMemory(t, p) - before
	t.Logf("%d MB up and down: %d MB of memory, and %d MB more", megabytes, before, grown)
	if grown > 64 {
		t.Errorf("the server took %d MB for it, want 64 at most", grown)
	}
	p.stop()
}

// TestFilesKilled: kill -9 while files are uploaded and deleted. A file that was acknowledged and not deleted is whole.
func TestFilesKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	app := copyApp(t, "kitchen")
	known := map[string]string{}
	for round := range rounds(t, 5) {
		p, url := startServe(t, app, nil, "--functions", app)
		// Contents repeat, so that what one file deletes another may have.
		for i := range 10 {
			text := strings.Repeat(fmt.Sprint("content ", random.IntN(5)), 1000)
			var uploadURL string
			if err := json.Unmarshal([]byte(mustAsk(t, url, "mutation", "files:uploadUrl", "{}")), &uploadURL); err != nil {
				t.Fatal(err)
			}
			response, err := http.Post(uploadURL, "text/plain", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			var answer struct{ StorageID string }
			err = json.NewDecoder(response.Body).Decode(&answer)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			known[answer.StorageID] = text
			if i%2 == 1 {
				for id := range known {
					mustAsk(t, url, "mutation", "files:remove", fmt.Sprintf(`{"id": %q}`, id))
					delete(known, id)
					break
				}
			}
		}
		interrupted := make(chan struct{})
		go func() { // ends with the server
			defer close(interrupted)
			for {
				a, err := ask(t.Context(), url, "", "action", "files:store", `{"text": "content 1", "type": ""}`)
				if err != nil || a.Status != "success" {
					return
				}
			}
		}()
		// The moment is the test's subject, so it waits a time and not for an event.
		<-time.After(time.Duration(random.IntN(100)) * time.Millisecond)
		p.signal(syscall.SIGKILL)
		p.wait()
		<-interrupted
		if round == 0 && len(known) == 0 {
			t.Fatal("no file is left to look for")
		}
	}
	p, url := startServe(t, app, nil, "--functions", app)
	for id, text := range known {
		var file string
		if err := json.Unmarshal([]byte(mustAsk(t, url, "query", "files:url", fmt.Sprintf(`{"id": %q}`, id))), &file); err != nil {
			t.Fatal(err)
		}
		if status, got := get(t, file); status != 200 || got != text {
			t.Errorf("file %s: %d, %d bytes, want %d", id, status, len(got), len(text))
		}
	}
	p.stop()
}

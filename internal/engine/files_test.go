package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runlog/internal/blob"
)

const filesApp = `
-- files.ts --
import { mutation, query } from "./_generated/server";
export const uploadUrl = mutation({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });
export const remove = mutation({ args: {}, handler: async (ctx) => {
  const file = await ctx.db.system.query("_storage").first();
  await ctx.storage.delete(file!._id);
} });
export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.system.query("_storage").collect()).length });
`

// A watched store tells what was deleted.
type watched struct {
	blob.Store
	deleted chan blob.Hash
}

func (w *watched) Delete(ctx context.Context, h blob.Hash) error {
	err := w.Store.Delete(ctx, h)
	w.deleted <- h
	return err
}

// uploadFile stores a content and gives its hash.
func uploadFile(t *testing.T, e *Engine, content string) blob.Hash {
	t.Helper()
	url := strings.Trim(mutate(t, e, "files:uploadUrl", "{}"), `"`)
	_, token, _ := strings.Cut(url, "token=")
	if _, err := e.Runner.Upload(context.Background(), token, strings.NewReader(content), "", nil); err != nil {
		t.Fatal(err)
	}
	upload, err := e.Blobs.Receive(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer upload.Close()
	return upload.Hash
}

// TestFilesCollected: a content goes when the last file that has it is deleted, and not before; one that no file ever
// had, as a crash leaves it, goes when the server starts.
func TestFilesCollected(t *testing.T) {
	dir := t.TempDir()
	store := &watched{blob.NewDir(filepath.Join(dir, "files")), make(chan blob.Hash, 10)}
	orphan := filepath.Join(dir, "files", "ab", "ab"+strings.Repeat("0", 62))
	if err := errors.Join(os.MkdirAll(filepath.Dir(orphan), 0o700), os.WriteFile(orphan, []byte("orphan"), 0o600)); err != nil {
		t.Fatal(err)
	}
	open := func() *Engine {
		e, err := Open(Options{Dir: dir, Files: store, FilesPause: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	next := func() string {
		t.Helper()
		select {
		case h := <-store.deleted:
			return h.String()
		case <-time.After(time.Minute):
			t.Fatal("nothing was deleted in a minute")
			return ""
		}
	}
	e := open()
	push(t, e, buildApp(t, filesApp))
	if got := next(); got != filepath.Base(orphan) {
		t.Errorf("deleted %s, want the orphan", got)
	}
	shared := uploadFile(t, e, "shared")
	uploadFile(t, e, "shared")
	mutate(t, e, "files:remove", "{}")
	other := uploadFile(t, e, "other")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open()
	for _, content := range []string{"shared", "other"} {
		h := map[string]blob.Hash{"shared": shared, "other": other}[content]
		r, err := e.Blobs.Read(context.Background(), h, 0, int64(len(content)))
		if err != nil {
			t.Fatalf("%s, which a file has: %v", content, err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil || got.String() != content {
			t.Errorf("%s reads %q, %v", content, got.String(), err)
		}
		r.Close()
	}
	mutate(t, e, "files:remove", "{}")
	mutate(t, e, "files:remove", "{}")
	gone := map[string]bool{next(): true, next(): true}
	if !gone[shared.String()] || !gone[other.String()] {
		t.Errorf("deleted %v, want %s and %s", gone, shared, other)
	}
	if got := ask(t, e, "files:count", "{}"); got != "0.0" {
		t.Errorf("%s files are left", got)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestUploadExpires: an upload URL is good for an hour.
func TestUploadExpires(t *testing.T) {
	h := newHistory(t)
	push(t, h.engine, buildApp(t, filesApp))
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{time.Hour - time.Second, "<nil>"}, {time.Hour, "StorageTokenExpired: Store File Authorization expired"}} {
		url := strings.Trim(mutate(t, h.engine, "files:uploadUrl", "{}"), `"`)
		_, token, _ := strings.Cut(url, "token=")
		h.clock.Advance(c.after)
		_, err := h.engine.Runner.Upload(context.Background(), token, strings.NewReader("x"), "", nil)
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("after %s: %s, want %s", c.after, got, c.want)
		}
	}
}

package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// eachStore runs a test against every kind of store.
func eachStore(t *testing.T, test func(t *testing.T, store Store)) {
	t.Run("dir", func(t *testing.T) { test(t, NewDir(filepath.Join(t.TempDir(), "deep", "blobs"))) })
	t.Run("s3", func(t *testing.T) { test(t, openS3(t)) })
}

func openS3(t *testing.T) *S3 {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	store, err := OpenS3(t.Context(), S3Options{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "files", AccessKey: "a", SecretKey: "b", Region: "us-east-1", Plain: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openBlobs(t *testing.T, store Store, maxSize int64) *Blobs {
	t.Helper()
	b, err := Open(Options{Store: store, Spool: filepath.Join(t.TempDir(), "incoming"), MaxSize: maxSize})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keep stores a content and gives its hash and the end of the hold.
func keep(t *testing.T, b *Blobs, content []byte) (Hash, func()) {
	t.Helper()
	u, err := b.Receive(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if u.Hash != sha256.Sum256(content) || u.Size != int64(len(content)) {
		t.Errorf("received %s of %d bytes", u.Hash, u.Size)
	}
	release, err := u.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u.Hash, release
}

func read(t *testing.T, b *Blobs, h Hash, offset, length int64) []byte {
	t.Helper()
	r, err := b.Read(t.Context(), h, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func list(t *testing.T, s Store) (all []Hash) {
	t.Helper()
	for h, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// TestStore: what is put comes back, whole and in parts, once for each content, until it is deleted.
func TestStore(t *testing.T) {
	eachStore(t, func(t *testing.T, store Store) {
		b := openBlobs(t, store, 0)
		if got := list(t, store); len(got) != 0 {
			t.Fatalf("a new store lists %v", got)
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		var all []Hash
		for _, size := range []int{0, 1, 1000, 1 << 20, 40 << 20} {
			content := make([]byte, size)
			for i := range content {
				content[i] = byte(random.Uint32())
			}
			h, release := keep(t, b, content)
			again, releaseAgain := keep(t, b, content)
			if h != again {
				t.Errorf("%s and %s have one content", h, again)
			}
			all = append(all, h)
			if got := read(t, b, h, 0, int64(size)); !bytes.Equal(got, content) {
				t.Errorf("%d bytes came back as %d", size, len(got))
			}
			for range 5 {
				from := random.IntN(size + 1)
				to := from + random.IntN(size-from+1)
				if got := read(t, b, h, int64(from), int64(to-from)); !bytes.Equal(got, content[from:to]) {
					t.Errorf("bytes %d to %d of %d are wrong", from, to, size)
				}
			}
			release()
			releaseAgain()
		}
		if got := list(t, store); len(got) != len(all) || !slices.ContainsFunc(got, func(h Hash) bool { return h == all[3] }) {
			t.Errorf("%d blobs are listed, want %d", len(got), len(all))
		}
		for _, h := range all {
			for range 2 {
				if err := store.Delete(t.Context(), h); err != nil {
					t.Error(err)
				}
			}
			for _, length := range []int64{0, 1} {
				if _, err := b.Read(t.Context(), h, 0, length); !errors.Is(err, ErrNotFound) {
					t.Errorf("reading a deleted blob: %v", err)
				}
			}
		}
		if got := list(t, store); len(got) != 0 {
			t.Errorf("after all were deleted, %v are listed", got)
		}
	})
}

// TestCollect deletes what is neither held nor in use.
func TestCollect(t *testing.T) {
	eachStore(t, func(t *testing.T, store Store) {
		b := openBlobs(t, store, 0)
		held, release := keep(t, b, []byte("held"))
		used, releaseUsed := keep(t, b, []byte("used"))
		releaseUsed()
		_, releaseGarbage := keep(t, b, []byte("garbage"))
		releaseGarbage()
		inUse := func(h Hash) (bool, error) { return h == used, nil }
		if n, err := b.Collect(t.Context(), inUse); n != 1 || err != nil {
			t.Errorf("collected %d, %v, want 1", n, err)
		}
		if got := list(t, store); len(got) != 2 || !slices.Contains(got, held) || !slices.Contains(got, used) {
			t.Errorf("left are %v", got)
		}
		release()
		release() // does nothing
		if n, err := b.Collect(t.Context(), inUse); n != 1 || err != nil {
			t.Errorf("collected %d, %v, want 1", n, err)
		}
		broken := errors.New("cannot tell")
		if n, err := b.Collect(t.Context(), func(Hash) (bool, error) { return false, broken }); n != 0 || !errors.Is(err, broken) {
			t.Errorf("collected %d, %v where use is not known", n, err)
		}
	})
}

// TestCollectBesideUploads: uploads of few contents, which come into use and go out of it, beside a collector that never
// rests. A blob in use is always there.
func TestCollectBesideUploads(t *testing.T) {
	b := openBlobs(t, NewDir(t.TempDir()), 0)
	var mu sync.Mutex
	uses := map[Hash]int{}
	inUse := func(h Hash) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return uses[h] > 0, nil
	}
	count := func(h Hash, by int) {
		mu.Lock()
		defer mu.Unlock()
		uses[h] += by
	}
	ctx, stop := context.WithCancel(t.Context())
	var collector, uploaders sync.WaitGroup
	deleted := 0
	collector.Go(func() {
		for ctx.Err() == nil {
			n, err := b.Collect(context.WithoutCancel(ctx), inUse)
			if err != nil {
				t.Error(err)
				return
			}
			deleted += n
		}
	})
	for worker := range 4 {
		uploaders.Go(func() {
			for i := range 300 {
				content := []byte(fmt.Sprint("content ", (worker+i)%3))
				u, err := b.Receive(bytes.NewReader(content))
				if err != nil {
					t.Error(err)
					return
				}
				release, err := u.Keep(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				count(u.Hash, 1)
				release()
				r, err := b.Read(ctx, u.Hash, 0, u.Size)
				if err != nil {
					t.Errorf("a blob in use: %v", err)
					return
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
					t.Errorf("a blob in use reads %q, %v", got, err)
				}
				r.Close()
				count(u.Hash, -1)
				u.Close()
			}
		})
	}
	uploaders.Wait()
	stop()
	collector.Wait()
	if deleted == 0 {
		t.Error("the collector has deleted nothing: this run shows nothing")
	}
}

// TestReceiveRefuses what is too large or breaks off, and leaves nothing behind.
func TestReceiveRefuses(t *testing.T) {
	spool := filepath.Join(t.TempDir(), "incoming")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spool, "upload-of-before"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(Options{Store: NewDir(t.TempDir()), Spool: spool, MaxSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(spool); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("uploads of the process before are still there: %v", err)
	}
	if _, err := b.Receive(strings.NewReader("eleven byte")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("eleven bytes: %v", err)
	}
	broken := errors.New("the line broke")
	if _, err := b.Receive(io.MultiReader(strings.NewReader("half"), &failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a broken upload: %v", err)
	}
	u, err := b.Receive(strings.NewReader("ten bytes!"))
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
	if left, err := os.ReadDir(spool); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestHashes come back from their texts, and nothing else does.
func TestHashes(t *testing.T) {
	h := Hash(sha256.Sum256([]byte("x")))
	if got, ok := ParseHash(h.String()); !ok || got != h {
		t.Error("hex")
	}
	if got, ok := ParseBase64(h.Base64()); !ok || got != h {
		t.Error("base64")
	}
	for _, s := range []string{"", "ab", h.String() + "00", strings.ToUpper(h.String()), "../" + h.String()[3:], h.String()[:63] + "g"} {
		if _, ok := ParseHash(s); ok {
			t.Errorf("%q is a hash", s)
		}
	}
}

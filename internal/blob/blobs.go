package blob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
)

// A Hash is the SHA-256 digest of a content, and its name.
type Hash [sha256.Size]byte

// String is the hash as a file name.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Base64 is the hash as headers and documents have it.
func (h Hash) Base64() string { return base64.StdEncoding.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (h Hash, ok bool) {
	n, err := hex.Decode(h[:], []byte(s[:min(len(s), 2*len(h))]))
	return h, err == nil && n == len(h) && s == h.String()
}

// ParseBase64 reads what Base64 wrote.
func ParseBase64(s string) (h Hash, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, false
	}
	return Hash(b), true
}

var (
	// ErrNotFound says that a store has no such blob.
	ErrNotFound = errors.New("blob: not found")
	// ErrTooLarge says that an upload is larger than is allowed.
	ErrTooLarge = errors.New("blob: too large")
)

// A Store keeps contents under their hashes. All methods may be called from any goroutine.
type Store interface {
	// Put keeps content, which is size bytes long and has the hash. It returns once the blob is durable. One that is there
	// already stays.
	Put(ctx context.Context, h Hash, size int64, content *os.File) error
	// Open reads length bytes of a blob from offset on, which must lie within it. ErrNotFound if there is no such blob.
	Open(ctx context.Context, h Hash, offset, length int64) (io.ReadCloser, error)
	// Delete removes a blob; one that is not there is no error.
	Delete(ctx context.Context, h Hash) error
	// List gives all blobs, in any order.
	List(ctx context.Context) iter.Seq2[Hash, error]
}

// Options configure Blobs.
type Options struct {
	// Store keeps the contents. Required.
	Store Store
	// Spool is the folder that uploads are received in. It is emptied by Open, and made when it is first needed. Required.
	Spool string
	// MaxSize bounds one upload, in bytes. Default: no bound but the disk.
	MaxSize int64
}

// Blobs are the contents of the files of one database.
type Blobs struct {
	options Options

	mu struct {
		sync.Mutex
		// holds counts who holds a blob. A blob is not deleted while it is held.
		holds map[Hash]int
		// deleting are blobs that are being deleted, which nobody can begin to hold. Each channel is closed when it is done.
		deleting map[Hash]chan struct{}
	}
}

// Open makes the blobs of a store usable.
func Open(o Options) (*Blobs, error) {
	if o.Store == nil || o.Spool == "" {
		return nil, errors.New("blob: Options.Store and Options.Spool are required")
	}
	if err := os.RemoveAll(o.Spool); err != nil {
		return nil, fmt.Errorf("empty the folder of uploads: %w", err)
	}
	b := &Blobs{options: o}
	b.mu.holds, b.mu.deleting = map[Hash]int{}, map[Hash]chan struct{}{}
	return b, nil
}

// Read opens a part of a blob, as Store.Open does.
func (b *Blobs) Read(ctx context.Context, h Hash, offset, length int64) (io.ReadCloser, error) {
	return b.options.Store.Open(ctx, h, offset, length)
}

// An Upload is a content that was received and is not in the store yet.
type Upload struct {
	Hash Hash
	Size int64

	blobs *Blobs
	file  *os.File
}

// Receive reads a content to its end. ErrTooLarge if it is longer than Options.MaxSize. The caller closes the upload.
func (b *Blobs) Receive(r io.Reader) (_ *Upload, err error) {
	if err := os.MkdirAll(b.options.Spool, 0o700); err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	file, err := os.CreateTemp(b.options.Spool, "upload-*")
	if err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	u := &Upload{blobs: b, file: file}
	defer func() {
		if err != nil {
			u.Close()
		}
	}()
	if most := b.options.MaxSize; most > 0 {
		r = io.LimitReader(r, most+1)
	}
	hash := sha256.New()
	if u.Size, err = io.Copy(file, io.TeeReader(r, hash)); err != nil {
		return nil, err
	}
	if most := b.options.MaxSize; most > 0 && u.Size > most {
		return nil, ErrTooLarge
	}
	hash.Sum(u.Hash[:0])
	return u, nil
}

// Close drops what was received. What Keep has put into the store stays there.
func (u *Upload) Close() error {
	return errors.Join(u.file.Close(), os.Remove(u.file.Name()))
}

// Keep puts the content into the store and holds it there until release is called, which is once what refers to the blob is
// durable, or will never be.
func (u *Upload) Keep(ctx context.Context) (release func(), err error) {
	release, err = u.blobs.hold(ctx, u.Hash)
	if err != nil {
		return nil, err
	}
	if err := u.blobs.options.Store.Put(ctx, u.Hash, u.Size, u.file); err != nil {
		release()
		return nil, fmt.Errorf("store %s: %w", u.Hash, err)
	}
	return release, nil
}

// hold keeps a blob from being deleted; if it is being deleted, it waits for the end of that.
func (b *Blobs) hold(ctx context.Context, h Hash) (release func(), err error) {
	for {
		b.mu.Lock()
		deleted, busy := b.mu.deleting[h]
		if !busy {
			b.mu.holds[h]++
			b.mu.Unlock()
			return sync.OnceFunc(func() { b.drop(h) }), nil
		}
		b.mu.Unlock()
		select {
		case <-deleted:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (b *Blobs) drop(h Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.holds[h]--; b.mu.holds[h] == 0 {
		delete(b.mu.holds, h)
	}
}

// Collect deletes the blobs that nobody holds and that are not in use, and returns how many. inUse must say yes if any
// document that is durable refers to the blob.
func (b *Blobs) Collect(ctx context.Context, inUse func(Hash) (bool, error)) (deleted int, err error) {
	for h, err := range b.options.Store.List(ctx) {
		if err != nil {
			return deleted, fmt.Errorf("list blobs: %w", err)
		}
		// Asked twice: most blobs are in use, and then nobody who wants to hold one has to wait for the answer.
		if used, err := inUse(h); used || err != nil {
			if err != nil {
				return deleted, err
			}
			continue
		}
		gone, err := b.collect(ctx, h, inUse)
		if err != nil {
			return deleted, fmt.Errorf("delete blob %s: %w", h, err)
		}
		if gone {
			deleted++
		}
	}
	return deleted, nil
}

// collect deletes one blob, unless it is held or in use.
func (b *Blobs) collect(ctx context.Context, h Hash, inUse func(Hash) (bool, error)) (deleted bool, err error) {
	done := make(chan struct{})
	b.mu.Lock()
	if b.mu.holds[h] > 0 || b.mu.deleting[h] != nil {
		b.mu.Unlock()
		return false, nil
	}
	b.mu.deleting[h] = done
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.mu.deleting, h)
		b.mu.Unlock()
		close(done)
	}()
	if used, err := inUse(h); used || err != nil {
		return false, err
	}
	return true, b.options.Store.Delete(ctx, h)
}

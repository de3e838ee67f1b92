package auth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// fileVersion is the version of the key file's form.
const fileVersion = 1

// ErrNoKey says that no key has the name asked for.
var ErrNoKey = errors.New("no such admin key")

// ErrKeyExists says that the name is taken.
var ErrKeyExists = errors.New("an admin key of this name exists")

// A File is a Store in one small JSON file. Several processes may share it: a server reads what `runner keys`
// changes. A change replaces the file whole, under a lock, so a reader sees the old keys or the new ones.
type File struct {
	path string

	mu struct {
		sync.Mutex
		seen os.FileInfo // the file that keys were read from; nil before the first read
		keys []Record
	}
}

// NewFile returns the store at path. The file need not exist: that is a store without keys.
func NewFile(path string) *File { return &File{path: path} }

// Keys returns the keys, sorted by name. It reads the file only if it was replaced since the last call.
func (f *File) Keys() ([]Record, error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.seen != nil && sameContent(f.mu.seen, info) {
		return f.mu.keys, nil
	}
	keys, err := readKeys(f.path)
	if err != nil {
		return nil, err
	}
	f.mu.seen, f.mu.keys = info, keys
	return keys, nil
}

func sameContent(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Add stores a key. It returns ErrKeyExists if the name is taken.
func (f *File) Add(r Record) error {
	return f.update(func(keys []Record) ([]Record, error) {
		if slices.ContainsFunc(keys, func(k Record) bool { return k.Name == r.Name }) {
			return nil, fmt.Errorf("%w: %s", ErrKeyExists, r.Name)
		}
		return append(keys, r), nil
	})
}

// Remove revokes the key of that name. It returns ErrNoKey if there is none.
func (f *File) Remove(name string) error {
	return f.update(func(keys []Record) ([]Record, error) {
		kept := slices.DeleteFunc(slices.Clone(keys), func(k Record) bool { return k.Name == name })
		if len(kept) == len(keys) {
			return nil, fmt.Errorf("%w: %s", ErrNoKey, name)
		}
		return kept, nil
	})
}

func (f *File) update(change func([]Record) ([]Record, error)) error {
	unlock, err := lockFile(f.path + ".lock")
	if err != nil {
		return fmt.Errorf("lock admin keys: %w", err)
	}
	defer unlock()
	keys, err := readKeys(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return writeKeys(f.path, keys)
}

// The file's form.
type fileJSON struct {
	Version int       `json:"version"`
	Keys    []keyJSON `json:"keys"`
}

type keyJSON struct {
	Name    string    `json:"name"`
	Hash    string    `json:"sha256"`
	Ops     []string  `json:"ops"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

func readKeys(path string) ([]Record, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file fileJSON
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if file.Version != fileVersion {
		return nil, fmt.Errorf("read %s: version %d, this program knows %d", path, file.Version, fileVersion)
	}
	keys := make([]Record, len(file.Keys))
	for i, k := range file.Keys {
		if keys[i], err = k.record(); err != nil {
			return nil, fmt.Errorf("read %s: key %q: %w", path, k.Name, err)
		}
	}
	return keys, nil
}

func (k keyJSON) record() (Record, error) {
	r := Record{Name: k.Name, Created: k.Created, Expires: k.Expires}
	hash, err := hex.DecodeString(k.Hash)
	if err != nil || len(hash) != len(r.Hash) {
		return r, errors.New("sha256 is not 64 hex digits")
	}
	copy(r.Hash[:], hash)
	r.Ops, err = ParseOps(k.Ops)
	return r, err
}

// writeKeys replaces the file: a crash leaves the old one or the new one.
func writeKeys(path string, keys []Record) error {
	file := fileJSON{Version: fileVersion, Keys: make([]keyJSON, len(keys))}
	for i, k := range keys {
		file.Keys[i] = keyJSON{k.Name, hex.EncodeToString(k.Hash[:]), k.Ops.Names(), k.Created, k.Expires}
	}
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return WriteFilePrivate(path, append(raw, '\n'))
}

// WriteFilePrivate replaces the file at path by data, readable by its owner only, durably and all at once.
func WriteFilePrivate(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// A Dir is a Store in a folder: a blob with the hash abcd… is the file ab/abcd…. Folders are made when they are first
// needed.
type Dir struct {
	path string
}

// NewDir returns the store of a folder.
func NewDir(path string) *Dir { return &Dir{path: path} }

func (d *Dir) file(h Hash) string {
	name := h.String()
	return filepath.Join(d.path, name[:2], name)
}

// Put gives the content a second name if it lies on the same disk, and copies it if not.
func (d *Dir) Put(_ context.Context, h Hash, size int64, content *os.File) error {
	path := d.file(h)
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return syncPath(filepath.Dir(path))
	}
	if err := d.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := content.Sync(); err != nil {
		return err
	}
	if err := os.Link(content.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := copyInto(path, content); err != nil {
			return err
		}
	}
	return syncPath(filepath.Dir(path))
}

// makeFolder makes a folder of the store, so that it is there after a crash.
func (d *Dir) makeFolder(folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return errors.Join(syncPath(d.path), syncPath(filepath.Dir(d.path)))
}

// copyInto copies content to a file beside path, which takes the name once it is whole and durable.
func copyInto(path string, content *os.File) (err error) {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "copy-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = io.Copy(temp, content)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// syncPath makes the entries of a folder durable.
func syncPath(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open reads a part of a file.
func (d *Dir) Open(_ context.Context, h Hash, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(d.file(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &section{io.LimitedReader{R: f, N: length}, f}, nil
}

// A section is a part of a file, which it closes. Copying it to a socket is left to the operating system: that looks for
// an io.LimitedReader over a file.
type section struct {
	io.LimitedReader
	file *os.File
}

func (s *section) Close() error { return s.file.Close() }

func (s *section) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, &s.LimitedReader) }

// Delete removes a file. It need not be durable: a blob that comes back is collected again.
func (d *Dir) Delete(_ context.Context, h Hash) error {
	if err := os.Remove(d.file(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List walks the folder. A copy that a crash cut short has another name than a blob, and is not listed.
func (d *Dir) List(ctx context.Context) iter.Seq2[Hash, error] {
	return func(yield func(Hash, error) bool) {
		folders, err := os.ReadDir(d.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(Hash{}, err)
			return
		}
		for _, folder := range folders {
			if !folder.IsDir() || len(folder.Name()) != 2 {
				continue
			}
			files, err := os.ReadDir(filepath.Join(d.path, folder.Name()))
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Hash{}, err)
				return
			}
			for _, file := range files {
				if h, ok := ParseHash(file.Name()); ok && !yield(h, nil) {
					return
				}
			}
		}
	}
}

package log

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// PutBlob stores a content durably and returns the hash it is kept under. Where an entry refers to a new blob, give the
// blob to Append instead, so that both are there or neither.
func (l *Log) PutBlob(content []byte) (Hash, error) {
	blob := NewBlob(content)
	s, err := l.Append(nil, blob)
	if err != nil {
		return Hash{}, err
	}
	return blob.Hash, s.Wait()
}

// Blob returns the content that is kept under a hash. Errors: ErrNotFound, *CorruptionError.
func (l *Log) Blob(hash Hash) ([]byte, error) {
	if err := l.join(); err != nil {
		return nil, err
	}
	defer l.leave()
	content, err := l.get(appendBlobKey(make([]byte, 0, blobKeyLen), hash))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("blob %x: %w", hash, err)
	}
	if err != nil {
		return nil, err
	}
	if found := sha256.Sum256(content); found != hash {
		return nil, &CorruptionError{Where: fmt.Sprintf("blob %x", hash), Detail: fmt.Sprintf("its content has hash %x", found)}
	}
	return content, nil
}

// HasBlob says whether there is a blob of that hash.
func (l *Log) HasBlob(hash Hash) (bool, error) {
	if err := l.join(); err != nil {
		return false, err
	}
	defer l.leave()
	_, closer, err := l.db.Get(appendBlobKey(make([]byte, 0, blobKeyLen), hash))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, storageError(fmt.Sprintf("read blob %x", hash), l.dir, err)
	}
	return true, closer.Close()
}

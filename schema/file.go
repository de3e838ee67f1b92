package schema

import (
	"encoding/base64"
	"fmt"

	"runlog/value"
)

// A File is a document of _storage: what is known of a stored file. Its content lies beside the log, under its digest.
type File struct {
	ID      value.ID
	Created float64
	// SHA256 is the digest of the content and Size its length in bytes.
	SHA256 [32]byte
	Size   int64
	// ContentType is what the uploader said it is; empty if nothing was said.
	ContentType string
}

// Write returns the document of the file.
func (f *File) Write() SystemWrite {
	contentType := value.Null()
	if f.ContentType != "" {
		contentType = value.OfString(f.ContentType)
	}
	return document(f.ID, f.Created,
		value.Field{Name: "contentType", Value: contentType},
		value.Field{Name: "sha256", Value: value.OfString(base64.StdEncoding.EncodeToString(f.SHA256[:]))},
		value.Field{Name: "size", Value: value.OfFloat64(float64(f.Size))})
}

// ReadFile reads what Write wrote.
func ReadFile(id value.ID, body value.Encoded) (*File, error) {
	doc, err := body.Decode()
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", id, err)
	}
	r := reader{doc: doc}
	f := &File{ID: id, Created: r.float("_creationTime"), Size: int64(r.float("size"))}
	if v, ok := doc.Get("contentType"); ok && v.Kind() == value.KindString {
		f.ContentType = v.Str()
	}
	digest, err := base64.StdEncoding.DecodeString(r.string("sha256"))
	if r.err == nil && (err != nil || len(digest) != len(f.SHA256)) {
		r.fail("has a sha256 that is no digest")
	}
	if r.err != nil {
		return nil, fmt.Errorf("file %s %w", id, r.err)
	}
	f.SHA256 = [32]byte(digest)
	return f, nil
}

// FileKey returns the prefix of the keys of DigestIndex of all files with a content.
func FileKey(digest [32]byte) []byte {
	return value.AppendKey(nil, value.OfString(base64.StdEncoding.EncodeToString(digest[:])))
}

// NewFilePath returns the document of _storage_paths that gives a file its public name. The name cannot be guessed from
// the file's id, which apps show to their users.
func NewFilePath(id value.ID, created float64, file value.ID, name string) SystemWrite {
	return document(id, created,
		value.Field{Name: "name", Value: value.OfString(name)},
		value.Field{Name: "storageId", Value: value.OfString(file.String())})
}

// ReadFilePath reads what NewFilePath wrote.
func ReadFilePath(body value.Encoded) (file value.ID, name string, err error) {
	id, _ := body.Field("storageId")
	text, _ := body.Field("name")
	if id.Kind() != value.KindString || text.Kind() != value.KindString {
		return file, "", fmt.Errorf("a document of _storage_paths names no file")
	}
	file, err = value.ParseID(id.Str())
	return file, text.Str(), err
}

// NewUpload returns the document of _storage_uploads that allows one upload until it expires, in milliseconds since the
// Unix epoch, to who knows the secret with a digest.
func NewUpload(id value.ID, created, expires float64, secretDigest []byte) SystemWrite {
	return document(id, created,
		value.Field{Name: "expires", Value: value.OfFloat64(expires)},
		value.Field{Name: "secret", Value: value.OfBytes(secretDigest)})
}

// ReadUpload reads what NewUpload wrote.
func ReadUpload(body value.Encoded) (expires float64, secretDigest []byte) {
	at, _ := body.Field("expires")
	secret, _ := body.Field("secret")
	if at.Kind() != value.KindFloat64 || secret.Kind() != value.KindBytes {
		return 0, nil
	}
	return at.Float64(), secret.Bytes()
}

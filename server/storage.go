package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"runlog/exec"
	"runlog/internal/blob"
	"runlog/value"
)

// Files are the stored files of a database; *exec.Runner has them.
type Files interface {
	// CheckUpload reports whether a token allows an upload.
	CheckUpload(token string) error
	// Upload stores the file that comes with a token.
	Upload(ctx context.Context, token string, content io.Reader, contentType string, digest *blob.Hash) (value.ID, error)
	// File finds a file by its public name; nil if there is none.
	File(name string) (*exec.StoredFile, error)
}

const (
	// uploadTime bounds an upload as a whole: the life of its URL.
	uploadTime = time.Hour
	// contentTypeMax is the longest content type that is kept, in bytes.
	contentTypeMax = 1024
)

// files gives what the storage routes need.
func (x *exchange) files() (Files, error) {
	switch {
	case x.backend == nil:
		return nil, errNotReady()
	case x.backend.Files == nil:
		return nil, errNoRoute(x.r.URL.Path)
	}
	return x.backend.Files, nil
}

// upload answers POST /api/storage/upload?token=. The body goes to the store as it comes.
func upload(x *exchange) error {
	files, err := x.files()
	if err != nil {
		return err
	}
	token := x.r.URL.Query().Get("token")
	if err := files.CheckUpload(token); err != nil {
		return err
	}
	digest, err := readDigest(x.r.Header["Digest"])
	if err != nil {
		return err
	}
	contentType := x.r.Header.Get("Content-Type")
	if len(contentType) > contentTypeMax {
		return badRequest("BadHeader", "The Content-Type is too long (%d > maximum %d bytes).", len(contentType), contentTypeMax)
	}
	body := &patientBody{x: x, until: x.s.options.Clock.Now().Add(uploadTime)}
	id, err := files.Upload(x.r.Context(), token, body, contentType, digest)
	switch {
	case body.err != nil:
		return readFailure(body.err)
	case errors.Is(err, blob.ErrTooLarge):
		return &wireError{http.StatusRequestEntityTooLarge, "FileTooLarge", "The file is larger than this server takes."}
	case err != nil:
		return err
	}
	x.setReadDeadline(time.Time{})
	out := append(x.out[:0], `{"storageId":`...)
	out = appendString(out, id.String())
	x.out = append(out, '}')
	x.send(http.StatusOK, contentJSON, x.out)
	return nil
}

// readDigest reads the header "Digest: sha-256=…"; nil if it names no such digest.
func readDigest(header []string) (*blob.Hash, error) {
	for _, part := range strings.Split(strings.Join(header, ","), ",") {
		algorithm, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(algorithm, "sha-256") {
			continue
		}
		digest, ok := blob.ParseBase64(text)
		if !ok {
			return nil, badRequest("BadHeader", "The Digest header must be sha-256= and a SHA-256 digest in base64.")
		}
		return &digest, nil
	}
	return nil, nil
}

// A patientBody is a body that may take long as a whole, as long as some of it comes.
type patientBody struct {
	x     *exchange
	until time.Time
	// err is why reading failed.
	err error
}

func (b *patientBody) Read(p []byte) (int, error) {
	deadline := b.x.s.options.Clock.Now().Add(b.x.s.options.BodyTimeout)
	if deadline.After(b.until) {
		deadline = b.until
	}
	b.x.setReadDeadline(deadline)
	n, err := b.x.r.Body.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// download answers GET and HEAD of /api/storage/{name}. Who knows the name may read the file.
func download(x *exchange) error {
	files, err := x.files()
	if err != nil {
		return err
	}
	file, err := files.File(strings.TrimPrefix(x.r.URL.Path, "/api/storage/"))
	if err != nil {
		return err
	}
	if file == nil {
		return &wireError{http.StatusNotFound, "FileNotFound", "File not found"}
	}
	if strings.Contains(x.r.Header.Get("Range"), ",") {
		return &wireError{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "One range can be asked for at a time."}
	}
	content := &fileContent{ctx: x.r.Context(), file: file}
	defer content.close()
	// Opened before the header goes out: the file may have been deleted just now.
	if err := content.open(0); errors.Is(err, blob.ErrNotFound) {
		return &wireError{http.StatusNotFound, "FileNotFound", "File not found"}
	} else if err != nil {
		return err
	}
	describeFile(x.w.Header(), file)
	http.ServeContent(&patientWriter{x}, x.r, "", time.Time{}, content)
	return nil
}

// describeFile sets the headers of a file. Anybody may have uploaded it, with any type, so a browser shows only what cannot run
// scripts under this origin, and does not guess.
func describeFile(h http.Header, file *exec.StoredFile) {
	h["Content-Type"] = nil // none, rather than a guess
	if file.ContentType != "" {
		h["Content-Type"] = []string{file.ContentType}
	}
	if !harmless(file.ContentType) {
		h.Set("Content-Disposition", "attachment")
	}
	digest := blob.Hash(file.SHA256).Base64()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Digest", "sha-256="+digest)
	h.Set("ETag", `"`+digest+`"`)
	h.Set("Cache-Control", "private, max-age=2592000")
	h.Set("Accept-Ranges", "bytes")
}

// harmless says whether a browser can show a type without running what is in it.
func harmless(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "image/svg+xml":
		return false
	case "text/plain", "application/pdf", "application/json":
		return true
	}
	main, _, _ := strings.Cut(kind, "/")
	return main == "image" || main == "audio" || main == "video"
}

// fileContent reads a stored file for http.ServeContent, which seeks to where a range begins before it reads.
type fileContent struct {
	ctx  context.Context
	file *exec.StoredFile
	body io.ReadCloser // from at on; nil if it is to be opened
	at   int64
}

func (c *fileContent) open(at int64) (err error) {
	c.close()
	c.at = at
	c.body, err = c.file.Open(c.ctx, at, c.file.Size-at)
	return err
}

func (c *fileContent) close() {
	if c.body != nil {
		c.body.Close()
		c.body = nil
	}
}

func (c *fileContent) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.file.Size
	}
	if offset != c.at {
		c.close()
		c.at = offset
	}
	return c.at, nil
}

func (c *fileContent) Read(p []byte) (int, error) {
	if c.at >= c.file.Size {
		return 0, io.EOF
	}
	if c.body == nil {
		if err := c.open(c.at); err != nil {
			return 0, err
		}
	}
	n, err := c.body.Read(p)
	c.at += int64(n)
	return n, err
}

// A patientWriter is a response that may take long as a whole, as long as the client takes some of it.
type patientWriter struct{ x *exchange }

func (w *patientWriter) Header() http.Header { return w.x.w.Header() }

func (w *patientWriter) WriteHeader(status int) {
	w.x.status = status
	w.x.w.WriteHeader(status)
}

func (w *patientWriter) Write(p []byte) (int, error) {
	if w.x.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	rc := http.NewResponseController(w.x.w)
	// Recorders in tests have no deadline; they do not block either.
	_ = rc.SetWriteDeadline(w.x.s.options.Clock.Now().Add(w.x.s.options.WriteTimeout))
	n, err := w.x.w.Write(p)
	_ = rc.SetWriteDeadline(time.Time{})
	return n, err
}

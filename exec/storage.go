package exec

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"runlog/index"
	"runlog/internal/blob"
	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// uploadLife is how long an upload URL is good for, in milliseconds.
const uploadLife = 3600 * 1000

// uuidPattern is the form of the public name of a file.
var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// storage serves the operations of ctx.storage that read and write documents, from a transaction: the caller's own, or one
// made for an action.
func (r *Runner) storage(t *transaction, op *isolates.Op) ([]byte, *isolates.HostError) {
	if op.Name == "1.0/storageGenerateUploadUrl" {
		url, err := r.allowUpload(t)
		return jsonOr(url, err)
	}
	var args struct {
		StorageID string `json:"storageId"`
	}
	if err := json.Unmarshal(op.JSON, &args); err != nil {
		return nil, hostError("SyscallArgsInvalidJson", "Received invalid json: %s", err)
	}
	file, err := t.file(args.StorageID)
	if err != nil {
		return nil, err
	}
	switch op.Name {
	case "1.0/storageDelete":
		if file == nil {
			return nil, hostError("StorageIdNotFound", "storage id %s not found", args.StorageID)
		}
		return nil, t.deleteFile(file)
	case "1.0/storageGetUrl":
		if file == nil {
			return nil, nil
		}
		name, err := t.fileName(file)
		return jsonOr(r.cloudURL(t)+"/api/storage/"+name, err)
	}
	if file == nil {
		return nil, nil
	}
	return jsonOr(fileMetadata(file), nil)
}

func jsonOr(v any, hostErr *isolates.HostError) ([]byte, *isolates.HostError) {
	if hostErr != nil {
		return nil, hostErr
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, systemError(err)
	}
	return text, nil
}

func fileMetadata(f *schema.File) any {
	m := struct {
		ContentType *string `json:"contentType"`
		SHA256      string  `json:"sha256"`
		Size        int64   `json:"size"`
		StorageID   string  `json:"storageId"`
	}{SHA256: hex.EncodeToString(f.SHA256[:]), Size: f.Size, StorageID: f.ID.String()}
	if f.ContentType != "" {
		m.ContentType = &f.ContentType
	}
	return m
}

// isStorage says whether op is one that storage serves, and whether it writes.
func isStorage(op *isolates.Op) (is, writes bool) {
	switch op.Name {
	case "1.0/storageGetUrl", "1.0/storageGetMetadata":
		return true, false
	case "1.0/storageDelete", "1.0/storageGenerateUploadUrl":
		return true, true
	}
	return false, false
}

// syscall serves an operation that has only its name on the wire.
func (h *transactionHost) syscall(op *isolates.Op) ([]byte, *isolates.HostError) {
	is, writes := isStorage(op)
	switch {
	case op.Name == "1.0/storageStore" || op.Name == "1.0/storageGet":
		method := strings.ToLower(strings.TrimPrefix(op.Name, "1.0/storage"))
		return nil, hostError("NoStorageInQueriesOrMutations",
			"Can't use storage.%s() in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.", method)
	case !is:
		return nil, unsupported(op)
	case writes && h.function.Kind != schema.Mutation:
		return nil, hostError("WriteInQuery", "Queries cannot change files.")
	}
	return h.r.storage(h.t, op)
}

// syscall of an action reads the newest snapshot, or makes a change of its own.
func (h *actionHost) syscall(ctx context.Context, op *isolates.Op) (result []byte, err *isolates.HostError) {
	is, writes := isStorage(op)
	if !is {
		return nil, unsupported(op)
	}
	if !writes {
		return h.r.storage(h.r.reading(), op)
	}
	err = h.system(ctx, "_system/storage", func(t *transaction) (err *isolates.HostError) {
		result, err = h.r.storage(t, op)
		return err
	})
	return result, err
}

// reading is a transaction that reads the newest visible snapshot, for those who run no function.
func (r *Runner) reading() *transaction {
	return newTransaction(r.options.Committer.Visible(), r.options.Limits.Query, r.options.Seed(), r.now())
}

// first is the first document of a system table's index whose key begins with prefix; nil if there is none.
func (t *transaction) first(table value.TableNumber, id schema.IndexID, prefix []byte) (value.Encoded, *isolates.HostError) {
	p := &plan{interval: index.Prefix(prefix)}
	p.table, _ = t.catalog.TableByNumber(table)
	p.index, _ = t.catalog.IndexByID(table, id)
	c := t.open(p)
	body, err := c.next()
	return body, firstError(err, c.close(c.last))
}

// file finds a file by its id or by its public name; nil if there is none.
func (t *transaction) file(storageID string) (*schema.File, *isolates.HostError) {
	id, err := value.ParseID(storageID)
	switch {
	case err == nil && id.Table == schema.StorageTable:
		return t.fileByID(id)
	case uuidPattern.MatchString(storageID):
		return t.fileByName(storageID)
	}
	return nil, hostError("InvalidStorageId", "Invalid storage id %q: it is neither an Id<\"_storage\"> nor a UUID.", storageID)
}

func (t *transaction) fileByID(id value.ID) (*schema.File, *isolates.HostError) {
	body, hostErr := t.get(id)
	if body == nil || hostErr != nil {
		return nil, hostErr
	}
	file, err := schema.ReadFile(id, body)
	if err != nil {
		return nil, systemError(err)
	}
	return file, nil
}

func (t *transaction) fileByName(name string) (*schema.File, *isolates.HostError) {
	body, hostErr := t.first(schema.FilePathsTable, schema.PathNameIndex, value.AppendKey(nil, value.OfString(name)))
	if body == nil || hostErr != nil {
		return nil, hostErr
	}
	id, _, err := schema.ReadFilePath(body)
	if err != nil {
		return nil, systemError(err)
	}
	return t.fileByID(id)
}

// filePath is the document that names a file in public.
func (t *transaction) filePath(file *schema.File) (value.Encoded, *isolates.HostError) {
	body, err := t.first(schema.FilePathsTable, schema.PathFileIndex, value.AppendKey(nil, value.OfString(file.ID.String())))
	if err == nil && body == nil {
		err = systemError(fmt.Errorf("file %s has no public name", file.ID))
	}
	return body, err
}

func (t *transaction) fileName(file *schema.File) (string, *isolates.HostError) {
	body, hostErr := t.filePath(file)
	if hostErr != nil {
		return "", hostErr
	}
	_, name, err := schema.ReadFilePath(body)
	if err != nil {
		return "", systemError(err)
	}
	return name, nil
}

// deleteFile deletes what is known of a file. Its content is collected once that is durable and nothing else has it.
func (t *transaction) deleteFile(file *schema.File) *isolates.HostError {
	path, hostErr := t.filePath(file)
	if hostErr != nil {
		return hostErr
	}
	text, _ := path.Field("_id")
	id, err := value.ParseID(text.Str())
	if err != nil {
		return systemError(err)
	}
	if err := t.writeSystem(schema.SystemWrite{ID: id}); err != nil {
		return err
	}
	return t.writeSystem(schema.SystemWrite{ID: file.ID})
}

// insertFile writes what is known of a new file, and gives it a public name that cannot be guessed.
func (t *transaction) insertFile(u *blob.Upload, contentType string) (value.ID, error) {
	file := &schema.File{
		ID: t.newID(schema.StorageTable), Created: t.nextCreationTime(), SHA256: u.Hash, Size: u.Size, ContentType: contentType,
	}
	name := t.random()
	name[6], name[8] = name[6]&0x0f|0x40, name[8]&0x3f|0x80 // a UUID of version 4
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", name[:4], name[4:6], name[6:8], name[8:10], name[10:])
	path := schema.NewFilePath(t.newID(schema.FilePathsTable), t.nextCreationTime(), file.ID, uuid)
	return file.ID, (&SystemTransaction{t}).Write(file.Write(), path)
}

// allowUpload makes an upload URL. Its token is the id of the document that allows the upload, and a secret of which the log
// keeps only a digest.
func (r *Runner) allowUpload(t *transaction) (string, *isolates.HostError) {
	id, secret := t.newID(schema.UploadsTable), t.random()
	digest := sha256.Sum256(secret[:])
	expires := float64(t.milliseconds() + uploadLife)
	if err := t.writeSystem(schema.NewUpload(id, t.nextCreationTime(), expires, digest[:])); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/api/storage/upload?token=%s.%x", r.cloudURL(t), id, secret), nil
}

// cloudURL is the origin that URLs begin with, which the run depends on.
func (r *Runner) cloudURL(t *transaction) string {
	t.reads.AddPoint(t.catalog.EnvID(schema.CloudURLVar))
	origin, _ := r.env(t.catalog, schema.CloudURLVar)
	return origin
}

// checkUpload says whether a token allows an upload still, and by which document.
func (t *transaction) checkUpload(token string) (value.ID, error) {
	invalid := &SystemError{Code: "StorageTokenInvalid", Status: http.StatusUnauthorized,
		Message: "Store File Authorization invalid: ask for a new upload URL. Each is good for one upload."}
	idText, secretText, _ := strings.Cut(token, ".")
	id, err := value.ParseID(idText)
	if err != nil || id.Table != schema.UploadsTable {
		return id, invalid
	}
	body, hostErr := t.get(id)
	if hostErr != nil {
		return id, hostErr
	}
	expires, digest := schema.ReadUpload(body)
	secret, err := hex.DecodeString(secretText)
	given := sha256.Sum256(secret)
	switch {
	case err != nil, subtle.ConstantTimeCompare(given[:], digest) != 1:
		return id, invalid
	case float64(t.milliseconds()) >= expires:
		return id, &SystemError{Code: "StorageTokenExpired", Status: http.StatusUnauthorized, Message: "Store File Authorization expired"}
	}
	return id, nil
}

// CheckUpload reports, before a body is read, why a token does not allow an upload.
func (r *Runner) CheckUpload(token string) error {
	_, err := r.reading().checkUpload(token)
	return err
}

// Upload stores the file that comes with a token, which is spent with it, and gives its id. digest is what the
// uploader says it has; nil if nothing was said. A failure to read content is returned as it is.
func (r *Runner) Upload(ctx context.Context, token string, content io.Reader, contentType string, digest *blob.Hash) (value.ID, error) {
	return r.storeFile(ctx, content, contentType, digest, SystemCall{Verb: "_system/upload"}, func(t *transaction) error {
		id, err := t.checkUpload(token)
		if err != nil {
			return err
		}
		return orNil(t.writeSystem(schema.SystemWrite{ID: id}))
	})
}

// storeFile receives a content and writes the file, if allow does not say no.
func (r *Runner) storeFile(ctx context.Context, content io.Reader, contentType string, digest *blob.Hash, call SystemCall, allow func(*transaction) error) (id value.ID, _ error) {
	if r.options.Blobs == nil {
		return id, internal(errors.New("this runner has no files"))
	}
	upload, err := r.options.Blobs.Receive(content)
	if err != nil {
		return id, err
	}
	defer upload.Close()
	if digest != nil && *digest != upload.Hash {
		return id, badRequest("Sha256Mismatch", fmt.Sprintf("Sha256 mismatch. Expected: %s Actual: %s", digest.Base64(), upload.Hash.Base64()))
	}
	release, err := upload.Keep(ctx)
	if err != nil {
		return id, err
	}
	// Held until the document is durable, also if the caller goes away meanwhile.
	defer release()
	call.Args = value.OfObject([]value.Field{
		{Name: "contentType", Value: value.OfString(contentType)}, {Name: "sha256", Value: value.OfString(upload.Hash.Base64())},
	})
	_, err = r.System(context.WithoutCancel(ctx), call, func(s *SystemTransaction) (err error) {
		if err := allow(s.t); err != nil {
			return err
		}
		id, err = s.t.insertFile(upload, contentType)
		return err
	})
	return id, err
}

// A StoredFile is a file that can be read.
type StoredFile struct {
	*schema.File
	blobs *blob.Blobs
}

// Open reads length bytes from offset on. The file may be deleted meanwhile: blob.ErrNotFound.
func (f *StoredFile) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return f.blobs.Read(ctx, f.SHA256, offset, length)
}

// File finds a file by its public name; nil if there is none.
func (r *Runner) File(name string) (*StoredFile, error) {
	if !uuidPattern.MatchString(name) {
		return nil, badRequest("InvalidStoragePath", "Invalid storage path: \""+name+"\". It must be a UUID.")
	}
	file, err := r.reading().fileByName(name)
	if err != nil {
		return nil, internal(err)
	}
	if file == nil || r.options.Blobs == nil {
		return nil, nil
	}
	return &StoredFile{file, r.options.Blobs}, nil
}

// storeBlob is ctx.storage.store() of an action.
func (h *actionHost) storeBlob(ctx context.Context, op *isolates.Op) (a isolates.Answer) {
	content, stream, hostErr := h.bodies.content(op)
	if hostErr != nil {
		return isolates.Answer{Err: hostErr}
	}
	var body io.Reader = bytes.NewReader(content)
	if stream != nil {
		defer stream.Close()
		body = stream
	}
	var digest *blob.Hash
	if op.Text != "" {
		d, ok := blob.ParseBase64(strings.TrimPrefix(op.Text, "sha-256="))
		if !ok {
			return isolates.Answer{Err: hostError("InvalidDigestHeader", "Invalid sha256 %q: it must be a SHA-256 digest in base64.", op.Text)}
		}
		digest = &d
	}
	call := SystemCall{Verb: "_system/store", Identity: h.call.Identity, RequestID: h.call.RequestID, Parent: h.function.Path.String()}
	id, err := h.r.storeFile(ctx, body, op.Name, digest, call, func(*transaction) error { return nil })
	if err != nil {
		return isolates.Answer{Err: actionError(err)}
	}
	return isolates.Answer{Text: id.String()}
}

// loadBlob is ctx.storage.get() of an action.
func (h *actionHost) loadBlob(ctx context.Context, op *isolates.Op) (a isolates.Answer) {
	file, hostErr := h.r.reading().file(op.ID)
	if file == nil || hostErr != nil {
		return isolates.Answer{Err: hostErr}
	}
	if h.r.options.Blobs == nil {
		return isolates.Answer{Err: actionError(errors.New("this runner has no files"))}
	}
	body, err := h.r.options.Blobs.Read(ctx, file.SHA256, 0, file.Size)
	if errors.Is(err, blob.ErrNotFound) {
		return a
	}
	if err != nil {
		return isolates.Answer{Err: actionError(err)}
	}
	if a.Stream, a.Err = h.bodies.add(body); a.Err != nil {
		return a
	}
	a.Found, a.Text, a.Number = true, file.ContentType, float64(file.Size)
	return a
}

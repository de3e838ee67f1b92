// Package blob keeps the contents of files, each under the hash of what is in it, beside the log.
//
// Invariant: a blob that a document of _storage refers to is never deleted, and is there, durably, before that document
// is. What refers to a blob is not known here: whoever stores one holds it (Upload.Keep) until the document that refers to
// it is durable, and whoever collects garbage asks, for each blob that nobody holds, whether it is in use. The question is
// asked when no one can begin to hold the blob any more, so an upload of the same content finds it either there or gone.
//
// An upload is first received into a file of its own while it is hashed, in constant memory, and then handed to the Store. A
// crash leaves at worst a blob that nothing refers to, which the next collection deletes, and a half-received file, which
// the next Open deletes.
//
// There are two stores: a folder, and a bucket of any server that speaks S3. One suite of tests runs against both. Holds are
// known to one process, so a bucket, or a prefix of it, belongs to one server.
//
// Blobs may be used from any goroutine.
package blob

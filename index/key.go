package index

import (
	"runlog/schema"
	"runlog/value"
)

// Key returns the key of a document in an index of its table, built-in ones included: where a scan of the index finds it. body is
// the whole document, system fields included.
func Key(x *schema.Index, id value.ID, body value.Encoded) []byte {
	switch x.ID {
	case schema.ByID:
		return IDKey(id)
	case schema.ByCreation:
		return appendCreationKey(nil, createdOf(body), recordIDOf(id.Internal))
	}
	return appendUserKey(nil, x, body, createdOf(body), recordIDOf(id.Internal))
}

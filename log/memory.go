package log

import "github.com/cockroachdb/pebble/v2/vfs"

// OpenMemory opens an empty log that is kept in memory, for histories that are made and not found.
func OpenMemory(opts Options) (*Log, error) {
	opts.FS, opts.ReadOnly = vfs.NewMem(), false
	return Open("memory", opts)
}

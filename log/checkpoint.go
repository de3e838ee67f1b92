package log

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint makes a copy of the log in dir, which must not exist, while appends go on: a folder that opens as a log of
// its own. It holds at least everything appended before the call, and all of it is durable. Files are linked where the
// file system can, so it takes little time and, at first, little space. A copy that was interrupted does not open. It
// returns the last entry that the copy is sure to hold.
func (l *Log) Checkpoint(dir string) (Head, error) {
	if err := l.join(); err != nil {
		return Head{}, err
	}
	defer l.leave()
	if err := l.failure(); err != nil {
		return Head{}, err
	}
	head := l.Head()
	if err := mkdirAllSync(l.fs, l.fs.PathDir(dir)); err != nil {
		return Head{}, fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	var opts []pebble.CheckpointOption
	if !l.opts.ReadOnly {
		opts = append(opts, pebble.WithFlushedWAL())
	}
	if err := l.db.Checkpoint(dir, opts...); err != nil {
		return Head{}, storageError("checkpoint to "+dir, l.dir, err)
	}
	// The head file comes last: without it the copy is not a log.
	if err := createHeadFile(l.fs, dir, l.id, head); err != nil {
		return Head{}, fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	return head, nil
}

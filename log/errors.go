package log

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that there is no entry at that offset, or no blob of that hash.
	ErrNotFound = errors.New("not in the log")
	// ErrLocked says that another process, or another Log of this one, has the folder open.
	ErrLocked = errors.New("data folder is in use")
	// ErrReadOnly says that the log was opened read-only.
	ErrReadOnly = errors.New("the log is open read-only")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("the log is closed")
	// ErrFailed says that an earlier append or sync failed. What became of the entries that were not yet durable is
	// unknown until the log is opened again; end the process.
	ErrFailed = errors.New("the log has failed")
)

// A CorruptionError says that stored data is not what was written.
type CorruptionError struct {
	// Offset is the first entry known to be damaged or missing; 0 if the damage is not in an entry.
	Offset Offset
	// Where names the file or the key.
	Where string
	// Detail says what is wrong and, where it helps, what to do.
	Detail string
	// Cause is the storage engine's error; may be nil.
	Cause error
}

func (e *CorruptionError) Error() string {
	s := "corrupt data in " + e.Where
	if e.Offset != 0 {
		s += fmt.Sprintf(" at offset %d", e.Offset)
	}
	s += ": " + e.Detail
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *CorruptionError) Unwrap() error { return e.Cause }

// A FormatError says that data was written by a later version of the program. Nothing was changed.
type FormatError struct {
	// Where names the folder or the entry.
	Where string
	// What names the format: "log", "entry" or "storage".
	What string
	// Found is the version of the data, Supported the newest this program knows.
	Found, Supported uint64
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s was written in %s format %d, and this version of runlog knows formats up to %d: use a newer version of "+
		"runlog, or another data folder", e.Where, e.What, e.Found, e.Supported)
}

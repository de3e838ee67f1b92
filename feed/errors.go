package feed

import "fmt"

// A GapError says that commits are missing between what was read and what came. Nothing that comes after may be applied:
// the state would be wrong for good. The consumer starts over, from the topic's beginning or from a snapshot.
type GapError struct {
	// Offset is the record's place in the topic.
	Offset int64
	// Want is the number that had to come, Got the one that came.
	Want, Got uint64
	// Detail says what exactly is missing, if it is not a whole commit.
	Detail string
}

func (e *GapError) Error() string {
	text := fmt.Sprintf("gap at offset %d of the topic: commit %d had to come, and %d came", e.Offset, e.Want, e.Got)
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Want == 1 {
		text += ": a consumer without a position needs the first commit or a snapshot"
	}
	return text
}

// A ForeignError says that the topic holds records of another database than the one that was read so far.
type ForeignError struct {
	Offset    int64
	Want, Got string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the record at offset %d of the topic is of log %s, and what was read before is of log %s", e.Offset, e.Got, e.Want)
}

// A FormatError says that a record cannot be understood.
type FormatError struct {
	Offset int64
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("the record at offset %d of the topic cannot be read: %s", e.Offset, e.Reason)
}

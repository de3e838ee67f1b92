package schema

import (
	"fmt"

	"runlog/value"
)

// JobState is how far a scheduled function has come.
type JobState uint8

// The states of a job. A job moves forward only, and the last three are final.
const (
	JobPending JobState = iota
	// JobInProgress is an action that was begun, or a mutation as it sees itself.
	JobInProgress
	JobSuccess
	JobFailed
	JobCanceled
)

var jobStates = [...]string{"pending", "inProgress", "success", "failed", "canceled"}

// String returns the name of the state in documents.
func (s JobState) String() string { return jobStates[s] }

// Done reports whether the state is final.
func (s JobState) Done() bool { return s >= JobSuccess }

// A Job is a document of _scheduled_functions: one function to be run once.
type Job struct {
	ID      value.ID
	Created float64
	// Function is what runs, and Args an array of its one argument object.
	Function Path
	Args     value.Value
	// Scheduled is when it is due and Completed when it ended, in milliseconds since the Unix epoch; Completed counts if
	// State is final.
	Scheduled, Completed float64
	State                JobState
	// Error is the text of a failure.
	Error string
}

// Write returns the document of the job.
func (j *Job) Write() SystemWrite {
	fields := []value.Field{
		{Name: "args", Value: j.Args},
		{Name: "name", Value: value.OfString(j.Function.String())},
		{Name: "scheduledTime", Value: value.OfFloat64(j.Scheduled)},
		{Name: "state", Value: stateValue(j.State, j.Error)},
	}
	if j.State.Done() {
		fields = append(fields, value.Field{Name: "completedTime", Value: value.OfFloat64(j.Completed)})
	}
	return document(j.ID, j.Created, fields...)
}

func stateValue(s JobState, message string) value.Value {
	fields := []value.Field{{Name: "kind", Value: value.OfString(s.String())}}
	if s == JobFailed {
		fields = append(fields, value.Field{Name: "error", Value: value.OfString(message)})
	}
	return value.OfObject(fields)
}

// ReadJob reads what Write wrote.
func ReadJob(id value.ID, body value.Encoded) (*Job, error) {
	doc, err := body.Decode()
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	r := reader{doc: doc}
	j := &Job{ID: id, Created: r.float("_creationTime"), Scheduled: r.float("scheduledTime"), Function: r.path("name")}
	j.Args, _ = r.field("args", value.KindArray)
	if j.State, j.Error = r.jobState("state"); j.State.Done() {
		j.Completed = r.float("completedTime")
	}
	if r.err != nil {
		return nil, fmt.Errorf("job %s %w", id, r.err)
	}
	return j, nil
}

func (r *reader) path(name string) Path {
	path, err := ParseFunctionPath(r.string(name))
	if err != nil && r.err == nil {
		r.err = err
	}
	return path
}

func (r *reader) jobState(name string) (JobState, string) {
	v, ok := r.field(name, value.KindObject)
	if !ok {
		return 0, ""
	}
	inner := reader{doc: v}
	kind, message := inner.string("kind"), ""
	for s, known := range jobStates {
		if known != kind {
			continue
		}
		if JobState(s) == JobFailed {
			message = inner.string("error")
		}
		return JobState(s), message
	}
	r.fail("is in the unknown state " + kind)
	return 0, ""
}

// DueKey returns the prefix of the keys of DueIndex of all jobs in a state.
func DueKey(s JobState) []byte { return value.AppendKey(nil, value.OfString(s.String())) }

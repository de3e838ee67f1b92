package schema

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"runlog/value"
)

// A CronSpec is one cron as crons.js defines it.
type CronSpec struct {
	// Name identifies it within the deployment.
	Name     string
	Function Path
	// Args is an array of the function's one argument object.
	Args     value.Value
	Schedule *CronSchedule
}

// A CronSchedule says when a cron runs, in UTC.
type CronSchedule struct {
	// doc is the schedule as crons.js wrote it.
	doc value.Value
	// Exactly one of interval and times is set.
	interval time.Duration
	times    cron.Schedule
}

// MaxCronArgs bounds the arguments of one cron, in bytes.
const MaxCronArgs = 1 << 20

// ParseCrons reads what the default export of crons.js exports, ascending by name. Errors are *Error, for the developer.
func ParseCrons(text json.RawMessage) ([]CronSpec, error) {
	if isNull(text) {
		return nil, nil
	}
	var raw map[string]struct {
		Name     string          `json:"name"`
		Args     json.RawMessage `json:"args"`
		Schedule json.RawMessage `json:"schedule"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, errorf("InvalidCron", "crons.js exports something that is no set of cron jobs: %s", err)
	}
	var specs []CronSpec
	for _, name := range sortedKeys(raw) {
		spec, err := parseCron(name, raw[name].Name, raw[name].Args, raw[name].Schedule)
		if err != nil {
			return nil, errorf("InvalidCron", "The cron job %q is invalid: %s", name, err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func parseCron(name, function string, args, schedule json.RawMessage) (spec CronSpec, err error) {
	spec.Name = name
	if spec.Function, err = ParseFunctionPath(function); err != nil {
		return spec, err
	}
	if spec.Args, err = value.ParseJSON(args); err != nil {
		return spec, err
	}
	if a := spec.Args; a.Kind() != value.KindArray || len(a.Array()) != 1 || a.Array()[0].Kind() != value.KindObject {
		return spec, fmt.Errorf("its arguments must be one object")
	}
	if len(args) > MaxCronArgs {
		return spec, fmt.Errorf("its arguments take %s, more than %s", value.FormatSize(len(args)), value.FormatSize(MaxCronArgs))
	}
	doc, err := value.ParseJSON(schedule)
	if err != nil {
		return spec, err
	}
	spec.Schedule, err = parseSchedule(name, doc)
	return spec, err
}

// parseSchedule reads a schedule. A minute that was left out is chosen from the cron's name, so that crons do not all
// run at once and each keeps its minute from push to push.
func parseSchedule(name string, doc value.Value) (*CronSchedule, error) {
	r := scheduleReader{doc: doc}
	s := &CronSchedule{doc: doc}
	var expression string
	switch kind := r.text("type"); kind {
	case "interval":
		s.interval = r.interval()
	case "hourly":
		expression = fmt.Sprintf("%d * * * *", r.minute(name))
	case "daily":
		expression = fmt.Sprintf("%d %d * * *", r.minute(name), r.number("hourUTC", 0, 23))
	case "weekly":
		expression = fmt.Sprintf("%d %d * * %d", r.minute(name), r.number("hourUTC", 0, 23), r.weekday())
	case "monthly":
		expression = fmt.Sprintf("%d %d %d * *", r.minute(name), r.number("hourUTC", 0, 23), r.number("day", 1, 31))
	case "cron":
		expression = r.text("cron")
	default:
		r.fail("its schedule has the unknown type %q", kind)
	}
	if r.err != nil || expression == "" {
		return s, r.err
	}
	if strings.Contains(expression, "TZ=") {
		return s, fmt.Errorf("its schedule %q names a time zone: schedules are in UTC", expression)
	}
	var err error
	s.times, err = cronParser().Parse(expression)
	if err == nil && s.times.Next(time.Unix(0, 0).UTC()).IsZero() {
		err = fmt.Errorf("its schedule %q never comes", expression)
	}
	return s, err
}

// cronParser reads five fields, without the descriptors ("@daily") that the library knows besides.
func cronParser() cron.Parser {
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
}

// Value returns the schedule as crons.js wrote it.
func (s *CronSchedule) Value() value.Value { return s.doc }

// First returns when a cron that is new at now runs first: one with an interval at once, others at their next moment.
func (s *CronSchedule) First(now time.Time) time.Time {
	if s.interval > 0 {
		return now
	}
	return s.times.Next(now.UTC())
}

// Next returns the first moment after now that follows from prev, when the cron was last due. Moments that have passed
// by now are left out: a cron that is late runs once, and then goes on as planned.
func (s *CronSchedule) Next(prev, now time.Time) time.Time {
	if s.interval == 0 {
		return s.times.Next(now.UTC())
	}
	next := prev.Add(s.interval)
	if late := now.Sub(next); late >= 0 {
		next = next.Add(s.interval * (late/s.interval + 1))
	}
	return next
}

// scheduleReader takes fields out of a schedule and remembers the first complaint.
type scheduleReader struct {
	doc value.Value
	err error
}

func (r *scheduleReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *scheduleReader) get(name string) (value.Value, bool) {
	if r.doc.Kind() != value.KindObject {
		return value.Value{}, false
	}
	return r.doc.Get(name)
}

func (r *scheduleReader) text(name string) string {
	v, ok := r.get(name)
	if !ok || v.Kind() != value.KindString {
		r.fail("its schedule has no %s", name)
		return ""
	}
	return v.Str()
}

func (r *scheduleReader) number(name string, low, high float64) int {
	v, ok := r.get(name)
	if !ok || v.Kind() != value.KindFloat64 || v.Float64() != math.Trunc(v.Float64()) || v.Float64() < low || v.Float64() > high {
		r.fail("%s must be an integer from %v to %v", name, low, high)
		return 0
	}
	return int(v.Float64())
}

func (r *scheduleReader) minute(name string) int {
	if _, given := r.get("minuteUTC"); given {
		return r.number("minuteUTC", 0, 59)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % 60)
}

func (r *scheduleReader) interval() time.Duration {
	const most = 5 * 366 * 24 * 3600 // seconds: the bound of every schedule
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"seconds", time.Second}, {"minutes", time.Minute}, {"hours", time.Hour}} {
		if _, given := r.get(unit.name); given {
			return unit.d * time.Duration(r.number(unit.name, 1, most/unit.d.Seconds()))
		}
	}
	r.fail("its interval has no seconds, minutes or hours")
	return 0
}

func (r *scheduleReader) weekday() int {
	days := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	day := slices.Index(days, strings.ToLower(r.text("dayOfWeek")))
	if day < 0 {
		r.fail("dayOfWeek must be a day such as \"monday\"")
	}
	return day
}

// A Cron is a document of _cron_jobs: a cron that is deployed, and its next run.
type Cron struct {
	ID      value.ID
	Created float64
	CronSpec
	// Next is when the next run is due, in milliseconds since the Unix epoch.
	Next float64
	// State is JobPending, or JobInProgress while an action runs.
	State JobState
}

// Write returns the document of the cron.
func (c *Cron) Write() SystemWrite {
	return document(c.ID, c.Created,
		value.Field{Name: "args", Value: c.Args},
		value.Field{Name: "function", Value: value.OfString(c.Function.String())},
		value.Field{Name: "name", Value: value.OfString(c.Name)},
		value.Field{Name: "nextTime", Value: value.OfFloat64(c.Next)},
		value.Field{Name: "schedule", Value: c.Schedule.doc},
		value.Field{Name: "state", Value: stateValue(c.State, "")})
}

// ReadCron reads what Write wrote.
func ReadCron(id value.ID, body value.Encoded) (*Cron, error) {
	doc, err := body.Decode()
	if err != nil {
		return nil, fmt.Errorf("cron %s: %w", id, err)
	}
	r := reader{doc: doc}
	c := &Cron{ID: id, Created: r.float("_creationTime"), Next: r.float("nextTime")}
	c.Name, c.Function = r.string("name"), r.path("function")
	c.Args, _ = r.field("args", value.KindArray)
	c.State, _ = r.jobState("state")
	schedule, _ := r.field("schedule", value.KindObject)
	if r.err == nil {
		c.Schedule, r.err = parseSchedule(c.Name, schedule)
	}
	if r.err != nil {
		return nil, fmt.Errorf("cron %s %w", id, r.err)
	}
	return c, nil
}

// Same reports whether the specification of the cron is spec.
func (c *Cron) Same(spec *CronSpec) bool {
	return c.Function == spec.Function && value.Equal(c.Args, spec.Args) && value.Equal(c.Schedule.doc, spec.Schedule.doc)
}

// A CronRun is a document of _cron_job_logs: one run of a cron that ended.
type CronRun struct {
	ID      value.ID
	Created float64
	// Name is the cron's, Function and Args what it ran.
	Name     string
	Function Path
	Args     value.Value
	// Scheduled is when the run was due and Completed when it ended, in milliseconds since the Unix epoch.
	Scheduled, Completed float64
	// State is JobSuccess or JobFailed, Error the text of a failure.
	State JobState
	Error string
	// Logs are the lines the run wrote.
	Logs []string
}

// Write returns the document of the run.
func (c *CronRun) Write() SystemWrite {
	lines := make([]value.Value, len(c.Logs))
	for i, l := range c.Logs {
		lines[i] = value.OfString(l)
	}
	return document(c.ID, c.Created,
		value.Field{Name: "args", Value: c.Args},
		value.Field{Name: "completedTime", Value: value.OfFloat64(c.Completed)},
		value.Field{Name: "function", Value: value.OfString(c.Function.String())},
		value.Field{Name: "logLines", Value: value.OfArray(lines)},
		value.Field{Name: "name", Value: value.OfString(c.Name)},
		value.Field{Name: "scheduledTime", Value: value.OfFloat64(c.Scheduled)},
		value.Field{Name: "state", Value: stateValue(c.State, c.Error)})
}

package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"runlog/value"
)

// parseOne reads crons.js with one cron of that schedule.
func parseOne(schedule string) (CronSpec, error) {
	specs, err := ParseCrons(json.RawMessage(fmt.Sprintf(`{"c": {"name": "a/b:fn", "args": [{"x": 1}], "schedule": %s}}`, schedule)))
	if err != nil {
		return CronSpec{}, err
	}
	return specs[0], nil
}

// TestCronSchedules: the first run and the two after it, of a cron deployed on Wednesday, 2026-01-28 10:20:30.
func TestCronSchedules(t *testing.T) {
	now := time.Date(2026, 1, 28, 10, 20, 30, 0, time.UTC)
	for _, c := range []struct{ schedule, want string }{
		{`{"type": "interval", "seconds": 90}`, "01-28 10:20:30, 01-28 10:22:00, 01-28 10:23:30"},
		{`{"type": "interval", "hours": 36}`, "01-28 10:20:30, 01-29 22:20:30, 01-31 10:20:30"},
		{`{"type": "hourly", "minuteUTC": 5}`, "01-28 11:05:00, 01-28 12:05:00, 01-28 13:05:00"},
		{`{"type": "daily", "hourUTC": 10, "minuteUTC": 20}`, "01-29 10:20:00, 01-30 10:20:00, 01-31 10:20:00"},
		{`{"type": "weekly", "dayOfWeek": "sunday", "hourUTC": 0, "minuteUTC": 0}`, "02-01 00:00:00, 02-08 00:00:00, 02-15 00:00:00"},
		{`{"type": "monthly", "day": 31, "hourUTC": 1, "minuteUTC": 2}`, "01-31 01:02:00, 03-31 01:02:00, 05-31 01:02:00"},
		{`{"type": "cron", "cron": "15,45 9-11 * * 1-5"}`, "01-28 10:45:00, 01-28 11:15:00, 01-28 11:45:00"},
		{`{"type": "cron", "cron": "0 0 29 2 *"}`, "02-29 00:00:00, 02-29 00:00:00, 02-29 00:00:00"},
	} {
		spec, err := parseOne(c.schedule)
		if err != nil {
			t.Errorf("%s: %v", c.schedule, err)
			continue
		}
		var got []string
		for at, i := spec.Schedule.First(now), 0; i < 3; i++ {
			got = append(got, at.Format("01-02 15:04:05"))
			at = spec.Schedule.Next(at, at)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %s, want %s", c.schedule, strings.Join(got, ", "), c.want)
		}
	}
}

// TestCronThatIsLate goes on with its plan, without what it has missed.
func TestCronThatIsLate(t *testing.T) {
	due := time.Date(2026, 1, 28, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		schedule string
		late     time.Duration
		want     string
	}{
		{`{"type": "interval", "minutes": 10}`, time.Second, "10:10:00"},
		{`{"type": "interval", "minutes": 10}`, 10 * time.Minute, "10:20:00"},
		{`{"type": "interval", "minutes": 10}`, 45 * time.Minute, "10:50:00"},
		{`{"type": "hourly", "minuteUTC": 0}`, 150 * time.Minute, "13:00:00"},
	} {
		spec, err := parseOne(c.schedule)
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Schedule.Next(due, due.Add(c.late)).Format("15:04:05"); got != c.want {
			t.Errorf("%s, %s late: next at %s, want %s", c.schedule, c.late, got, c.want)
		}
	}
}

// TestCronKeepsItsMinute: a cron that names no minute has one, and the same one in every push.
func TestCronKeepsItsMinute(t *testing.T) {
	now := time.Date(2026, 1, 28, 10, 20, 30, 0, time.UTC)
	minutes := map[int]bool{}
	for i := range 40 {
		text := fmt.Sprintf(`{"c%d": {"name": "a:b", "args": [{}], "schedule": {"type": "hourly"}}}`, i)
		first, err := ParseCrons(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		second, err := ParseCrons(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		at := first[0].Schedule.First(now)
		if !at.Equal(second[0].Schedule.First(now)) {
			t.Errorf("cron %d moves from push to push", i)
		}
		minutes[at.Minute()] = true
	}
	if len(minutes) < 10 {
		t.Errorf("40 crons share %d minutes", len(minutes))
	}
}

// TestCronsRefused: each complaint names the cron and what is wrong with it.
func TestCronsRefused(t *testing.T) {
	for schedule, want := range map[string]string{
		`{"type": "yearly"}`:                                       `unknown type "yearly"`,
		`{"type": "interval", "minutes": 0}`:                       "minutes must be an integer from 1",
		`{"type": "interval"}`:                                     "no seconds, minutes or hours",
		`{"type": "daily", "hourUTC": 24}`:                         "hourUTC must be an integer from 0 to 23",
		`{"type": "weekly", "dayOfWeek": "someday", "hourUTC": 1}`: "dayOfWeek must be a day",
		`{"type": "monthly", "day": 1.5, "hourUTC": 1}`:            "day must be an integer from 1 to 31",
		`{"type": "cron", "cron": "* * *"}`:                        "expected exactly 5 fields",
		`{"type": "cron", "cron": "@daily"}`:                       "descriptor",
		`{"type": "cron", "cron": "CRON_TZ=UTC * * * * *"}`:        "names a time zone",
		`{"type": "cron", "cron": "0 0 30 2 *"}`:                   "never comes",
		`{"type": "cron"}`:                                         "has no cron",
		`{"type": "interval", "seconds": 1e300}`:                   "seconds must be an integer",
	} {
		_, err := parseOne(schedule)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"c"`) {
			t.Errorf("%s: %v, want %s", schedule, err, want)
		}
	}
	for _, text := range []string{`[]`, `{"c": {"name": "a:b", "args": [1], "schedule": {"type": "hourly"}}}`, `{"c": {"name": "../a", "args": [{}], "schedule": {"type": "hourly"}}}`} {
		if _, err := ParseCrons(json.RawMessage(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

// TestJobDocuments: jobs, crons and runs come back as they were written.
func TestJobDocuments(t *testing.T) {
	args := value.OfArray([]value.Value{value.OfObject([]value.Field{{Name: "x", Value: value.OfInt64(1)}})})
	id := value.ID{Table: ScheduledTable, Internal: value.InternalID{1}}
	for state := JobPending; state <= JobCanceled; state++ {
		job := &Job{ID: id, Created: 1, Function: Path{"a/b.js", "fn"}, Args: args, Scheduled: 2, State: state}
		if state.Done() {
			job.Completed = 3
		}
		if state == JobFailed {
			job.Error = "why"
		}
		got, err := ReadJob(id, value.Encode(job.Write().After))
		if err != nil || !value.Equal(got.Write().After, job.Write().After) || got.State != state || got.Error != job.Error {
			t.Errorf("%s: read %+v, %v, want %+v", state, got, err, job)
		}
	}
	spec, err := parseOne(`{"type": "hourly", "minuteUTC": 3}`)
	if err != nil {
		t.Fatal(err)
	}
	cron := &Cron{ID: value.ID{Table: CronsTable}, Created: 1, CronSpec: spec, Next: 5, State: JobInProgress}
	got, err := ReadCron(cron.ID, value.Encode(cron.Write().After))
	if err != nil || !got.Same(&spec) || got.Next != 5 || got.State != JobInProgress {
		t.Errorf("read %+v, %v, want %+v", got, err, cron)
	}
	for _, broken := range []string{`{}`, `{"_creationTime": 1, "scheduledTime": 1, "name": "a:b", "args": [], "state": {"kind": "lost"}}`} {
		v, _ := value.ParseJSON([]byte(broken))
		if _, err := ReadJob(id, value.Encode(v)); err == nil {
			t.Errorf("%s was read as a job", broken)
		}
	}
}

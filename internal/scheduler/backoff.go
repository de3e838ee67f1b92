package scheduler

import (
	"errors"
	"net/http"
	"time"

	"runlog/exec"
)

const (
	// A job that lost its races or found no place waits from crowdedMin to crowdedMax, twice as long each time.
	crowdedMin, crowdedMax = 100 * time.Millisecond, time.Minute
	// One that failed through a fault of ours waits longer.
	backoffMin, backoffMax = 500 * time.Millisecond, 2 * time.Hour
)

// A backoff is a job that is to be tried again.
type backoff struct {
	at   time.Time
	wait time.Duration
}

// failed sets the time of the next try.
func (b *backoff) failed(now time.Time, err error) {
	low, high := backoffMin, backoffMax
	if crowded(err) {
		low, high = crowdedMin, crowdedMax
	}
	b.wait = min(max(2*b.wait, low), high)
	b.at = now.Add(b.wait)
}

// crowded says that the job failed for others' sake.
func crowded(err error) bool {
	var system *exec.SystemError
	return errors.As(err, &system) &&
		(system.Status == http.StatusTooManyRequests || system.Code == "OptimisticConcurrencyControlFailure")
}

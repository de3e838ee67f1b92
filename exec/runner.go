package exec

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"runlog/cache"
	"runlog/commit"
	"runlog/index"
	"runlog/internal/blob"
	"runlog/internal/clock"
	"runlog/internal/fetch"
	"runlog/internal/rng"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Options configure a Runner.
type Options struct {
	// Log holds the bundles; Committer the state and the only way to change it. Required.
	Log       *log.Log
	Committer *commit.Committer
	// Indexes give snapshots of the recent past. Required.
	Indexes *index.Indexes
	// Isolates run queries and mutations; Actions run actions, apart, because an action waits for queries and
	// mutations and must not hold a place they need. Required.
	Isolates, Actions isolates.Runner
	// Cache keeps the results of queries; nil runs each.
	Cache *cache.Cache
	// Limits default to DefaultLimits.
	Limits Limits
	// Clock defaults to the system's. It is read once for each attempt, and frozen for it.
	Clock clock.Clock
	// Seed draws the seed of one attempt; default rng.NewSeed. Tests set it to get one history twice.
	Seed func() [32]byte
	// Events may be the zero listener.
	Events EventListener
	// Fetch makes the requests of actions; without it they can make none.
	Fetch *fetch.Client
	// Blobs hold the contents of files. Without them nothing can be stored.
	Blobs *blob.Blobs
	// CloudURL and SiteURL are the origins that functions see as CONVEX_CLOUD_URL and CONVEX_SITE_URL.
	CloudURL, SiteURL string
	// Name is the deployment's name.
	Name string
}

// EnsureDefaults fills what was left out.
func (o *Options) EnsureDefaults() {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Seed == nil {
		o.Seed = rng.NewSeed
	}
}

// Validate reports everything that is missing or wrong.
func (o *Options) Validate() error {
	var errs []error
	if o.Log == nil || o.Committer == nil || o.Indexes == nil {
		errs = append(errs, errors.New("exec: Options.Log, Options.Committer and Options.Indexes are required"))
	}
	if o.Isolates == nil || o.Actions == nil {
		errs = append(errs, errors.New("exec: Options.Isolates and Options.Actions are required"))
	}
	return errors.Join(append(errs, o.Limits.Validate())...)
}

// A Runner runs calls.
type Runner struct {
	options  Options
	programs *programs
	// queues bound how many calls of each kind are under way; waiters are served in order of arrival.
	queues map[schema.FunctionKind]*queue
	// code stands in for what was deployed, in a Replayer; nil otherwise.
	code *Code
}

type queue struct {
	limits KindLimits
	places *semaphore.Weighted
}

// New makes a Runner.
func New(o Options) (*Runner, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return newRunner(o), nil
}

// newRunner makes a Runner of checked options.
func newRunner(o Options) *Runner {
	r := &Runner{options: o, programs: newPrograms(o.Log), queues: map[schema.FunctionKind]*queue{}}
	for kind, limits := range map[schema.FunctionKind]KindLimits{
		schema.Query: o.Limits.Query, schema.Mutation: o.Limits.Mutation, schema.Action: o.Limits.Action,
	} {
		r.queues[kind] = &queue{limits: limits, places: semaphore.NewWeighted(int64(limits.Concurrent))}
	}
	// An HTTP action is an action that answers a request.
	r.queues[schema.HTTP] = r.queues[schema.Action]
	return r
}

// enter waits for a place among the calls of a kind; the caller releases it.
func (q *queue) enter(ctx context.Context, kind schema.FunctionKind) (release func(), err error) {
	release = func() { q.places.Release(1) }
	if q.places.TryAcquire(1) {
		return release, nil
	}
	wait, cancel := context.WithTimeout(ctx, q.limits.QueueWait)
	defer cancel()
	if err := q.places.Acquire(wait, 1); err != nil {
		if ctx.Err() != nil {
			return nil, contextError(ctx.Err())
		}
		return nil, overloaded(q.limits.Concurrent, plural(kind))
	}
	return release, nil
}

func plural(kind schema.FunctionKind) string {
	if kind == schema.Query {
		return "queries"
	}
	return strings.ToLower(kind.String()) + "s"
}

// limits are those of a kind.
func (r *Runner) limits(kind schema.FunctionKind) KindLimits { return r.queues[kind].limits }

// LatestTimestamp is the newest timestamp a query can be run at.
func (r *Runner) LatestTimestamp(context.Context) log.Timestamp {
	return r.options.Committer.Visible().Timestamp()
}

// now is the clock of one attempt.
func (r *Runner) now() time.Time { return r.options.Clock.Now() }

// env is an environment variable. Origins are those the log knows, or else those of this server.
func (r *Runner) env(catalog *schema.Catalog, name string) (string, bool) {
	text, ok := catalog.Env(name)
	switch {
	case !ok && name == schema.CloudURLVar:
		return r.options.CloudURL, true
	case !ok && name == schema.SiteURLVar:
		return r.options.SiteURL, true
	}
	return text, ok
}

// RecordOrigins writes the origins of this server to the log, if it has others or none: a run that sees them sees the same when
// it is run again.
func (r *Runner) RecordOrigins(ctx context.Context) error {
	_, err := r.System(ctx, SystemCall{Verb: "_system/origins", Args: value.OfObject(nil)}, func(t *SystemTransaction) error {
		for _, o := range []struct{ name, origin string }{{schema.CloudURLVar, r.options.CloudURL}, {schema.SiteURLVar, r.options.SiteURL}} {
			write, changed := t.Catalog().SetOrigin(o.name, o.origin, t.Source())
			if !changed {
				continue
			}
			if err := t.Write(write); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// metadata answers the questions about function and deployment that are the same for all kinds.
func (r *Runner) metadata(name string, f *schema.Function) (value.Encoded, *isolates.HostError) {
	switch name {
	case "function":
		return value.Encode(value.OfObject([]value.Field{
			{Name: "componentPath", Value: value.OfString("")},
			{Name: "name", Value: value.OfString(f.Path.Display())},
		})), nil
	case "deployment":
		return value.Encode(value.OfObject([]value.Field{
			{Name: "class", Value: value.OfString("s16")},
			{Name: "name", Value: value.OfString(r.options.Name)},
			{Name: "region", Value: value.Null()},
		})), nil
	}
	return nil, hostError("UnknownAsyncOperation", "Unknown async operation get%sMetadata", name)
}

// snapshotFor is the snapshot a query reads: the newest that is durable, or the one as of at.
func (r *Runner) snapshotFor(ctx context.Context, at log.Timestamp) (*index.Snapshot, error) {
	committer := r.options.Committer
	if at == 0 {
		return committer.Visible(), nil
	}
	if at > committer.Applied().Timestamp() {
		return nil, badRequest("InvalidTimestamp", "The timestamp lies in the future: ask for one with /api/query_ts.")
	}
	if err := committer.WaitVisible(ctx, at); err != nil {
		return nil, contextError(err)
	}
	snapshot, err := r.options.Indexes.SnapshotAt(at)
	switch {
	case errors.Is(err, index.ErrOutOfRetention):
		return nil, &SystemError{
			Code: "OutOfRetention", Status: http.StatusServiceUnavailable, Cause: err,
			Message: "The timestamp is too old to be read at: ask for a new one with /api/query_ts.",
		}
	case err != nil:
		return nil, contextError(err)
	}
	return snapshot, nil
}

// kindOf is the isolates' word for a kind.
func kindOf(kind schema.FunctionKind) isolates.Kind {
	switch kind {
	case schema.Query:
		return isolates.KindQuery
	case schema.Mutation:
		return isolates.KindMutation
	case schema.Action:
		return isolates.KindAction
	}
	return isolates.KindHTTP
}

func (l KindLimits) isolate() isolates.Limits {
	return isolates.Limits{Timeout: l.Timeout, Heap: uint64(l.Heap), StackDepth: l.StackDepth}
}

package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"runlog/index"
	"runlog/internal/clock"
	"runlog/log"
	"runlog/value"
)

// A Window says what recent commits touched; *index.Window is one.
type Window interface {
	// ConflictBetween reports a commit in (since, until] that touched r, or that this is not known any more.
	ConflictBetween(r *index.ReadSet, since, until log.Timestamp) (index.Touch, bool)
}

// Options configure a Cache.
type Options struct {
	// Window is asked whether results are still valid. Required.
	Window Window
	// Bytes bounds what is stored, keys and read sets included. Default 64 MiB.
	Bytes int64
	// TimeAge is how long a result that looked at the clock may be used. Default 17 s, which is what clients of the
	// interface are used to.
	TimeAge time.Duration
	// Clock tells the age of results. Default: the system's.
	Clock clock.Clock
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.TimeAge == 0 {
		o.TimeAge = 17 * time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
}

// Validate reports all fields that cannot be.
func (o Options) Validate() error {
	var errs []error
	if o.Window == nil {
		errs = append(errs, errors.New("cache options: Window is required"))
	}
	if o.Bytes < 0 || o.TimeAge < 0 {
		errs = append(errs, errors.New("cache options: Bytes and TimeAge must be positive"))
	}
	return errors.Join(errs...)
}

// A Key tells queries apart.
type Key struct {
	// Query is everything a result depends on besides the database and what follows: function and arguments.
	Query string
	// Journal is the end cursor that a paginated query has to keep to; empty for none.
	Journal string
	// Caller is the identity as text; empty if nobody is logged in.
	Caller string
}

// anyone is the key of results that do not depend on the caller, with the given journal.
func (k *Key) anyone(journal string) string { return string(k.prefix('a', journal)) }

// own is the key of results that are this caller's alone.
func (k *Key) own(journal string) string { return string(append(k.prefix('c', journal), k.Caller...)) }

// prefix writes lengths, so that no text a client chooses makes one key look like another.
func (k *Key) prefix(kind byte, journal string) []byte {
	b := make([]byte, 0, 8+len(k.Query)+len(journal)+len(k.Caller))
	b = binary.AppendUvarint(append(b, kind), uint64(len(k.Query)))
	b = append(b, k.Query...)
	b = binary.AppendUvarint(b, uint64(len(journal)))
	return append(b, journal...)
}

// A Result is what a query came to. It is shared: nobody changes it.
type Result struct {
	Value value.Encoded
	// Logs are the console lines, which every use of the result shows again.
	Logs []string
	// Journal is the end cursor of the page the query read; empty if it read none.
	Journal string
	// Err is the failure of the function, if it failed; such a result is shared with those who wait for it, and not stored.
	Err error
	// Snapshot is the timestamp it was run at, and Now the clock it saw.
	Snapshot log.Timestamp
	Now      time.Time
	// Reads is what it depends on. REQUIRES: merged.
	Reads *index.ReadSet
	// ObservedIdentity says that it depends on the caller, ObservedTime on the clock.
	ObservedIdentity, ObservedTime bool
}

// Stats are counters since the Cache was made, and what it holds.
type Stats struct {
	// Hits counts lookups that a stored result served, Shared those that another's run did, Misses the rest.
	Hits, Shared, Misses uint64
	// Entries and Bytes are what is stored, by estimate.
	Entries int
	Bytes   int64
}

// A Cache holds results. See the package comment.
type Cache struct {
	options Options
	stored  *otter.Cache[string, *entry]
	flights struct {
		sync.Mutex
		running map[string]*flight
	}
	hits, shared, misses atomic.Uint64
}

// An entry is a stored result.
type entry struct {
	*Result
	// through is the newest timestamp at which the result is known to be valid.
	through atomic.Uint64
}

// A flight is a run that others may wait for.
type flight struct {
	// key is where it is registered, own whose it is if it turns out to depend on the caller.
	key, own string
	snapshot log.Timestamp
	// done is closed by the runner when the rest is set.
	done  chan struct{}
	entry *entry
	err   error
	// abandoned says that the runner gave up: that is no answer for others.
	abandoned bool
}

// New returns an empty Cache.
func New(o Options) (*Cache, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	stored, err := otter.New(&otter.Options[string, *entry]{
		MaximumWeight: uint64(o.Bytes),
		Weigher:       weigh,
		// Upkeep happens on the goroutine of whoever stores, so that none is left behind.
		Executor: func(work func()) { work() },
	})
	if err != nil {
		return nil, err
	}
	c := &Cache{options: o, stored: stored}
	c.flights.running = map[string]*flight{}
	return c, nil
}

// overhead is about what an entry takes besides its bytes.
const overhead = 512

func weigh(key string, e *entry) uint32 {
	n := overhead + 2*len(key) + len(e.Value) + len(e.Journal) + e.Reads.Size()
	for _, line := range e.Logs {
		n += len(line) + 16
	}
	return uint32(min(n, 1<<31))
}

// Stats returns the counters.
func (c *Cache) Stats() Stats {
	return Stats{
		Hits: c.hits.Load(), Shared: c.shared.Load(), Misses: c.misses.Load(),
		Entries: c.stored.EstimatedSize(), Bytes: int64(c.stored.WeightedSize()),
	}
}

// Do returns the result of a query at a snapshot: a stored one, or that of run. The Result of run must be of that snapshot;
// its error is for those who wait too, unless the context of the one who ran it had ended.
func (c *Cache) Do(ctx context.Context, key Key, snapshot *index.Snapshot, run func() (*Result, error)) (*Result, error) {
	anyone, own := key.anyone(key.Journal), key.own(key.Journal)
	for {
		e, predicted := c.find(anyone, own, snapshot)
		if e != nil {
			c.hits.Add(1)
			return e.Result, nil
		}
		at := own
		if predicted {
			at = anyone
		}
		f, mine := c.join(at, own, snapshot)
		if mine {
			c.misses.Add(1)
			return c.fly(ctx, f, &key, run)
		}
		if f == nil {
			c.misses.Add(1)
			return run()
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if result, err, ok := c.share(f, own, snapshot); ok {
			c.shared.Add(1)
			return result, err
		}
	}
}

// find looks for a result of this caller, then for one that is anybody's. predicted says that the latter exists, valid or
// not, so that a run of the query will probably not look at its caller.
func (c *Cache) find(anyone, own string, snapshot *index.Snapshot) (found *entry, predicted bool) {
	if e, ok := c.stored.GetIfPresent(own); ok && c.valid(e, snapshot) {
		return e, false
	}
	e, ok := c.stored.GetIfPresent(anyone)
	if ok && c.valid(e, snapshot) {
		return e, true
	}
	return nil, ok
}

// valid says whether e is what a run on snapshot would give.
func (c *Cache) valid(e *entry, snapshot *index.Snapshot) bool {
	ts := snapshot.Timestamp()
	if ts < e.Snapshot || snapshot.CatalogTimestamp() > e.Snapshot {
		return false
	}
	if e.ObservedTime && !c.recent(e.Now) {
		return false
	}
	through := log.Timestamp(e.through.Load())
	if ts <= through {
		return true
	}
	if _, touched := c.options.Window.ConflictBetween(e.Reads, through, ts); touched {
		return false
	}
	for through < ts && !e.through.CompareAndSwap(uint64(through), uint64(ts)) {
		through = log.Timestamp(e.through.Load())
	}
	return true
}

// recent says whether a result of that moment may still be used. One from the future was made before the clock was set back.
func (c *Cache) recent(now time.Time) bool {
	age := c.options.Clock.Now().Sub(now)
	return age >= 0 && age <= c.options.TimeAge
}

// join finds a run to wait for, or begins one. It returns neither if the one under way is of a later snapshot: that cannot
// serve this one, and two need not be registered.
func (c *Cache) join(key, own string, snapshot *index.Snapshot) (f *flight, mine bool) {
	c.flights.Lock()
	defer c.flights.Unlock()
	if f := c.flights.running[key]; f != nil {
		if f.snapshot > snapshot.Timestamp() {
			return nil, false
		}
		return f, false
	}
	f = &flight{key: key, own: own, snapshot: snapshot.Timestamp(), done: make(chan struct{})}
	c.flights.running[key] = f
	return f, true
}

// fly runs the query, stores what it came to, and lets go those who wait.
func (c *Cache) fly(ctx context.Context, f *flight, key *Key, run func() (*Result, error)) (*Result, error) {
	f.abandoned = true // unless run returns
	defer c.land(f)
	result, err := run()
	f.abandoned = err != nil && ctx.Err() != nil
	if err != nil {
		f.err = err
		return nil, err
	}
	f.entry = &entry{Result: result}
	f.entry.through.Store(uint64(result.Snapshot))
	if result.Err == nil {
		c.store(key, f.entry)
	}
	return result, nil
}

func (c *Cache) land(f *flight) {
	c.flights.Lock()
	delete(c.flights.running, f.key)
	c.flights.Unlock()
	close(f.done)
}

// store keeps e under the journal that was given and under the one that came out: a client that comes back brings the latter.
func (c *Cache) store(key *Key, e *entry) {
	at := key.anyone
	if e.ObservedIdentity {
		at = key.own
		// What others ran before, when it did not depend on the caller, must not make callers wait for each other.
		c.stored.Invalidate(key.anyone(key.Journal))
	}
	c.put(at(key.Journal), e)
	if e.Journal != key.Journal {
		c.put(at(e.Journal), e)
	}
}

// put stores e, unless there is a newer result.
func (c *Cache) put(key string, e *entry) {
	c.stored.Compute(key, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		if found && old.Snapshot > e.Snapshot {
			return old, otter.CancelOp
		}
		return e, otter.WriteOp
	})
}

// share gives the result of a run that has ended to one who waited; false if it cannot use it.
func (c *Cache) share(f *flight, own string, snapshot *index.Snapshot) (*Result, error, bool) {
	switch {
	case f.abandoned:
		return nil, nil, false
	case f.err != nil:
		return nil, f.err, true
	case f.entry.ObservedIdentity && f.own != own:
		return nil, nil, false
	}
	return f.entry.Result, nil, c.valid(f.entry, snapshot)
}

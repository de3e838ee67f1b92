// Package engine puts the parts together: one Engine is one running database.
//
// Invariant: an Engine owns what it opens and closes it in the reverse order. Open either gives a whole Engine or leaves
// nothing open.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"runlog/cache"
	"runlog/commit"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/blob"
	"runlog/internal/clock"
	"runlog/internal/deploy"
	"runlog/internal/fetch"
	"runlog/internal/files"
	"runlog/internal/scheduler"
	"runlog/isolates"
	"runlog/isolates/process"
	"runlog/log"
	"runlog/subscriptions"
)

// Options configure an Engine. The zero Options but for Dir are good for production.
type Options struct {
	// Dir is the folder that holds the log. Required.
	Dir    string
	Log    log.Options
	Index  index.Options
	Limits exec.Limits
	// QueryCache bounds the memory of query results kept for reuse, in bytes. Default 64 MiB; negative keeps none.
	QueryCache int64
	// Answers bounds what is kept of the answers of mutations, for clients that ask again.
	Answers exec.AnswerLimits
	// PruneEvery is how often answers beyond that are deleted. Default 1 min.
	PruneEvery time.Duration
	// IsolatesMax is how many queries and mutations run user code at once. Default: twice the cores, since one that waits for
	// the writer needs no core; with ProcessIsolates eight times, since what goes to one process together is cheap.
	IsolatesMax int
	// ProcessIsolates runs user code in child processes, which a limit or a crash ends alone. The program's main must begin
	// with process.IsChild then.
	ProcessIsolates bool
	// PushTimeout is how long the modules of a push may take to evaluate. Default: isolates.AnalyzeTimeout.
	PushTimeout time.Duration
	// FreshIsolates gives each run a runtime of its own even where its modules are proven stateless.
	FreshIsolates bool
	// Clock defaults to the system's; Seed to the operating system's randomness.
	Clock clock.Clock
	Seed  func() [32]byte
	// Calls and Commits are told what happens.
	Calls   exec.EventListener
	Commits commit.EventListener
	// IsolateWaits is told how long runs waited for an isolate of a pool, "functions" or "actions". Default: nobody is.
	IsolateWaits func(pool string) func(wait time.Duration)
	// OnFatal is told that the log can no longer be written; it should end the process.
	OnFatal func(error)
	// Files keeps the contents of files. Default: the folder files in Dir. Uploads are received in the folder incoming beside it.
	Files blob.Store
	// FileSizeMax bounds one upload, in bytes. Default: no bound.
	FileSizeMax int64
	// FilesPause is the time between two collections of what deleted files leave behind. Default 1 min.
	FilesPause time.Duration
	// Fetch configures the requests of actions.
	Fetch fetch.Options
	// CloudURL and SiteURL are the origins that functions see; Name is the deployment's name.
	CloudURL, SiteURL, Name string
	Logger                  *slog.Logger
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Limits == (exec.Limits{}) {
		o.Limits = exec.DefaultLimits()
	}
	if o.PruneEvery == 0 {
		o.PruneEvery = time.Minute
	}
	if o.IsolatesMax == 0 {
		o.IsolatesMax = 2 * runtime.GOMAXPROCS(0)
		if o.ProcessIsolates {
			o.IsolatesMax *= 4
		}
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Log.Logger == nil {
		o.Log.Logger = o.Logger
	}
	if o.Files == nil {
		o.Files = blob.NewDir(filepath.Join(o.Dir, "files"))
	}
	if o.IsolateWaits == nil {
		o.IsolateWaits = func(string) func(time.Duration) { return nil }
	}
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { panic(fmt.Errorf("the log can no longer be written: %w", err)) }
	}
	if o.Log.EventListener.Fatal == nil {
		o.Log.EventListener.Fatal = o.OnFatal
	}
}

// An Engine is one running database. Its fields may be used from any goroutine until Close.
type Engine struct {
	Log       *log.Log
	Indexes   *index.Indexes
	Committer *commit.Committer
	// Cache keeps results of queries; nil if none are kept.
	Cache *cache.Cache
	// Isolates run queries and mutations, Actions actions.
	Isolates, Actions isolates.Runner
	Runner            *exec.Runner
	Deployer          *deploy.Deployer
	Blobs             *blob.Blobs
	// Live holds the queries that clients follow.
	Live *subscriptions.Set

	// closers end the parts, and the scheduler and the collector of files, which nothing else speaks to.
	closers []func() error
}

// Open opens the database in Options.Dir, which is created if it does not exist.
func Open(o Options) (_ *Engine, err error) {
	o.EnsureDefaults()
	e := &Engine{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if err := e.openStorage(&o); err != nil {
		return nil, err
	}
	return e, e.openRuntime(&o)
}

func (e *Engine) openStorage(o *Options) (err error) {
	if e.Log, err = log.Open(o.Dir, o.Log); err != nil {
		return err
	}
	e.closers = append(e.closers, e.Log.Close)
	if e.Indexes, err = index.Open(e.Log, o.Index); err != nil {
		return err
	}
	e.Committer, err = commit.Open(commit.Options{
		Log: e.Log, Indexes: e.Indexes, Clock: o.Clock, OnFatal: o.OnFatal, EventListener: o.Commits,
	})
	if err != nil {
		return err
	}
	e.closers = append(e.closers, e.Committer.Close)
	return nil
}

func (e *Engine) openRuntime(o *Options) (err error) {
	if o.QueryCache >= 0 {
		if e.Cache, err = cache.New(cache.Options{Window: e.Indexes.Window(), Bytes: o.QueryCache, Clock: o.Clock}); err != nil {
			return err
		}
	}
	if err := e.openPools(o); err != nil {
		return err
	}
	e.Blobs, err = blob.Open(blob.Options{Store: o.Files, Spool: filepath.Join(o.Dir, "incoming"), MaxSize: o.FileSizeMax})
	if err != nil {
		return err
	}
	client := fetch.New(o.Fetch)
	e.closers = append(e.closers, client.Close)
	e.Runner, err = exec.New(exec.Options{
		Log: e.Log, Committer: e.Committer, Indexes: e.Indexes, Isolates: e.Isolates, Actions: e.Actions, Cache: e.Cache,
		Limits: o.Limits, Clock: o.Clock, Seed: o.Seed, Events: o.Calls, Fetch: client, Blobs: e.Blobs,
		CloudURL: o.CloudURL, SiteURL: o.SiteURL, Name: o.Name,
	})
	if err != nil {
		return err
	}
	e.Deployer = deploy.New(deploy.Options{
		Runner: e.Runner, Committer: e.Committer, Log: e.Log, Isolates: e.Actions, Clock: o.Clock, Seed: o.Seed,
		Limits: isolates.Limits{Timeout: o.PushTimeout}, CloudURL: o.CloudURL, SiteURL: o.SiteURL,
	})
	return e.openWorkers(o)
}

// openWorkers starts what works by itself.
func (e *Engine) openWorkers(o *Options) error {
	collector, err := files.Open(files.Options{
		Runner: e.Runner, Committer: e.Committer, Blobs: e.Blobs, Clock: o.Clock, Pause: o.FilesPause, Logger: o.Logger,
	})
	if err != nil {
		return err
	}
	e.closers = append(e.closers, collector.Close)
	jobs, err := scheduler.Open(scheduler.Options{Runner: e.Runner, Committer: e.Committer, Clock: o.Clock, Logger: o.Logger})
	if err != nil {
		return err
	}
	e.closers = append(e.closers, jobs.Close)
	e.Live, err = subscriptions.Open(subscriptions.Options{Runner: e.Runner, Source: e.Committer, Window: e.Indexes.Window()})
	if err != nil {
		return err
	}
	e.closers = append(e.closers, e.Live.Close)
	e.prune(o)
	return nil
}

// prune deletes old answers now and then, until Close.
func (e *Engine) prune(o *Options) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends when Close cancels ctx
		defer close(done)
		ticker := time.NewTicker(o.PruneEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			if _, err := e.Runner.PruneAnswers(ctx, o.Answers); err != nil && ctx.Err() == nil {
				o.Logger.Error("old answers are kept", "err", err)
			}
		}
	}()
	e.closers = append(e.closers, func() error {
		cancel()
		<-done
		return nil
	})
}

// openPools makes the isolates of queries and mutations, and apart from them those of actions: an action waits for
// queries and mutations, and must not hold a place they need.
func (e *Engine) openPools(o *Options) error {
	functions, actions := o.IsolatesMax, o.Limits.Action.Concurrent
	if o.ProcessIsolates {
		children := process.Options{Fresh: o.FreshIsolates, Clock: o.Clock, Logger: o.Logger}
		children.Size, children.Acquired = functions, o.IsolateWaits("functions")
		functions := process.New(children)
		// An action that is lost cannot be run again, so few share a process.
		children.Acquired = o.IsolateWaits("actions")
		children.Size, children.Apart, children.Children = actions, true, min(actions, actionChildren)
		e.Isolates, e.Actions = functions, process.New(children)
		e.closers = append(e.closers, e.Isolates.Close, e.Actions.Close)
		if err := functions.Ready(context.Background()); err != nil {
			return fmt.Errorf("%w: %w", ErrNoChildren, err)
		}
		return nil
	}
	here := isolates.Options{Fresh: o.FreshIsolates, Clock: o.Clock, Size: functions, Acquired: o.IsolateWaits("functions")}
	e.Isolates = isolates.New(here)
	here.Acquired = o.IsolateWaits("actions")
	here.Size, here.Prepared, here.Warm = actions, 1, functions
	e.Actions = isolates.New(here)
	e.closers = append(e.closers, e.Isolates.Close, e.Actions.Close)
	return nil
}

// ErrNoChildren says that Options.ProcessIsolates is set and no child process can be started.
var ErrNoChildren = errors.New("functions cannot run in child processes here")

// actionChildren is how many actions have a process of their own; further ones share.
const actionChildren = 16

// Close ends everything, the newest part first. Calls under way fail.
func (e *Engine) Close() error {
	var errs []error
	for i := len(e.closers) - 1; i >= 0; i-- {
		errs = append(errs, e.closers[i]())
	}
	e.closers = nil
	return errors.Join(errs...)
}

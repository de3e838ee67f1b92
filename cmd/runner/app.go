package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"runlog/commit/publish"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/auth"
	"runlog/internal/collector"
	"runlog/internal/engine"
	"runlog/internal/export"
	"runlog/internal/obs"
	"runlog/internal/rng"
	"runlog/log"
	"runlog/server"
)

// stopTimeout is how long calls under way get to end when the server stops.
const stopTimeout = 10 * time.Second

// An app is one running server: a database, the functions over it, and the wire.
//
// It listens first and opens the database then, so that an address that is taken is known at once and /readyz can
// tell that the server is starting.
type app struct {
	flags     *serverFlags
	logger    *slog.Logger
	telemetry *obs.Telemetry
	engine    *engine.Engine
	publisher *publish.Publisher // nil if nothing is published
	server    *server.Server
	listener  net.Listener
	served    chan error // what Serve returned, sent once
	// siteListener is the port of HTTP actions, nil if there is none, and siteServed what ServeSite returned, sent once.
	siteListener net.Listener
	siteServed   chan error
	url          string

	// environmentChanged is sent to, by requests, when an environment variable was changed.
	environmentChanged chan struct{}

	// printed is the key that was created by this start; "" if there were keys.
	printed string
	// local is what server.json says.
	local endpoint
}

// A mode is how dev and serve differ.
type mode struct {
	// dev shows errors whole to clients, and keeps one local key from start to start.
	dev    bool
	logger *slog.Logger
	// callEnd is told of calls besides the telemetry; may be nil.
	callEnd func(exec.CallEndInfo)
}

// openApp starts a server that is not ready yet. Close ends it.
func openApp(ctx context.Context, f *serverFlags, m mode) (_ *app, err error) {
	collector.Keep(collector.Room{Bytes: 192 << 20, PercentMin: 50, PercentMax: 400})
	a := &app{flags: f, logger: m.logger, served: make(chan error, 1), siteServed: make(chan error, 1), environmentChanged: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := makeDataFolder(f.data); err != nil {
		return a, err
	}
	if a.telemetry, err = obs.New(ctx, obs.Options{
		OTLPEndpoint: f.otlpEndpoint, ServiceName: f.instance, ServiceVersion: version(), Logger: m.logger,
	}); err != nil {
		return a, err
	}
	if err := a.listen(m); err != nil {
		return a, err
	}
	if err := a.openEngine(ctx, m); err != nil {
		return a, err
	}
	if err := a.openPublisher(); err != nil {
		return a, err
	}
	return a, a.watch()
}

func (a *app) listen(m mode) (err error) {
	a.server, err = server.New(server.Options{
		Instance: a.flags.instance, Version: version(), Redact: !m.dev,
		Metrics: a.telemetry.Handler(), Wrap: a.telemetry.Propagate, Logger: m.logger,
	})
	if err != nil {
		return err
	}
	if a.listener, err = net.Listen("tcp", a.flags.listen); err != nil {
		return a.listenError(err)
	}
	a.url = "http://" + reachable(a.listener.Addr())
	go func() { a.served <- a.server.Serve(a.listener) }() // ends with Shutdown, in close
	return a.listenSite()
}

// listenSite opens the port of HTTP actions, if there is to be one.
func (a *app) listenSite() (err error) {
	if a.flags.siteListen == "" {
		return nil
	}
	if a.siteListener, err = net.Listen("tcp", a.flags.siteListen); err != nil {
		return fmt.Errorf("listen on %s for HTTP actions: %w: choose another address with --site-listen", a.flags.siteListen, err)
	}
	go func() { a.siteServed <- a.server.ServeSite(a.siteListener) }() // ends with Shutdown, in close
	return nil
}

// siteOrigin is the origin of HTTP actions, where origin is that of the main port.
func (a *app) siteOrigin(origin string) string {
	switch {
	case a.flags.siteURL != "":
		return a.flags.siteURL
	case a.siteListener != nil:
		return "http://" + reachable(a.siteListener.Addr())
	}
	return origin + "/http"
}

// listenError tells a port that somebody has from one that this very app has: a second start by mistake.
func (a *app) listenError(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: %w", a.flags.listen, err)
	}
	if at, err := readEndpoint(a.flags.data); err == nil && at.alive() {
		return fmt.Errorf("%w: %s is served already, at %s. Stop that process first", log.ErrLocked, a.flags.data, at.URL)
	}
	return fmt.Errorf("the address %s is in use by another program: stop it, or choose another one with --listen, such as --listen 127.0.0.1:0 for any free port", a.flags.listen)
}

// alive reports whether a server answers that knows the endpoint's key.
func (e endpoint) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/api/check_admin_key", nil)
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Convex "+e.AdminKey)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// reachable is an address that a client on this machine can use.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (a *app) openEngine(ctx context.Context, m mode) (err error) {
	limits, err := a.flags.limits.resolve()
	if err != nil {
		return err
	}
	files, err := a.flags.files.open(ctx)
	if err != nil {
		return err
	}
	fetching, err := a.flags.fetch.resolve(m.dev)
	if err != nil {
		return err
	}
	calls := a.telemetry.ExecEvents()
	if m.callEnd != nil {
		calls.CallEnd = both(calls.CallEnd, m.callEnd)
	}
	origin := a.flags.publicURL
	if origin == "" {
		origin = a.url
	}
	a.engine, err = engine.Open(engine.Options{
		Dir: a.flags.data, Limits: limits, QueryCache: a.flags.cacheBytes(), IsolatesMax: a.flags.isolates, FreshIsolates: a.flags.freshIsolates, ProcessIsolates: a.flags.isolation == "process", PushTimeout: a.flags.pushTimeout,
		Log: log.Options{EventListener: a.telemetry.LogEvents(a.fail)}, Calls: calls, Commits: a.telemetry.CommitEvents(),
		IsolateWaits: a.telemetry.IsolateWaits,
		CloudURL:     origin, SiteURL: a.siteOrigin(origin), Name: a.flags.instance,
		Logger: a.logger, OnFatal: a.fail, Files: files, FileSizeMax: a.flags.files.sizeMax(),
		Fetch: fetching,
	})
	if errors.Is(err, engine.ErrNoChildren) {
		return fmt.Errorf("%w; --isolation=inprocess does without them, and a function can then take the server with it", err)
	}
	if err != nil {
		return err
	}
	return a.engine.Runner.RecordOrigins(ctx)
}

func both(first func(context.Context, exec.CallEndInfo), then func(exec.CallEndInfo)) func(context.Context, exec.CallEndInfo) {
	return func(ctx context.Context, info exec.CallEndInfo) {
		if first != nil {
			first(ctx, info)
		}
		then(info)
	}
}

// fail ends the process: what became of the last commits is unknown, and only recovery can tell.
func (a *app) fail(err error) {
	a.logger.Error("the log can no longer be written; the process ends", "err", err)
	os.Exit(exitData)
}

// watch lets the telemetry sample what counts for itself.
func (a *app) watch() error {
	return errors.Join(
		a.telemetry.WatchIsolates("functions", a.engine.Isolates.Stats),
		a.telemetry.WatchIsolates("actions", a.engine.Actions.Stats),
		a.telemetry.WatchQueryCache(a.queryCache),
		a.telemetry.WatchLive(a.live),
		a.telemetry.WatchPositions(a.positions),
		a.telemetry.WatchTables(a.tables),
		a.telemetry.WatchDisk(func() int64 { return int64(a.engine.Log.Metrics().DiskSize) }),
		a.telemetry.WatchProcess(),
	)
}

func (a *app) live() obs.LiveStats {
	s := a.engine.Live.Stats()
	return obs.LiveStats{
		Sessions: s.Sessions, Subscriptions: s.Subscriptions, Queries: s.Queries, Runs: s.Runs, Lone: s.Lone, Moves: s.Moves,
	}
}

func (a *app) queryCache() obs.CacheStats {
	if a.engine.Cache == nil {
		return obs.CacheStats{}
	}
	s := a.engine.Cache.Stats()
	return obs.CacheStats{Hits: s.Hits + s.Shared, Misses: s.Misses, Entries: s.Entries, Bytes: s.Bytes}
}

func (a *app) positions() obs.Positions {
	applied, visible := a.engine.Committer.Applied(), a.engine.Committer.Visible()
	return obs.Positions{
		Applied: applied.Offset(), AppliedAt: applied.Timestamp(),
		Visible: visible.Offset(), VisibleAt: visible.Timestamp(),
	}
}

func (a *app) tables() []obs.TableStats {
	snapshot := a.engine.Committer.Visible()
	return tableStats(snapshot)
}

func tableStats(snapshot *index.Snapshot) []obs.TableStats {
	var stats []obs.TableStats
	for _, t := range snapshot.Catalog().Tables() {
		stats = append(stats, obs.TableStats{Name: t.Name, Documents: int64(snapshot.Count(t.Number))})
	}
	return stats
}

// ready opens the doors: keys are read, or made at the first start, and calls are answered from now on.
func (a *app) ready(m mode) error {
	keys := keysIn(a.flags.data)
	if err := a.firstKey(keys, m); err != nil {
		return err
	}
	if err := a.localKey(m); err != nil {
		return err
	}
	fixed := []string{a.local.AdminKey}
	if a.flags.adminKey != "" {
		fixed = append(fixed, a.flags.adminKey)
	}
	authenticator, err := auth.New(auth.Options{Store: keys, Fixed: fixed, Verifier: a.verifier()})
	if err != nil {
		return fmt.Errorf("admin key: %w", err)
	}
	a.server.Attach(server.Backend{
		Runner: a.engine.Runner, Auth: authenticator, Live: a.engine.Live,
		Environment: toldEnvironment{a.engine.Deployer, a.environmentChanged},
		Files:       a.engine.Runner,
		Exporter:    export.New(a.engine.Log),
		HTTPActions: a.engine.Runner,
		Publishing:  a.kafkaStatus,
		History:     servedHistory{a},
		Detail:      a.detail,
	})
	return a.local.write(a.flags.data)
}

// verifier checks users' tokens against the providers of the code that runs.
func (a *app) verifier() *auth.Verifier {
	return auth.NewVerifier(auth.VerifierOptions{Config: deployedAuth{a.engine}, EventListener: auth.EventListener{
		KeysFetched: func(k auth.KeysInfo) {
			if k.Err != nil {
				a.logger.Warn("the keys of an auth provider cannot be had; those known stay in use", "issuer", k.Issuer, "err", k.Err)
			}
		},
	}})
}

// deployedAuth is the auth config of what is deployed: a push changes it in the same entry as the code.
type deployedAuth struct{ *engine.Engine }

func (d deployedAuth) AuthConfig() []byte {
	if deployment := d.Committer.Visible().Catalog().Deployment(); deployment != nil {
		return deployment.Auth
	}
	return nil
}

// firstKey makes an admin key if nobody could get in otherwise. In dev the local key is that.
func (a *app) firstKey(keys *auth.File, m mode) error {
	if m.dev || a.flags.adminKey != "" {
		return nil
	}
	known, err := keys.Keys()
	if err != nil || len(known) > 0 {
		return err
	}
	a.printed, err = createKey(a.flags.data, "admin", auth.AllOps(), 0)
	return err
}

// localKey makes the key that stands in server.json: a new one for each start, except in dev, where clients keep it
// in their settings.
func (a *app) localKey(m mode) error {
	a.local = endpoint{URL: a.url}
	if m.dev {
		before, err := readEndpoint(a.flags.data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := auth.ParseKey(before.AdminKey); err == nil {
			a.local.AdminKey = before.AdminKey
			return nil
		}
	}
	name := "local"
	if m.dev {
		name = "dev"
	}
	var err error
	a.local.AdminKey, _, err = auth.NewKey(name, rng.NewStream(rng.NewSeed()))
	return err
}

// detail is what /readyz shows.
func (a *app) detail() any {
	visible := a.engine.Committer.Visible()
	functions := 0
	if d := visible.Catalog().Deployment(); d != nil {
		functions = len(d.Functions)
	}
	return struct {
		Version   string        `json:"version"`
		Offset    log.Offset    `json:"offset"`
		Timestamp log.Timestamp `json:"timestamp"`
		Functions int           `json:"functions"`
		Kafka     *kafkaDetail  `json:"kafka,omitempty"`
	}{version(), visible.Offset(), visible.Timestamp(), functions, a.kafkaDetail()}
}

// close stops listening, lets calls under way end, and closes the database. It closes whatever was opened.
func (a *app) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	if a.listener != nil {
		err := a.server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			a.logger.Warn("calls that had not ended were cut off", "after", stopTimeout)
		} else if err != nil {
			errs = append(errs, fmt.Errorf("stop: %w", err))
		}
		errs = append(errs, <-a.served)
		if a.siteListener != nil {
			errs = append(errs, <-a.siteServed)
		}
	}
	if a.publisher != nil {
		errs = append(errs, a.publisher.Close())
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close())
	}
	if a.telemetry != nil {
		errs = append(errs, a.telemetry.Close(ctx))
	}
	return errors.Join(errs...)
}

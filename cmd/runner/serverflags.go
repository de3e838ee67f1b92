package main

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"runlog/internal/auth"
	"runlog/isolates"
	"runlog/isolates/bundle"
)

// serverFlags are the flags that dev and serve share.
type serverFlags struct {
	data, listen, publicURL string
	siteListen, siteURL     string
	adminKey, instance      string
	otlpEndpoint            string
	convexPackage           string
	isolates                int
	queryCache              int
	isolation               string
	freshIsolates           bool
	pushTimeout             time.Duration
	logLevel                slog.Level
	limits                  limitFlags
	fetch                   fetchFlags
	kafka                   kafkaFlags
	files                   fileFlags
}

func (f *serverFlags) register(flags *pflag.FlagSet, data string) {
	flags.StringVar(&f.data, "data", "", "data folder (default "+data+"): `DIR`")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:3210", "address to answer on: `HOST:PORT`")
	flags.StringVar(&f.siteListen, "site-listen", "", "another address for HTTP actions, which are under /http on the main one in any case: `HOST:PORT`")
	flags.StringVar(&f.siteURL, "site-url", "", "origin of HTTP actions, if it is not the address listened on: `URL`")
	flags.StringVar(&f.publicURL, "public-url", "", "origin that clients use, if it is not the address listened on: `URL`")
	flags.StringVar(&f.adminKey, "admin-key", "", "a fixed admin key besides those made with `runner keys`, NAME|SECRET; better set as "+envName("admin-key"))
	flags.StringVar(&f.instance, "instance", "runlog", "name of this deployment")
	flags.StringVar(&f.otlpEndpoint, "otlp-endpoint", "", "send traces and metrics to this OTLP collector, such as http://127.0.0.1:4318: `URL`")
	flags.StringVar(&f.convexPackage, "convex-package", "builtin", "where functions get the package convex from: builtin, or npm for the app's node_modules")
	flags.IntVar(&f.isolates, "isolates", 0, "how many queries and mutations run at once (default 8 for each core in child processes, else 2)")
	flags.IntVar(&f.queryCache, "query-cache", 64, "memory for query results that can be used again, in `MB`; 0 keeps none")
	flags.StringVar(&f.isolation, "isolation", defaultIsolation(runtime.GOOS), "where functions run: process for child processes, so that no function can hurt the server, or inprocess")
	flags.BoolVar(&f.freshIsolates, "fresh-isolates", false, "start each run from nothing, even where modules are proven to keep no state")
	flags.DurationVar(&f.pushTimeout, "push-timeout", isolates.AnalyzeTimeout, "how long the modules of a push may take to evaluate, all together")
	flags.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	f.limits.register(flags)
	f.fetch.register(flags)
	f.kafka.register(flags)
	f.files.register(flags)
}

// defaultIsolation is process where the system can confine children and tell their size. Elsewhere functions run in the
// server, which the flag's help shows.
func defaultIsolation(system string) string {
	if system == "linux" {
		return "process"
	}
	return "inprocess"
}

// validate reports what is wrong with the flags, before anything is opened.
func (f *serverFlags) validate() error {
	if _, err := f.limits.resolve(); err != nil {
		return err
	}
	if _, err := f.bundler(); err != nil {
		return err
	}
	if _, err := f.fetch.resolve(false); err != nil {
		return err
	}
	if err := f.kafka.validate(); err != nil {
		return err
	}
	if f.adminKey != "" {
		if _, err := auth.ParseKey(f.adminKey); err != nil {
			return fmt.Errorf("--admin-key: %w", err)
		}
	}
	if f.isolation != "inprocess" && f.isolation != "process" {
		return fmt.Errorf("--isolation is %q, want inprocess or process", f.isolation)
	}
	if err := f.files.validate(); err != nil {
		return err
	}
	if f.queryCache < 0 {
		return fmt.Errorf("--query-cache is %d, want megabytes, or 0 to keep no results", f.queryCache)
	}
	if f.pushTimeout <= 0 {
		return fmt.Errorf("--push-timeout is %s, want a positive time such as %s", f.pushTimeout, isolates.AnalyzeTimeout)
	}
	if f.isolates < 0 {
		return fmt.Errorf("--isolates is %d, want a positive number", f.isolates)
	}
	return nil
}

func (f *serverFlags) bundler() (bundle.ConvexPackage, error) {
	switch f.convexPackage {
	case "builtin":
		return bundle.ConvexBuiltin, nil
	case "npm":
		return bundle.ConvexNPM, nil
	}
	return 0, fmt.Errorf("--convex-package is %q, want builtin or npm", f.convexPackage)
}

// cacheBytes is the size of the query cache as the engine takes it, where 0 is the default.
func (f *serverFlags) cacheBytes() int64 {
	if f.queryCache == 0 {
		return -1
	}
	return int64(f.queryCache) << 20
}

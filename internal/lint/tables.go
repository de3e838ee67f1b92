package lint

// module is the path that imports of our own packages begin with.
const module = "runlog"

// A place is where a package stands: its level, and the packages of lower levels it may import.
type place struct {
	level   int
	imports []string
}

// ground is what any package above level 0 may import besides its list.
var ground = []string{"internal/clock", "internal/collector", "internal/rng", "internal/invariants"}

// places is the map of the repository. A package imports lower levels only, and of these only what is listed, so
// that a new dependency is a decision and not an accident.
var places = map[string]place{
	"internal/clock":      {level: 0},
	"internal/rng":        {level: 0},
	"internal/invariants": {level: 0},
	"internal/collector":  {level: 0},
	"internal/lint":       {level: 0},

	"value": {level: 1},

	"schema":         {level: 2, imports: []string{"value"}},
	"isolates/shims": {level: 2},
	"isolates/intl":  {level: 2},

	"log": {level: 3, imports: []string{"value"}},

	// feed is for consumers, who take it without the rest.
	"feed": {level: 2, imports: []string{"value"}},

	// What bundle is made of.
	"isolates/bundle/internal/syntax": {level: 3},
	"isolates/bundle/stateless":       {level: 4, imports: []string{"isolates/bundle/internal/syntax"}},

	"index": {level: 4, imports: []string{"log", "schema", "value"}},

	// Level 5 is mutually blind: what these have to say to each other goes through exec.
	"commit":          {level: 5, imports: []string{"index", "log", "schema", "value"}},
	"commit/publish":  {level: 5, imports: []string{"feed", "index", "log", "schema", "value"}},
	"cache":           {level: 5, imports: []string{"index", "log", "schema", "value"}},
	"subscriptions":   {level: 5, imports: []string{"index", "log", "schema", "value"}},
	"isolates":        {level: 5, imports: []string{"isolates/intl", "isolates/shims", "value"}},
	"isolates/bundle": {level: 5, imports: []string{"isolates/bundle/internal/syntax", "isolates/bundle/stateless", "isolates/shims", "value"}},
	"internal/blob":   {level: 5},
	"internal/export": {level: 5, imports: []string{"index", "log", "schema", "value"}},
	"internal/auth":   {level: 5, imports: []string{"value"}},
	"internal/fetch":  {level: 5},

	// process runs the isolates of level 5 in child processes; it and exec do not know each other.
	"isolates/process": {level: 6, imports: []string{"isolates", "value"}},

	"exec": {level: 6, imports: []string{"cache", "commit", "index", "internal/blob", "internal/fetch", "isolates", "isolates/bundle", "log", "schema", "subscriptions", "value"}},

	"internal/deploy": {level: 7, imports: []string{"commit", "exec", "index", "internal/auth", "isolates", "isolates/bundle", "log", "schema", "value"}},
	// files collects the contents of files that were deleted.
	"internal/files": {level: 7, imports: []string{"commit", "exec", "index", "internal/blob", "schema", "value"}},

	// scheduler finds what is due and has exec run it.
	"internal/scheduler": {level: 7, imports: []string{"commit", "exec", "index", "log", "schema", "value"}},

	// engine puts the packages of one database together; server knows the runner it is given, and not engine. Its tests
	// end by replaying what they did.
	"internal/engine": {level: 9, imports: []string{"cache", "commit", "exec", "index", "internal/blob", "internal/deploy", "internal/fetch", "internal/files", "internal/scheduler", "isolates", "isolates/bundle", "isolates/process", "log", "schema", "subscriptions", "value"}},
	"server/session":  {level: 7, imports: []string{"exec", "internal/auth", "log", "subscriptions", "value"}},
	"server":          {level: 8, imports: []string{"exec", "internal/auth", "internal/blob", "internal/deploy", "internal/export", "log", "schema", "server/session", "subscriptions", "value"}},

	"internal/obs": {level: 9, imports: []string{"cache", "commit", "exec", "index", "isolates", "log", "schema", "value"}},

	"cmd/runner": {level: 10, imports: []string{"cache", "commit", "commit/publish", "exec", "index", "internal/auth", "internal/blob", "internal/deploy", "internal/engine", "internal/export", "internal/fetch",
		"internal/obs", "isolates", "isolates/bundle", "isolates/process", "log", "schema", "server", "value"}},

	// replay runs calls of the past through exec, and analyses a bundle as a push does.
	"replay":     {level: 8, imports: []string{"exec", "index", "internal/deploy", "isolates", "isolates/bundle", "log", "schema", "value"}},
	"cmd/replay": {level: 10, imports: []string{"isolates/bundle", "log", "replay", "value"}},
}

// A door is the only way to an engine: the packages that may import it, outside tests and in them.
type door struct {
	// engine is an import path; what lies below it is behind the same door unless a longer path is listed.
	engine string
	// owners may import it; tests may too, in test files. "x/..." is x and all below it.
	owners, tests []string
}

// anyPackage in a door's lists opens it for all.
const anyPackage = "*"

var doors = []door{
	{engine: "github.com/cockroachdb/pebble/v2", owners: []string{"log"}},
	// Tests of every package open a log in memory, on a file system that fails or crashes on command.
	{engine: "github.com/cockroachdb/pebble/v2/vfs", owners: []string{"log"}, tests: []string{anyPackage}},
	{engine: "github.com/google/btree", owners: []string{"index"}},
	// The snippets that the proof refuses are run to show that they leak.
	{engine: "github.com/dop251/goja", owners: []string{"isolates"}, tests: []string{"isolates/bundle"}},
	// The proof that a module keeps no state reads its syntax tree.
	{engine: "github.com/dop251/goja/ast", owners: []string{"isolates", "isolates/bundle/..."}},
	{engine: "github.com/dop251/goja/file", owners: []string{"isolates", "isolates/bundle/..."}},
	{engine: "github.com/dop251/goja/parser", owners: []string{"isolates", "isolates/bundle/..."}},
	{engine: "github.com/dop251/goja/token", owners: []string{"isolates", "isolates/bundle/..."}},
	{engine: "github.com/dop251/goja/unistring", owners: []string{"isolates", "isolates/bundle/..."}},
	{engine: "github.com/elastic/go-seccomp-bpf", owners: []string{"isolates/process"}},
	{engine: "github.com/evanw/esbuild", owners: []string{"isolates/bundle"}, tests: []string{"isolates"}},
	{engine: "github.com/go-jose/go-jose", owners: []string{"internal/auth"}},
	{engine: "github.com/nlnwa/whatwg-url", owners: []string{"isolates"}},
	{engine: "github.com/segmentio/kafka-go", owners: []string{"commit/publish"}},
	{engine: "go.opentelemetry.io", owners: []string{"internal/obs"}},
	{engine: "github.com/prometheus", owners: []string{"internal/obs"}},
	{engine: "github.com/spf13/cobra", owners: []string{"cmd/runner", "cmd/replay"}},
	{engine: "github.com/maypok86/otter/v2", owners: []string{"cache", "index"}},
	{engine: "github.com/coder/websocket", owners: []string{"server"}, tests: []string{"cmd/runner"}},
	{engine: "github.com/robfig/cron/v3", owners: []string{"schema"}},
	{engine: "github.com/minio/minio-go/v7", owners: []string{"internal/blob"}},
	{engine: "math/rand", owners: []string{"internal/rng"}, tests: []string{anyPackage}},
	// log/slog is for operational output; package log is ours.
	{engine: "log"},
	{engine: "log/slog", owners: []string{anyPackage}, tests: []string{anyPackage}},
}

// mayAskTheTime lists the packages whose code may call time.Now and its kind, and what for. All others are given
// a clock.
var mayAskTheTime = map[string]string{
	"internal/clock": "it is the clock",
	"internal/obs":   "latencies of exports",
	"server":         "latencies of requests",
	"cmd/replay":     "how often progress is shown",
	"cmd/runner":     "latencies and deadlines of a process",
}

// linesMax is the length of a source file that has grown a second subject.
const linesMax = 800

package deploy

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"runlog/commit"
	"runlog/exec"
	"runlog/index"
	"runlog/internal/auth"
	"runlog/internal/clock"
	"runlog/internal/rng"
	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Options configure a Deployer. All fields but Limits and Seed are required.
type Options struct {
	Runner    *exec.Runner
	Committer *commit.Committer
	Log       *log.Log
	// Isolates evaluate the modules that are pushed.
	Isolates isolates.Runner
	// Limits bound that evaluation: of all modules of a push together. Zeros are the defaults of an analysis.
	Limits isolates.Limits
	Clock  clock.Clock
	// Seed draws the seed with which modules are evaluated; default rng.NewSeed.
	Seed func() [32]byte
	// CloudURL and SiteURL are what modules see as CONVEX_CLOUD_URL and CONVEX_SITE_URL.
	CloudURL, SiteURL string
}

// A Deployer pushes bundles. Their modules are evaluated side by side; what they change is written one push at a time.
type Deployer struct {
	options Options
	// mu is held by whoever changes deployment or variables, from reading them to the entry.
	mu sync.Mutex
}

// New makes a Deployer.
func New(o Options) *Deployer {
	if o.Seed == nil {
		o.Seed = rng.NewSeed
	}
	return &Deployer{options: o}
}

// A Report says what a push changed.
type Report struct {
	// Unchanged says that the bundle runs already and nothing was written.
	Unchanged bool
	// Functions is how many there are; Added, Changed and Removed name those that differ from before.
	Functions               int
	Added, Changed, Removed []string
	// Tables and Indexes are those created; Dropped are indexes removed. Indexes are named "table.index".
	Tables, Indexes, Dropped []string
	// SchemaChanged says that documents are held against another schema.
	SchemaChanged bool
	// CronsAdded, CronsChanged and CronsRemoved name crons.
	CronsAdded, CronsChanged, CronsRemoved []string
	Timestamp                              log.Timestamp
	Elapsed                                time.Duration
}

// An Error says why a push was refused: the text is for the developer.
type Error struct {
	// Code is the short code that clients match on, such as "InvalidSchema".
	Code    string
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// Push makes b the code that runs. Errors of the developer's are *Error.
//
// Modules are evaluated before it is the push's turn, so that one that takes its time keeps no other waiting. They are
// evaluated again if a variable has changed meanwhile.
func (d *Deployer) Push(ctx context.Context, b *bundle.Bundle) (*Report, error) {
	begin := d.options.Clock.Now()
	p := &push{Deployer: d, blob: log.NewBlob(b.Encode()), program: exec.Program(b), report: &Report{}}
	for done := false; !done; {
		var err error
		env := d.environment(d.options.Committer.Visible().Catalog())
		if !d.runs(p.blob.Hash) {
			if err := p.analyze(ctx, begin, env); err != nil {
				return nil, err
			}
		}
		if done, err = p.turn(ctx, env); err != nil {
			return nil, err
		}
	}
	p.report.Elapsed = d.options.Clock.Now().Sub(begin)
	return p.report, nil
}

// turn writes what the push changes, unless variables are not what the modules saw.
func (p *push) turn(ctx context.Context, env map[string]string) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	catalog := p.options.Committer.Visible().Catalog()
	switch {
	case p.runs(p.blob.Hash):
		p.report.Unchanged, p.report.Functions = true, len(catalog.Deployment().Functions)
		return true, nil
	case p.deployment == nil || !maps.Equal(env, p.environment(catalog)):
		return false, nil
	}
	return true, p.run(ctx)
}

// runs says whether the bundle is the one that runs.
func (d *Deployer) runs(hash log.Hash) bool {
	deployment := d.options.Committer.Visible().Catalog().Deployment()
	return deployment != nil && deployment.Bundle == hash
}

// A push is one bundle on its way.
type push struct {
	*Deployer
	blob    log.Blob
	program *isolates.Program
	report  *Report

	deployment *schema.Deployment
	definition *schema.Definition
	crons      []schema.CronSpec
	// schemaText is the export JSON of definition; empty if there is no schema.
	schemaText string
}

func (p *push) run(ctx context.Context) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	checked, err := p.checkDocuments(ctx)
	if err != nil {
		return err
	}
	return p.activate(ctx, checked)
}

// analyze evaluates the modules and reads functions and schema.
func (p *push) analyze(ctx context.Context, begin time.Time, env map[string]string) error {
	analysis, err := p.options.Isolates.Analyze(ctx, &isolates.AnalyzeRequest{
		Program: p.program, Env: env, Now: begin.UnixMilli(), Seed: p.options.Seed(), Limits: p.options.Limits,
	})
	if err != nil {
		return analysisError(err)
	}
	p.deployment = &schema.Deployment{
		Bundle: p.blob.Hash, Functions: make(map[schema.Path]*schema.Function, len(analysis.Functions)),
		Crons: analysis.Crons, Auth: analysis.AuthConfig, Time: begin.UnixMilli(),
	}
	if err := checkProviders(analysis.AuthConfig); err != nil {
		return err
	}
	for i := range analysis.Functions {
		f, err := readFunction(&analysis.Functions[i])
		if err != nil {
			return err
		}
		p.deployment.Functions[f.Path] = f
	}
	if err := p.readCrons(); err != nil {
		return err
	}
	p.definition, p.schemaText = nil, ""
	if analysis.Schema == nil {
		return nil
	}
	p.schemaText = string(analysis.Schema)
	if p.definition, err = schema.ParseDefinition(analysis.Schema); err != nil {
		return invalidSchema(err)
	}
	return nil
}

func analysisError(err error) error {
	var refused *isolates.AnalyzeError
	if errors.As(err, &refused) {
		return &Error{Code: refused.Code, Message: refused.Message, Cause: err}
	}
	return fmt.Errorf("analyse the pushed modules: %w", err)
}

// checkProviders refuses an auth config that tokens could not be verified with.
func checkProviders(config []byte) error {
	_, err := auth.ParseProviders(config)
	var wrong *auth.ConfigError
	if errors.As(err, &wrong) {
		return &Error{Code: wrong.Code(), Message: wrong.Error(), Cause: err}
	}
	return err
}

func invalidSchema(err error) error {
	return &Error{Code: "InvalidSchema", Message: "Hit an error while evaluating your schema:\n" + err.Error(), Cause: err}
}

// Functions checks what an analysis found in a bundle, and gives its functions.
func Functions(analysis *isolates.Analysis) (map[schema.Path]*schema.Function, error) {
	functions := make(map[schema.Path]*schema.Function, len(analysis.Functions))
	for i := range analysis.Functions {
		f, err := readFunction(&analysis.Functions[i])
		if err != nil {
			return nil, err
		}
		functions[f.Path] = f
	}
	return functions, nil
}

// readFunction checks the validators of one exported function.
func readFunction(e *isolates.FunctionExport) (*schema.Function, error) {
	f := &schema.Function{
		Path: schema.Path{Module: e.Module, Export: e.Export}, Kind: schemaKind(e.Kind),
		Line: e.Position.Line, Col: e.Position.Column,
	}
	switch {
	case e.Public:
		f.Visibility = schema.Public
	case e.Internal:
		f.Visibility = schema.Internal
	}
	refuse := func(what string, err error) error {
		return &Error{Code: "InvalidModules", Message: fmt.Sprintf("Failed to analyze %s: %s of %s: %s", e.Module, what, e.Export, err), Cause: err}
	}
	var err error
	if len(e.Args) > 0 {
		if f.Args, err = schema.ParseArgsValidator(e.Args); err != nil {
			return nil, refuse("args", err)
		}
	}
	if len(e.Returns) > 0 {
		if f.Returns, err = schema.ParseReturnsValidator(e.Returns); err != nil {
			return nil, refuse("returns", err)
		}
	}
	return f, nil
}

func schemaKind(k isolates.Kind) schema.FunctionKind {
	switch k {
	case isolates.KindQuery:
		return schema.Query
	case isolates.KindMutation:
		return schema.Mutation
	case isolates.KindAction:
		return schema.Action
	}
	return schema.HTTP
}

// prepare writes the new tables and indexes, if existing tables get any, and waits until they are filled.
func (p *push) prepare(ctx context.Context) error {
	_, err := p.options.Runner.System(ctx, p.call("_system/prepare"), func(t *exec.SystemTransaction) error {
		writes, diff, err := t.Catalog().Plan(p.definition, p.schemaText, t.Source())
		if err != nil {
			return invalidSchema(err)
		}
		if !needsFilling(t.Catalog(), diff) {
			return nil
		}
		for _, x := range diff.Tables {
			p.report.Tables = append(p.report.Tables, x.Name)
		}
		p.report.Indexes = indexNames(t.Catalog(), diff, diff.Added)
		return t.Write(preparations(writes, diff)...)
	})
	if err != nil {
		return err
	}
	return p.waitFilled(ctx)
}

// needsFilling says whether an existing table gets an index.
func needsFilling(catalog *schema.Catalog, diff *schema.Diff) bool {
	for _, x := range diff.Added {
		if _, exists := catalog.TableByNumber(x.Table); exists {
			return true
		}
	}
	return false
}

// preparations are the writes that callers do not notice. An index that changes its fields is replaced here, since two of one
// name cannot be; one that is dropped stays until the code that may use it goes.
func preparations(writes []schema.SystemWrite, diff *schema.Diff) []schema.SystemWrite {
	dropped := map[value.ID]bool{}
	for _, x := range diff.Removed {
		dropped[x.DocID] = true
		for _, y := range diff.Added {
			if x.Table == y.Table && x.Name == y.Name {
				delete(dropped, x.DocID)
			}
		}
	}
	var out []schema.SystemWrite
	for _, w := range writes {
		if w.ID.Table != schema.SchemasTable && !dropped[w.ID] {
			out = append(out, w)
		}
	}
	return out
}

// waitFilled waits until no index is being filled.
func (p *push) waitFilled(ctx context.Context) error {
	for {
		snapshot := p.options.Committer.Visible()
		if filled(snapshot.Catalog()) {
			return nil
		}
		if err := p.options.Committer.WaitVisible(ctx, snapshot.Timestamp()+1); err != nil {
			return fmt.Errorf("wait for new indexes: %w", err)
		}
	}
}

func filled(catalog *schema.Catalog) bool {
	for _, table := range catalog.UserTables() {
		for _, x := range table.Indexes {
			if x.State != schema.Ready && !x.Staged {
				return false
			}
		}
	}
	return true
}

// activate writes schema and code in one entry. checked is how far existing documents match the new schema.
func (p *push) activate(ctx context.Context, checked *index.Snapshot) error {
	call := p.call("_system/push")
	call.Blobs = []log.Blob{p.blob}
	timestamp, err := p.options.Runner.System(ctx, call, func(t *exec.SystemTransaction) error {
		writes, diff, err := t.Catalog().Plan(p.definition, p.schemaText, t.Source())
		if err != nil {
			return invalidSchema(err)
		}
		if needsFilling(t.Catalog(), diff) {
			return &Error{Code: "RaceDetected", Message: "The schema was changed by someone else during this push. Push again."}
		}
		if err := p.checkSince(checked, t.Snapshot()); err != nil {
			return err
		}
		p.describe(t.Catalog(), diff)
		deployed, err := t.Catalog().Deploy(p.deployment, t.Source())
		if err != nil {
			return err
		}
		crons, err := p.planCrons(t, p.options.Clock.Now())
		if err != nil {
			return err
		}
		return t.Write(append(append(writes, deployed), crons...)...)
	})
	p.report.Timestamp = timestamp
	return err
}

// call is the entry's call: which bundle was pushed.
func (p *push) call(verb string) exec.SystemCall {
	return exec.SystemCall{Verb: verb, Args: value.OfObject([]value.Field{
		{Name: "bundle", Value: value.OfString(hex.EncodeToString(p.blob.Hash[:]))},
	})}
}

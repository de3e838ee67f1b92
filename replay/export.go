package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runlog/exec"
	"runlog/index"
	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// ExportOptions say what an export holds.
type ExportOptions struct {
	// Secrets keeps the values of environment variables that the call reads.
	Secrets bool
}

// An Exported is what was written.
type Exported struct {
	Function  string     `json:"function"`
	Offset    log.Offset `json:"offset"`
	Documents int        `json:"documents"`
	Modules   int        `json:"modules"`
	// Redacted are the environment variables that the call reads and whose values were left out; Changed says that it does
	// otherwise without them, and that this is what the export expects.
	Redacted []string `json:"redacted,omitempty"`
	Changed  bool     `json:"changed,omitempty"`
}

// redacted stands for the value of an environment variable in an export.
const redacted = "redacted"

// Export writes the smallest history in which the call of an entry does what it did: one entry with the documents it read, and the
// call. The folder dir, which must not exist or be empty, then holds text, and can be opened as any history:
//
//	call.json         the call, and what is expected of it
//	documents.jsonl   the documents that were there, system tables among them
//	code/             the modules it can load
//
// Values of environment variables are left out by default. The error is a *RangeError for what whoever asks can mend.
func (h *History) Export(ctx context.Context, off log.Offset, dir string, o ExportOptions) (*Exported, error) {
	if found, err := os.ReadDir(dir); len(found) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, &RangeError{fmt.Sprintf("%s is there already: name a folder that is not with --out DIR", dir)}
	}
	e, err := h.Entry(off)
	if err != nil {
		return nil, err
	}
	x := &exporter{h: h, entry: e, modules: map[string]bool{}, documents: map[value.ID]value.Encoded{}}
	if err := x.collect(ctx); err != nil {
		return nil, err
	}
	small, out, err := x.history(ctx, o)
	if err != nil {
		return nil, err
	}
	files, err := small.files()
	if err != nil {
		return nil, err
	}
	if !o.Secrets {
		if err := x.checkLeaks(files); err != nil {
			return nil, err
		}
	}
	if err := writeFiles(dir, files); err != nil {
		return nil, err
	}
	return out, proveExport(ctx, h.options, dir)
}

// proveExport runs the call of an export once, so that it is known to do what it says.
func proveExport(ctx context.Context, o Options, dir string) error {
	o.Dir = dir
	exported, err := Open(o)
	if err != nil {
		return fmt.Errorf("open what was exported: %w", err)
	}
	defer exported.Close()
	report, err := exported.Verify(ctx, VerifyOptions{})
	if err == nil && report.Difference != nil {
		err = fmt.Errorf("the call does otherwise in %s: it depends on something that is not in its read set\n%s", dir, report.Difference)
	}
	return err
}

// An exporter gathers what a call needs.
type exporter struct {
	h      *History
	entry  *log.Entry
	before *index.Snapshot
	// modules are those of the functions that ran.
	modules   map[string]bool
	documents map[value.ID]value.Encoded
}

// collect runs the call once and takes what it read and ran.
func (x *exporter) collect(ctx context.Context) error {
	run, before, err := x.h.Rerun(ctx, x.entry, x.observe)
	if err != nil {
		return err
	}
	if d := compare(x.entry, before, run); d != nil {
		return &RangeError{fmt.Sprintf("the call cannot be exported, since it does otherwise than it did\n%s", d)}
	}
	x.before = before
	x.modules[run.Function.Path.Module] = true
	if err := x.takeCatalog(); err != nil {
		return err
	}
	for r := range run.Reads.Reads() {
		if err := x.takeRead(r); err != nil {
			return err
		}
	}
	for _, w := range x.entry.Writes {
		if w.Before == 0 {
			continue
		}
		if err := x.take(w.ID); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) observe(op *isolates.Op, _ *isolates.Answer, _ int) {
	if op.Kind != isolates.OpCall {
		return
	}
	if path, err := schema.ParseFunctionPath(op.Call.Target.Name); err == nil {
		x.modules[path.Module] = true
	}
}

// takeCatalog takes the documents that tables, indexes and schema are made of.
func (x *exporter) takeCatalog() error {
	for _, table := range []value.TableNumber{schema.TablesTable, schema.IndexTable, schema.SchemasTable, schema.DeploymentsTable} {
		if err := x.takeRead(index.Read{Table: table, Index: schema.ByID, Interval: index.All()}); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) takeRead(r index.Read) error {
	it := x.before.Scan(r.Table, r.Index, r.Interval, false)
	for it.Next() {
		doc, err := it.Doc()
		if err != nil {
			return err
		}
		x.documents[doc.ID] = doc.Body
	}
	return it.Err()
}

func (x *exporter) take(id value.ID) error {
	doc, found, err := x.before.Get(id)
	if err == nil && found {
		x.documents[id] = doc.Body
	}
	return err
}

// history makes the small history, with redacted values where they are to be.
func (x *exporter) history(ctx context.Context, o ExportOptions) (*exported, *Exported, error) {
	blob, err := x.h.log.Blob(x.entry.Call.Bundle)
	if err != nil {
		return nil, nil, missingBundle(x.entry, err)
	}
	whole, err := bundle.Decode(blob)
	if err != nil {
		return nil, nil, missingBundle(x.entry, err)
	}
	small := &exported{From: x.entry.Offset, code: whole.Only(slices.Collect(maps.Keys(x.modules))...)}
	if err := x.deploy(log.NewBlob(small.code.Encode()).Hash); err != nil {
		return nil, nil, err
	}
	if !o.Secrets {
		if small.Redacted, err = x.redact(); err != nil {
			return nil, nil, err
		}
	}
	small.take(x.entry, x.before.Timestamp(), x.documents)
	out := &Exported{Function: displayName(x.entry.Call.Function), Offset: x.entry.Offset, Documents: len(x.documents), Modules: len(small.code.Modules), Redacted: small.Redacted}
	if len(small.Redacted) > 0 {
		out.Changed, err = small.settle(ctx, x.h.options)
	}
	return small, out, err
}

// deploy puts a deployment of the small bundle in place of the one there was.
func (x *exporter) deploy(hash log.Hash) error {
	names := x.before.Catalog()
	small := *names.Deployment()
	small.Bundle, small.Routes, small.Crons, small.Auth = hash, nil, nil, nil
	small.Functions = maps.Clone(small.Functions)
	maps.DeleteFunc(small.Functions, func(path schema.Path, _ *schema.Function) bool { return !x.modules[path.Module] })
	maps.DeleteFunc(x.documents, func(id value.ID, _ value.Encoded) bool { return id.Table == schema.DeploymentsTable })
	w, err := names.Deploy(&small, schema.Source{}) // there is one, so nothing new is drawn
	if err != nil {
		return err
	}
	x.documents[w.ID] = value.Encode(w.After)
	return nil
}

// redact leaves out the values of environment variables, and returns their names.
func (x *exporter) redact() (names []string, err error) {
	for id, body := range x.documents {
		if !isSecret(id, body) {
			continue
		}
		name, _ := body.Field("name")
		names = append(names, name.Str())
		if x.documents[id], err = withField(body, "value", value.OfString(redacted)); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}

// secretMin is how long the value of an environment variable is, in bytes, before it is taken for a secret: shorter ones are in
// any text by chance.
const secretMin = 6

// checkLeaks looks for values of environment variables in what is to be written.
func (x *exporter) checkLeaks(files map[string][]byte) error {
	names := x.before.Catalog()
	for _, name := range names.EnvNames() {
		text, _ := names.Env(name)
		if len(text) < secretMin {
			continue
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			return err
		}
		for file, content := range files {
			if bytes.Contains(content, []byte(text)) || bytes.Contains(content, quoted[1:len(quoted)-1]) {
				return &RangeError{fmt.Sprintf("the value of environment variable %s occurs in %s: export it all the same with --secrets", name, file)}
			}
		}
	}
	return nil
}

func writeFiles(dir string, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	return nil
}

// withField is a document with a field set.
func withField(doc value.Encoded, name string, to value.Value) (value.Encoded, error) {
	v, err := doc.Decode()
	if err != nil {
		return nil, err
	}
	fields := v.Fields()
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Value = to
		}
	}
	return value.Encode(value.OfObject(fields)), nil
}

// settle runs the call without the values that were left out, and expects what it does then if that is something else. It reports
// whether it is.
func (x *exported) settle(ctx context.Context, o Options) (changed bool, err error) {
	h, err := x.open(o)
	if err != nil {
		return false, err
	}
	defer h.Close()
	e, err := h.Entry(2)
	if err != nil {
		return false, err
	}
	run, before, err := h.Rerun(ctx, e, nil)
	if err != nil {
		return false, err
	}
	if run.Err != nil {
		return false, &RangeError{fmt.Sprintf("without the value of %s the call fails: export it with --secrets\n%s", strings.Join(x.Redacted, ", "), trimmed(run.Err.Error()))}
	}
	if compare(e, before, run) == nil {
		return false, nil
	}
	x.expect(run)
	return true, nil
}

// expect takes what a run did for what the call is to do.
func (x *exported) expect(run *exec.Rerun) {
	c := x.call
	c.Writes, c.ResultHash, c.Logs = run.Writes, run.ResultHash, run.Logs
	c.Reads, c.ReadDigest = run.Reads.Append(nil), run.Reads.Digest()
}

// sortedIDs are the ids of documents, in order.
func sortedIDs(documents map[value.ID]value.Encoded) []value.ID {
	return slices.SortedFunc(maps.Keys(documents), func(a, b value.ID) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), bytes.Compare(a.Internal[:], b.Internal[:]))
	})
}

package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"runlog/index"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// The files of an export.
const (
	exportFormat    = 1
	callFile        = "call.json"
	documentsFile   = "documents.jsonl"
	codeFolder      = "code"
	modulesFile     = codeFolder + "/modules.json"
	exportedVerb    = "_system/export"
	sourceMapSuffix = ".map"
)

// An exported is a history of one call: the entry that makes what was there, and the call's.
type exported struct {
	// From is the offset it had.
	From     log.Offset
	Redacted []string

	code      *bundle.Bundle
	state     *log.Entry
	call      *log.Entry
	documents map[value.ID]value.Encoded
}

// take makes the two entries of a call that read documents at a snapshot.
func (x *exported) take(e *log.Entry, snapshot log.Timestamp, documents map[value.ID]value.Encoded) {
	x.documents = documents
	x.state = &log.Entry{
		Offset: 1, Timestamp: snapshot,
		Call: log.Call{Kind: log.System, Function: exportedVerb, Args: value.Encode(value.OfObject([]value.Field{{Name: "offset", Value: value.OfFloat64(float64(x.From))}})),
			Now: int64(snapshot) / 1e6, Attempts: 1},
	}
	for _, id := range sortedIDs(documents) {
		x.state.Writes = append(x.state.Writes, log.Write{ID: id, After: documents[id]})
	}
	x.call = &log.Entry{
		Offset: 2, Timestamp: e.Timestamp, Snapshot: snapshot, Call: e.Call, Reads: e.Reads, ReadDigest: e.ReadDigest,
		ResultHash: e.ResultHash, Logs: e.Logs, Writes: slices.Clone(e.Writes),
	}
	x.call.Call.Bundle, x.call.Call.Attempts, x.call.Call.Lost = log.NewBlob(x.code.Encode()).Hash, 1, nil
}

// open makes a History of it, in memory.
func (x *exported) open(o Options) (*History, error) {
	o.EnsureDefaults()
	l, err := log.OpenMemory(o.Log)
	if err != nil {
		return nil, err
	}
	h, err := newHistory(o, l)
	if err != nil {
		return nil, err
	}
	for i := range x.call.Writes {
		w := &x.call.Writes[i]
		if w.BeforeBody = nil; w.Before != 0 {
			w.Before, w.BeforeBody = x.state.Timestamp, x.documents[w.ID]
		}
	}
	sync, err := l.Append([]*log.Entry{x.state, x.call}, log.NewBlob(x.code.Encode()))
	if err == nil {
		err = sync.Wait()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load an exported call: %w", err), h.Close())
	}
	return h, nil
}

// The form of an export. Values are in the lossless JSON of value.FormatEncoded.
type (
	callFormat struct {
		Format    int             `json:"format"`
		Offset    log.Offset      `json:"offset"`
		Redacted  []string        `json:"redacted,omitempty"`
		Function  string          `json:"function"`
		Args      json.RawMessage `json:"args"`
		Identity  json.RawMessage `json:"identity,omitempty"`
		RequestID string          `json:"requestId"`
		Parent    string          `json:"parent,omitempty"`
		Seed      string          `json:"seed"`
		Now       int64           `json:"now"`
		Snapshot  log.Timestamp   `json:"snapshot,string"`
		Timestamp log.Timestamp   `json:"timestamp,string"`
		Expected  expectedFormat  `json:"expected"`
	}
	expectedFormat struct {
		ResultHash string          `json:"resultHash"`
		Writes     []writtenFormat `json:"writes"`
		// Reads is the read set in the form of package index; Ranges says it for people.
		Reads  []byte        `json:"reads"`
		Ranges []string      `json:"ranges"`
		Logs   []log.LogLine `json:"logs"`
	}
	// A document that was not there before has no replaces, one that is deleted no document.
	writtenFormat struct {
		ID       string          `json:"id"`
		Replaces bool            `json:"replaces,omitempty"`
		Document json.RawMessage `json:"document,omitempty"`
	}
	documentFormat struct {
		ID       string          `json:"id"`
		Document json.RawMessage `json:"document"`
	}
	moduleFormat struct {
		Path    string            `json:"path"`
		Package string            `json:"package,omitempty"`
		Deps    map[string]string `json:"deps,omitempty"`
		Map     bool              `json:"map,omitempty"`
	}
)

func encodedJSON(e value.Encoded) json.RawMessage {
	if e == nil {
		return nil
	}
	return value.AppendJSONEncoded(nil, e, value.FormatEncoded)
}

// files is the export as text, by the names of the files.
func (x *exported) files() (map[string][]byte, error) {
	out := map[string][]byte{}
	call, err := x.callFormat()
	if err != nil {
		return nil, err
	}
	if out[callFile], err = indented(call); err != nil {
		return nil, err
	}
	var documents bytes.Buffer
	for _, id := range sortedIDs(x.documents) {
		line, err := json.Marshal(documentFormat{id.String(), encodedJSON(x.documents[id])})
		if err != nil {
			return nil, err
		}
		documents.Write(append(line, '\n'))
	}
	out[documentsFile] = documents.Bytes()
	var modules []moduleFormat
	for i := range x.code.Modules {
		m := &x.code.Modules[i]
		modules = append(modules, moduleFormat{m.Path, m.Package, m.Deps, m.SourceMap != nil})
		out[codeFolder+"/"+m.Path] = []byte(m.Source)
		if m.SourceMap != nil {
			out[codeFolder+"/"+m.Path+sourceMapSuffix] = m.SourceMap
		}
	}
	out[modulesFile], err = indented(modules)
	return out, err
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func (x *exported) callFormat() (*callFormat, error) {
	reads, err := index.DecodeReadSet(x.call.Reads)
	if err != nil {
		return nil, err
	}
	names, err := foldNames(schema.NewCatalog(), x.state)
	if err != nil {
		return nil, err
	}
	c := &x.call.Call
	out := &callFormat{
		Format: exportFormat, Offset: x.From, Redacted: x.Redacted, Function: c.Function, Args: encodedJSON(c.Args), Identity: c.Identity,
		RequestID: c.RequestID, Parent: c.Parent, Seed: hex.EncodeToString(c.Seed[:]), Now: c.Now, Snapshot: x.call.Snapshot, Timestamp: x.call.Timestamp,
		Expected: expectedFormat{ResultHash: hex.EncodeToString(x.call.ResultHash[:]), Writes: []writtenFormat{}, Reads: x.call.Reads, Ranges: describeReads(reads, names), Logs: x.call.Logs},
	}
	for _, w := range x.call.Writes {
		out.Expected.Writes = append(out.Expected.Writes, writtenFormat{w.ID.String(), w.Before != 0, encodedJSON(w.After)})
	}
	return out, nil
}

// isExport says whether dir holds an export.
func isExport(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, callFile))
	return err == nil
}

// readExport reads what files wrote. Errors are *log.CorruptionError or those of the file system.
func readExport(dir string) (*exported, error) {
	x := &exported{documents: map[value.ID]value.Encoded{}}
	for _, read := range []func(string) error{x.readCode, x.readDocuments, x.deploy, x.readCall} {
		if err := read(dir); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func broken(file string, err error) error {
	return &log.CorruptionError{Where: file, Detail: "it is not as `replay export` wrote it", Cause: err}
}

// readFile reads a file of an export, all of which must be there.
func readFile(dir, name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, broken(name, err)
	}
	return text, nil
}

func readJSON(dir, name string, to any) error {
	text, err := readFile(dir, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return broken(name, err)
	}
	return nil
}

func (x *exported) readCode(dir string) error {
	var texts []moduleFormat
	if err := readJSON(dir, modulesFile, &texts); err != nil {
		return err
	}
	var modules []bundle.Module
	for _, t := range texts {
		if !filepath.IsLocal(filepath.FromSlash(t.Path)) {
			return broken(modulesFile, fmt.Errorf("%q is no path of a module", t.Path))
		}
		name := codeFolder + "/" + t.Path
		source, err := readFile(dir, name)
		if err != nil {
			return err
		}
		m := bundle.Module{Path: t.Path, Package: t.Package, Deps: t.Deps, Source: string(source)}
		if t.Map {
			if m.SourceMap, err = readFile(dir, name+sourceMapSuffix); err != nil {
				return err
			}
		}
		modules = append(modules, m)
	}
	x.code = bundle.Of(modules)
	return nil
}

func (x *exported) readDocuments(dir string) error {
	text, err := readFile(dir, documentsFile)
	if err != nil {
		return err
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		var t documentFormat
		if err := json.Unmarshal(line, &t); err != nil {
			return broken(documentsFile+":"+strconv.Itoa(number), err)
		}
		id, err := value.ParseID(t.ID)
		var body value.Encoded
		if err == nil {
			body, err = decodeText(t.Document)
		}
		if err != nil {
			return broken(documentsFile+":"+strconv.Itoa(number), err)
		}
		x.documents[id] = body
	}
	return nil
}

// deploy makes the code in the folder that which is deployed, so that it may be edited.
func (x *exported) deploy(string) error {
	hash := log.NewBlob(x.code.Encode()).Hash
	for id, body := range x.documents {
		if id.Table != schema.DeploymentsTable {
			continue
		}
		body, err := withField(body, "bundle", value.OfString(hex.EncodeToString(hash[:])))
		if err != nil {
			return broken(documentsFile, err)
		}
		x.documents[id] = body
	}
	return nil
}

func decodeText(text json.RawMessage) (value.Encoded, error) {
	if len(text) == 0 {
		return nil, nil
	}
	v, err := value.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	return value.Encode(v), nil
}

func (x *exported) readCall(dir string) error {
	var t callFormat
	if err := readJSON(dir, callFile, &t); err != nil {
		return err
	}
	if t.Format > exportFormat {
		return &RangeError{fmt.Sprintf("%s was exported in format %d, and this version knows %d: use a newer one", dir, t.Format, exportFormat)}
	}
	e, err := t.entry()
	if err != nil {
		return broken(callFile, err)
	}
	x.From, x.Redacted = t.Offset, t.Redacted
	x.take(e, t.Snapshot, x.documents)
	return nil
}

// entry is the call's entry, with what is expected of it.
func (t *callFormat) entry() (*log.Entry, error) {
	e := &log.Entry{Timestamp: t.Timestamp, Call: log.Call{Kind: log.Mutation, Function: t.Function, RequestID: t.RequestID, Parent: t.Parent, Now: t.Now},
		Reads: t.Expected.Reads, Logs: t.Expected.Logs}
	var err error
	if e.Call.Args, err = decodeText(t.Args); err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	if t.Identity != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, t.Identity); err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
		e.Call.Identity = compact.Bytes()
	}
	if err := errors.Join(hexInto(e.Call.Seed[:], t.Seed), hexInto(e.ResultHash[:], t.Expected.ResultHash)); err != nil {
		return nil, err
	}
	reads, err := index.DecodeReadSet(t.Expected.Reads)
	if err != nil {
		return nil, err
	}
	e.ReadDigest = reads.Digest()
	for _, text := range t.Expected.Writes {
		w := log.Write{}
		if w.ID, err = value.ParseID(text.ID); err != nil {
			return nil, err
		}
		if w.After, err = decodeText(text.Document); err != nil {
			return nil, fmt.Errorf("document %s: %w", text.ID, err)
		}
		if text.Replaces {
			w.Before = t.Snapshot
		}
		e.Writes = append(e.Writes, w)
	}
	return e, nil
}

func hexInto(dst []byte, text string) error {
	if n, err := hex.Decode(dst, []byte(strings.TrimSpace(text))); err != nil || n != len(dst) {
		return fmt.Errorf("%q is no hash of %d bytes", text, sha256.Size)
	}
	return nil
}

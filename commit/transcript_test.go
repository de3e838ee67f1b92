package commit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// TestTranscripts plays the scenarios in testdata. A scenario has one database and any number of transactions under way:
//
//	table name=T index=FIELD[,FIELD]      creates a table; each index=… one index, named by_FIELD
//	begin TX [fn=NAME]                    a transaction reads what is applied now
//	read TX                               each line is a read:  get DOC | scan TABLE.INDEX [CONSTRAINT…] | count TABLE
//	                                      a constraint is eq|gt|gte|lt|lte and JSON
//	write TX                              each line is a write: insert TABLE DOC JSON | replace DOC JSON | delete DOC
//	submit TX                             what it read, and what becomes of it
//	push                                  changes an environment variable, and so the catalog
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		p := &play{t: t, db: newDatabase(t, Options{Clock: testClock()}), txs: map[string]*playTx{}, docs: map[string]value.ID{}}
		datadriven.RunTest(t, path, p.command)
	})
}

type play struct {
	t    *testing.T
	db   *database
	txs  map[string]*playTx
	docs map[string]value.ID
}

type playTx struct {
	s   *index.Snapshot
	req *Request
}

func (p *play) command(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	switch d.Cmd {
	case "table":
		p.table(d)
	case "push":
		p.db.addTable(fmt.Sprintf("pushed%d", p.db.Applied().Offset()))
	case "begin":
		s := p.db.Applied()
		tx := &playTx{s: s, req: &Request{Snapshot: s.Timestamp(), Reads: index.NewReadSet(), Call: log.Call{Kind: log.Mutation, Function: d.CmdArgs[0].Key}}}
		d.MaybeScanArgs(t, "fn", &tx.req.Call.Function)
		p.txs[d.CmdArgs[0].Key] = tx
		fmt.Fprintf(&out, "snapshot at offset %d\n", s.Offset())
	case "read":
		for line := range strings.Lines(d.Input) {
			fmt.Fprintln(&out, p.read(p.txs[d.CmdArgs[0].Key], strings.Fields(line)))
		}
	case "write":
		for line := range strings.Lines(d.Input) {
			p.write(p.txs[d.CmdArgs[0].Key], strings.Fields(line))
		}
	case "submit":
		p.submit(&out, p.txs[d.CmdArgs[0].Key])
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	text := out.String()
	for name, id := range p.docs {
		text = strings.ReplaceAll(text, `"`+id.String()+`"`, name)
		text = strings.ReplaceAll(text, id.String(), name)
	}
	return text
}

func (p *play) table(d *datadriven.TestData) {
	var name string
	d.ScanArgs(p.t, "name", &name)
	table := p.db.addTable(name)
	for _, arg := range d.CmdArgs {
		if arg.Key == "index" {
			x := p.db.newIndex(table, arg.Vals[0], schema.Ready)
			x.Fields = nil
			for _, field := range arg.Vals {
				x.Fields = append(x.Fields, value.FieldPath{field})
			}
			p.db.system(schema.NewIndexDoc(0, x))
		}
	}
}

func (p *play) read(tx *playTx, words []string) string {
	switch words[0] {
	case "get":
		id := p.docs[words[1]]
		tx.req.Reads.AddPoint(id)
		doc, found, err := tx.s.Get(id)
		if err != nil || !found {
			return fmt.Sprintf("%s: none", words[1])
		}
		return fmt.Sprintf("%s: %s", words[1], value.AppendJSONEncoded(nil, doc.Body, value.FormatClean))
	case "count":
		def, _ := tx.s.Catalog().Table(words[1])
		tx.req.Reads.AddAll(def.Number, schema.ByID)
		return fmt.Sprint(tx.s.Count(def.Number))
	}
	table, name, _ := strings.Cut(words[1], ".")
	x, ok := tx.s.Catalog().Index(table, name)
	if !ok {
		p.t.Fatalf("no index %s", words[1])
	}
	iv := p.interval(words[2:])
	tx.req.Reads.Add(x.Table, x.ID, iv)
	found := []string{}
	for it := tx.s.Scan(x.Table, x.ID, iv, false); it.Next(); {
		found = append(found, it.ID().String())
	}
	return fmt.Sprint(found)
}

func (p *play) interval(words []string) index.Interval {
	iv := index.All()
	var prefix []byte
	for ; len(words) > 0; words = words[2:] {
		key := value.AppendKeyEncoded(append([]byte(nil), prefix...), p.json(words[1]))
		switch words[0] {
		case "eq":
			prefix, iv = key, index.Prefix(key)
		case "gt":
			iv.Lo = value.PrefixEnd(key)
		case "gte":
			iv.Lo = key
		case "lt":
			iv.Hi = key
		case "lte":
			iv.Hi = value.PrefixEnd(key)
		}
	}
	return iv
}

func (p *play) json(text string) value.Encoded {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
	return value.Encode(v)
}

func (p *play) write(tx *playTx, words []string) {
	var id value.ID
	var after value.Encoded
	switch words[0] {
	case "insert":
		def, ok := tx.s.Catalog().Table(words[1])
		if !ok {
			p.t.Fatalf("no table %s", words[1])
		}
		id, after = named(def.Number, words[2]), p.json(strings.Join(words[3:], " "))
		p.docs[words[2]] = id
	case "replace":
		id, after = p.docs[words[1]], p.json(strings.Join(words[2:], " "))
		tx.req.Reads.AddPoint(id)
	case "delete":
		id = p.docs[words[1]]
		tx.req.Reads.AddPoint(id)
	}
	tx.req.Writes = append(tx.req.Writes, writeTo(p.t, tx.s, id, after))
}

func (p *play) submit(out *strings.Builder, tx *playTx) {
	if text := tx.req.Reads.Describe(tx.s.Catalog()); text != "" {
		for line := range strings.Lines(text) {
			fmt.Fprintf(out, "read %s\n", strings.TrimSpace(line))
		}
	}
	commit, err := p.db.Submit(context.Background(), tx.req)
	if err == nil {
		err = commit.Wait(context.Background())
	}
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict):
		fmt.Fprintln(out, conflict)
		if conflict.Offset != 0 {
			fmt.Fprintf(out, "  table %s, index %s, document %s, function %s\n", conflict.TableName, conflict.IndexName, conflict.ID, conflict.Function)
		}
	case err != nil:
		fmt.Fprintln(out, err)
	default:
		fmt.Fprintf(out, "committed at offset %d\n", commit.Offset)
	}
}

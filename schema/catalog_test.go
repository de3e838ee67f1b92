package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"runlog/value"
)

// TestCatalog runs the transcripts in testdata/catalog. Every command shows the system documents that it writes, without their
// ids, and applies them. After each the catalog is folded again from all live documents, in random order, and must be the same.
//
//	push              a schema export, or nothing to remove the schema
//	create name=T     creates a table as a first insert does
//	drop name=T
//	state index=T.I state=S
//	env               NAME=VALUE a line; NAME alone unsets
//	deploy            one function path and kind a line
//	query             one index name a line, as queries write it
//	show              tables, indexes and the rest
func TestCatalog(t *testing.T) {
	datadriven.Walk(t, "testdata/catalog", func(t *testing.T, path string) {
		r := newCatalogRun()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := r.run(t, d)
			r.checkFold(t)
			return out
		})
	})
}

// catalogRun is a catalog and the documents it is a fold of.
type catalogRun struct {
	catalog *Catalog
	live    map[value.ID]SystemWrite
	ids     int
	rnd     *rand.Rand
}

func newCatalogRun() *catalogRun {
	return &catalogRun{catalog: NewCatalog(), live: map[value.ID]SystemWrite{}, rnd: rand.New(rand.NewPCG(1, 2))}
}

func (r *catalogRun) source() Source {
	return Source{
		NewID: func(table value.TableNumber) value.ID {
			r.ids++
			return value.NewID(table, [14]byte{byte(r.rnd.IntN(256)), byte(r.ids >> 8), byte(r.ids)}, 20000)
		},
		CreationTime: func() float64 { return 1e12 + float64(r.ids) },
	}
}

func (r *catalogRun) run(t *testing.T, d *datadriven.TestData) string {
	input := strings.TrimRight(d.Input, "\n")
	switch d.Cmd {
	case "show":
		return showCatalog(r.catalog)
	case "push":
		return r.push(t, input)
	case "query":
		var out strings.Builder
		for name := range strings.SplitSeq(input, "\n") {
			x, err := r.catalog.QueryIndex(name)
			if err != nil {
				fmt.Fprintln(&out, codeAndText(err))
				continue
			}
			fmt.Fprintf(&out, "table %d index %d\n", x.Table, x.ID)
		}
		return out.String()
	}
	writes, err := r.plan(t, d, input)
	if err != nil {
		return codeAndText(err)
	}
	return r.apply(t, writes)
}

func (r *catalogRun) push(t *testing.T, text string) string {
	var def *Definition
	if text != "" {
		var err error
		if def, err = ParseDefinition([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	writes, diff, err := r.catalog.Plan(def, text, r.source())
	if err != nil {
		return codeAndText(err)
	}
	if diff.IsEmpty() != (len(writes) == 0) {
		t.Errorf("%d writes, but the difference is empty: %v", len(writes), diff.IsEmpty())
	}
	out := r.apply(t, writes) + showDiff(diff)
	if again, _, err := r.catalog.Plan(def, text, r.source()); err != nil || len(again) > 0 {
		t.Errorf("the same push again writes %d documents, %v", len(again), err)
	}
	return out
}

func (r *catalogRun) plan(t *testing.T, d *datadriven.TestData, input string) ([]SystemWrite, error) {
	src := r.source()
	switch d.Cmd {
	case "create":
		w, err := r.catalog.CreateTable(argument(t, d, "name"), src.NewID, src.CreationTime)
		return []SystemWrite{w}, err
	case "drop":
		table, ok := r.catalog.Table(argument(t, d, "name"))
		if !ok {
			d.Fatalf(t, "no such table")
		}
		return r.catalog.DropTable(table), nil
	case "state":
		table, index, _ := strings.Cut(argument(t, d, "index"), ".")
		x, ok := r.catalog.Index(table, index)
		if !ok {
			d.Fatalf(t, "no such index")
		}
		state := Backfilling
		if argument(t, d, "state") == "ready" {
			state = Ready
		}
		return []SystemWrite{r.catalog.SetIndexState(x, state)}, nil
	case "env":
		return r.planEnv(input, src)
	case "deploy":
		w, err := r.catalog.Deploy(deploymentOf(t, input), src)
		return []SystemWrite{w}, err
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return nil, nil
	}
}

func argument(t *testing.T, d *datadriven.TestData, name string) string {
	var s string
	d.ScanArgs(t, name, &s)
	return s
}

func (r *catalogRun) planEnv(input string, src Source) ([]SystemWrite, error) {
	var writes []SystemWrite
	for line := range strings.SplitSeq(input, "\n") {
		name, text, set := strings.Cut(line, "=")
		if !set {
			if w, ok := r.catalog.UnsetEnv(name); ok {
				writes = append(writes, w)
			}
			continue
		}
		w, err := r.catalog.SetEnv(name, text, src)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func deploymentOf(t *testing.T, input string) *Deployment {
	d := &Deployment{Bundle: [32]byte{0xab, 31: 0xcd}, Functions: map[Path]*Function{}, Time: 1763955000123, Crons: json.RawMessage(`{"x":1}`)}
	for line := range strings.SplitSeq(input, "\n") {
		path, kind, _ := strings.Cut(line, " ")
		p, err := ParseFunctionPath(path)
		if err != nil {
			t.Fatal(err)
		}
		k, ok := ParseFunctionKind(kind)
		if !ok {
			t.Fatalf("unknown kind %s", kind)
		}
		d.Functions[p] = &Function{Path: p, Kind: k, Visibility: Public, Args: ObjectOf(), Returns: Any(), Line: 3, Col: 7}
	}
	return d
}

func (r *catalogRun) apply(t *testing.T, writes []SystemWrite) string {
	next, err := r.catalog.ApplyAll(writes)
	if err != nil {
		t.Fatal(err)
	}
	r.catalog = next
	var out strings.Builder
	for _, w := range writes {
		before, existed := r.live[w.ID]
		if w.After.IsUndefined() {
			if !existed {
				t.Errorf("a document that does not exist is deleted")
			}
			delete(r.live, w.ID)
			fmt.Fprintf(&out, "delete %d %s\n", w.ID.Table, withoutSystemFields(before.After))
			continue
		}
		verb := "insert"
		if existed {
			verb = "update"
			for _, name := range []string{"_id", "_creationTime"} {
				was, _ := before.After.Get(name)
				is, _ := w.After.Get(name)
				if !value.Equal(was, is) {
					t.Errorf("an update changes %s from %s to %s", name, was, is)
				}
			}
		}
		r.live[w.ID] = w
		fmt.Fprintf(&out, "%s %d %s\n", verb, w.ID.Table, withoutSystemFields(w.After))
	}
	return out.String()
}

// checkFold folds the live documents from nothing, in one batch and in any order.
func (r *catalogRun) checkFold(t *testing.T) {
	t.Helper()
	writes := slices.Collect(maps.Values(r.live))
	r.rnd.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
	folded, err := NewCatalog().ApplyAll(writes)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := showCatalog(folded), showCatalog(r.catalog); got != want {
		t.Errorf("folded from live documents:\n%s\ngrown:\n%s", got, want)
	}
	if got, want := folded.nextIndexID(), r.catalog.nextIndexID(); got != want {
		t.Errorf("the next index is %d after folding, %d after growing", got, want)
	}
}

func showCatalog(c *Catalog) string {
	var b strings.Builder
	for _, table := range c.UserTables() {
		fmt.Fprintf(&b, "%d %s %s\n", table.Number, table.Name, documentOf(table))
		for _, x := range table.Indexes {
			fmt.Fprintf(&b, "  %d %s %s\n", x.ID, x.IndexDef, x.State)
		}
	}
	fmt.Fprintf(&b, "validate %v\n", c.Validate())
	if d := c.Deployment(); d != nil {
		fmt.Fprintf(&b, "deployment %x at %d\n", d.Bundle, d.Time)
		for _, f := range d.Sorted() {
			fmt.Fprintf(&b, "  %s %s %s args %s returns %s at %d:%d\n", f.Path, f.Visibility, f.Kind, f.Args, f.Returns, f.Line, f.Col)
		}
	}
	for _, name := range c.EnvNames() {
		text, _ := c.Env(name)
		fmt.Fprintf(&b, "env %s=%s\n", name, text)
	}
	return b.String()
}

func documentOf(t *Table) string {
	if t.Document == nil {
		return "any"
	}
	return t.Document.String()
}

func showDiff(d *Diff) string {
	var b strings.Builder
	for _, t := range d.Tables {
		fmt.Fprintf(&b, "diff: new table %s\n", t.Name)
	}
	for _, list := range []struct {
		what    string
		indexes []*Index
	}{{"removed", d.Removed}, {"added", d.Added}, {"enabled", d.Enabled}, {"disabled", d.Disabled}} {
		for _, x := range list.indexes {
			fmt.Fprintf(&b, "diff: %s index %s of table %d\n", list.what, x.Name, x.Table)
		}
	}
	if d.SchemaChanged {
		fmt.Fprintln(&b, "diff: schema changed")
	}
	return b.String()
}

func TestSystemTablesArePredefined(t *testing.T) {
	c := NewCatalog()
	var got []string
	for _, table := range c.Tables() {
		if !table.System() || !IsSystem(table.Number) {
			t.Errorf("%s is not the system's", table.Name)
		}
		if name, ok := c.TableName(table.Number); !ok || name != table.Name {
			t.Errorf("table %d is called %s", table.Number, name)
		}
		got = append(got, fmt.Sprintf("%s %d %v", table.Name, table.Number, AffectsCatalog(table.Number)))
	}
	want := []string{
		"_cron_job_logs 542 false", "_cron_jobs 541 false", "_deployments 516 true", "_environment_variables 517 true", "_index 514 true", "_modules 521 false",
		"_scheduled_functions 539 false", "_schemas 515 true", "_session_requests 530 false", "_storage 540 false", "_storage_paths 543 false", "_storage_uploads 544 false", "_tables 513 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("system tables %q, want %q", got, want)
	}
	if IsSystem(10001) || !IsSystem(10000) || AffectsCatalog(10001) {
		t.Error("the border between system and users is wrong")
	}
}

func TestBuiltinIndexes(t *testing.T) {
	c := NewCatalog()
	for name, id := range map[string]IndexID{"by_id": ByID, "by_creation_time": ByCreation} {
		x, ok := c.Index("_storage", name)
		if !ok || x.ID != id || x.Table != StorageTable || x.State != Ready {
			t.Errorf("index %s is %+v", name, x)
		}
		if full, ok := c.IndexName(StorageTable, id); !ok || full != "_storage."+name {
			t.Errorf("index %d is called %s", id, full)
		}
	}
	if _, ok := c.IndexName(StorageTable, 3); ok {
		t.Error("an index was found that does not exist")
	}
	if _, ok := c.IndexName(10001, ByID); ok {
		t.Error("an index of no table was found")
	}
}

func TestApplyIgnoresOtherTables(t *testing.T) {
	c := NewCatalog()
	got, err := c.Apply(SystemWrite{ID: value.ID{Table: 10001}, After: value.OfObject(nil)})
	if err != nil || got != c {
		t.Errorf("a user's document changed the catalog: %v", err)
	}
}

func TestApplyLeavesTheOldCatalogAlone(t *testing.T) {
	r := newCatalogRun()
	src := r.source()
	w, err := r.catalog.CreateTable("messages", src.NewID, src.CreationTime)
	if err != nil {
		t.Fatal(err)
	}
	old, before := r.catalog, showCatalog(r.catalog)
	r.apply(t, []SystemWrite{w})
	env, err := r.catalog.SetEnv("A", "1", src)
	if err != nil {
		t.Fatal(err)
	}
	r.apply(t, []SystemWrite{env})
	if got := showCatalog(old); got != before {
		t.Errorf("the old catalog became\n%s", got)
	}
	if _, ok := r.catalog.Table("messages"); !ok {
		t.Error("the new catalog lacks the table")
	}
}

// TestBrokenDocuments covers what only corruption can write: Apply says so and does not panic.
func TestBrokenDocuments(t *testing.T) {
	table := NewTableDoc(value.NewID(TablesTable, [14]byte{1}, 0), 1, 10001, "messages", 0)
	good, err := NewCatalog().Apply(table)
	if err != nil {
		t.Fatal(err)
	}
	index := func(id IndexID, table value.TableNumber, name string) SystemWrite {
		return NewIndexDoc(1, &Index{
			ID: id, Table: table, DocID: value.NewID(IndexTable, [14]byte{byte(id)}, 0),
			IndexDef: IndexDef{Name: name, Fields: []value.FieldPath{{"a"}}},
		})
	}
	without := func(w SystemWrite, field string) SystemWrite {
		fields := slices.DeleteFunc(slices.Clone(w.After.Fields()), func(f value.Field) bool { return f.Name == field })
		return SystemWrite{ID: w.ID, After: value.OfObject(fields)}
	}
	other := value.NewID(TablesTable, [14]byte{2}, 0)
	env := NewEnvDoc(value.NewID(EnvTable, [14]byte{1}, 0), 1, "A", "x")
	env2 := NewEnvDoc(value.NewID(EnvTable, [14]byte{2}, 0), 1, "A", "y")
	schema := NewSchemaDoc(value.NewID(SchemasTable, [14]byte{1}, 0), 1, `{"tables":[]}`)
	schema2 := NewSchemaDoc(value.NewID(SchemasTable, [14]byte{2}, 0), 1, `{"tables":[]}`)
	for name, writes := range map[string][]SystemWrite{
		"number taken":       {NewTableDoc(other, 1, 10001, "users", 0)},
		"name taken":         {NewTableDoc(other, 1, 10002, "messages", 0)},
		"system number":      {NewTableDoc(other, 1, 513, "users", 0)},
		"no object":          {{ID: other, After: value.OfInt64(1)}},
		"no number":          {without(NewTableDoc(other, 1, 10002, "users", 0), "number")},
		"no creation time":   {without(NewTableDoc(other, 1, 10002, "users", 0), "_creationTime")},
		"index of no table":  {index(16, 10002, "i")},
		"index of system":    {index(16, StorageTable, "i")},
		"reserved index id":  {index(3, 10001, "i")},
		"index name twice":   {index(16, 10001, "i"), index(17, 10001, "i")},
		"index without kind": {without(index(16, 10001, "i"), "kind")},
		"variable twice":     {env, env2},
		"two schemas":        {schema, schema2},
		"malformed schema":   {NewSchemaDoc(schema.ID, 1, "{")},
		"no bundle":          {{ID: value.ID{Table: DeploymentsTable}, After: value.OfObject(nil)}},
	} {
		if c, err := good.ApplyAll(writes); err == nil {
			t.Errorf("%s: no error, but\n%s", name, showCatalog(c))
		}
	}
	// The same documents one by one, on their own, are fine.
	for _, w := range []SystemWrite{index(16, 10001, "i"), env, schema, NewTableDoc(other, 1, 10002, "users", 0)} {
		if _, err := good.Apply(w); err != nil {
			t.Error(err)
		}
	}
}

// TestNameChangesHandsWithinOneEntry covers an import that puts a finished table in the place of an old one.
func TestNameChangesHandsWithinOneEntry(t *testing.T) {
	r := newCatalogRun()
	src := r.source()
	for _, name := range []string{"messages", "importing"} {
		w, err := r.catalog.CreateTable(name, src.NewID, src.CreationTime)
		if err != nil {
			t.Fatal(err)
		}
		r.apply(t, []SystemWrite{w})
	}
	old, _ := r.catalog.Table("messages")
	next, _ := r.catalog.Table("importing")
	writes := append([]SystemWrite{NewTableDoc(next.DocID, next.created, next.Number, "messages", 0)}, r.catalog.DropTable(old)...)
	r.apply(t, writes)
	r.checkFold(t)
	if got, ok := r.catalog.Table("messages"); !ok || got.Number != next.Number {
		t.Errorf("messages is %+v", got)
	}
	if _, ok := r.catalog.Table("importing"); ok {
		t.Error("the old name is still there")
	}
	if _, ok := r.catalog.TableByNumber(old.Number); ok {
		t.Error("the old table is still there")
	}
}

func TestTableNumbersRunOut(t *testing.T) {
	r := newCatalogRun()
	src := r.source()
	writes := make([]SystemWrite, MaxTables-1)
	for i := range writes {
		writes[i] = NewTableDoc(src.NewID(TablesTable), 1, FirstUserTable+value.TableNumber(i), fmt.Sprintf("t%d", i), 0)
	}
	c, err := r.catalog.ApplyAll(writes)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.CreateTable("last", src.NewID, src.CreationTime)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Apply(w); err != nil {
		t.Fatal(err)
	}
	if _, err = c.CreateTable("onemore", src.NewID, src.CreationTime); err == nil || codeAndText(err) != "TooManyTables: Number of tables cannot exceed 10000." {
		t.Errorf("creating table %d: %v", MaxTables+1, err)
	}
}

func TestIndexesPerTable(t *testing.T) {
	export := func(n int) []byte {
		var indexes []string
		for i := range n {
			indexes = append(indexes, fmt.Sprintf(`{"indexDescriptor":"i%d","fields":["f%d"]}`, i, i))
		}
		return []byte(`{"tables":[{"tableName":"t","indexes":[` + strings.Join(indexes, ",") + `]}]}`)
	}
	for n, want := range map[int]string{63: "", 64: "", 65: `TooManyIndexes: In table "t": A table may have up to 64 indexes (65 > 64).`} {
		_, err := ParseDefinition(export(n))
		got := ""
		if err != nil {
			got = codeAndText(err)
		}
		if got != want {
			t.Errorf("%d indexes: %q, want %q", n, got, want)
		}
	}
}

func TestEnvironmentLimits(t *testing.T) {
	r := newCatalogRun()
	src := r.source()
	set := func(name, text string) string {
		w, err := r.catalog.SetEnv(name, text, src)
		if err != nil {
			return err.(*Error).Code
		}
		c, err := r.catalog.Apply(w)
		if err != nil {
			t.Fatal(err)
		}
		r.catalog = c
		return ""
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check(set(strings.Repeat("N", 256), ""), "")
	check(set(strings.Repeat("N", 257), ""), "EnvironmentVariableNameTooLong")
	check(set("", ""), "EnvironmentVariableNameInvalid")
	check(set("1A", ""), "EnvironmentVariableNameInvalid")
	check(set("A-B", ""), "EnvironmentVariableNameInvalid")
	check(set("É", ""), "EnvironmentVariableNameInvalid")
	check(set("__", ""), "")
	check(set("CONVEX_SITE_URL", ""), "EnvVarNameForbidden")
	check(set("A", strings.Repeat("v", 8192)), "")
	check(set("A", strings.Repeat("v", 8193)), "EnvironmentVariableValueTooLarge")
	check(set("A", "\xff"), "EnvironmentVariableValueInvalid")

	r.catalog = NewCatalog()
	for i := range 511 {
		check(set(fmt.Sprintf("V%d", i), ""), "")
	}
	check(set("LAST", ""), "")
	check(set("ONE_MORE", ""), "EnvVarLimitMet")
	check(set("LAST", "again"), "")

	r.catalog = NewCatalog()
	// 64 variables of 8192 bytes are the whole of 512 KiB.
	for i := range 63 {
		check(set(fmt.Sprintf("V%02d", i), strings.Repeat("v", 8189)), "")
	}
	check(set("V63", strings.Repeat("v", 8190)), "EnvVarTotalSizeLimitMet")
	check(set("V63", strings.Repeat("v", 8189)), "")
	check(set("V", ""), "EnvVarTotalSizeLimitMet")
}

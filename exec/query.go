package exec

import (
	"bytes"
	"slices"

	"runlog/index"
	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// A plan is a query made ready: which keys of which index, in which order, and what happens to each document.
type plan struct {
	// table is nil if it does not exist: the plan has no documents.
	table     *schema.Table
	index     *schema.Index
	fields    []string
	interval  index.Interval
	reverse   bool
	operators []isolates.Operator
}

// planQuery resolves names and compiles the range of q.
func (t *transaction) planQuery(q *isolates.Query) (*plan, *isolates.HostError) {
	if err := checkTableAccess(q.Table, q.System); err != nil {
		return nil, err
	}
	if q.Search != nil {
		return nil, hostError("SearchNotSupported", "Search index %s.%s cannot be queried: full-text search is not supported by this server.", q.Table, q.Index)
	}
	p := &plan{reverse: q.Descending, operators: q.Operators}
	table, ok := t.catalog.Table(q.Table)
	if !ok && q.Index == "" {
		return p, nil
	}
	if q.Index == "" {
		p.table = table
		p.index, _ = table.Index("by_creation_time")
		return p, nil
	}
	return p, t.planRange(p, q)
}

// planRange resolves q's index and compiles its constraints.
func (t *transaction) planRange(p *plan, q *isolates.Query) *isolates.HostError {
	name := q.Table + "." + q.Index
	found, err := t.catalog.QueryIndex(name)
	if err != nil {
		return asHostError(err)
	}
	p.table, _ = t.catalog.TableByNumber(found.Table)
	p.index, p.fields = found, rangeFields(found)
	lo, hi, hostErr := keyRange(name, p.fields, q.Range)
	if hostErr != nil {
		return hostErr
	}
	if p.index.ID == schema.ByID {
		p.interval = index.IDRange(p.table.Number, lo, hi)
	} else {
		p.interval = index.Interval{Lo: lo, Hi: hi}
	}
	return nil
}

// rangeFields are the fields a range over x may constrain: its own and the creation time that follows them.
func rangeFields(x *schema.Index) []string {
	fields := make([]string, 0, len(x.Fields)+1)
	for _, f := range x.Fields {
		fields = append(fields, f.String())
	}
	if x.ID != schema.ByID {
		fields = append(fields, "_creationTime")
	}
	return fields
}

// checkTableAccess keeps db and db.system apart.
func checkTableAccess(table string, system bool) *isolates.HostError {
	if isSystem := len(table) > 0 && table[0] == '_'; isSystem != system {
		if isSystem {
			return hostError("SystemTableError", "System tables can only be accessed with db.system.")
		}
		return hostError("SystemTableError", "User tables cannot be accessed with db.system.")
	}
	if system && !readableSystemTable(table) {
		return hostError("SystemTableError", "The system table %s cannot be read.", table)
	}
	return nil
}

// readableSystemTable says which system tables functions read through db.system.
func readableSystemTable(table string) bool {
	switch table {
	case "_storage", "_scheduled_functions", "_cron_jobs", "_cron_job_logs":
		return true
	}
	return false
}

// A cursor walks the documents of a plan: those of the snapshot and the transaction's own, in key order.
//
// Its reads are recorded by close, as one interval: from where it began to the last key it was asked for, or all of
// it when it came to the end.
type cursor struct {
	t    *transaction
	plan *plan
	base *index.Iterator
	// own are the transaction's pending documents in the interval, in the order of the walk.
	own []ownDocument
	// baseReady says that base stands on a document that next has not given out.
	baseReady bool
	exhausted bool
	// passed counts, for each limit among the operators, the documents it let through.
	passed []int
	// last is the key of the last document scanned; nil if none. It holds until the next scan: who keeps it copies it.
	last []byte
	// paused ends the walk early; nil never does.
	paused func() bool
}

type ownDocument struct {
	key  []byte
	id   value.ID
	body value.Encoded
}

// open begins the walk of p.
func (t *transaction) open(p *plan) *cursor {
	c := &cursor{t: t, plan: p}
	if len(p.operators) > 0 {
		c.passed = make([]int, len(p.operators))
	}
	if p.table == nil || p.interval.Empty() {
		c.exhausted = true
		return c
	}
	c.base = t.snapshot.Scan(p.table.Number, p.index.ID, p.interval, p.reverse)
	if len(t.writes) > 0 {
		c.own = t.ownDocuments(p)
	}
	return c
}

// ownDocuments lists the pending documents in the plan's interval.
func (t *transaction) ownDocuments(p *plan) []ownDocument {
	var own []ownDocument
	for _, w := range t.order {
		if w.id.Table != p.table.Number || w.after == nil {
			continue
		}
		key := index.Key(p.index, w.id, w.after)
		if p.interval.Contains(key) {
			own = append(own, ownDocument{key: key, id: w.id, body: w.after})
		}
	}
	slices.SortFunc(own, func(a, b ownDocument) int {
		if p.reverse {
			return bytes.Compare(b.key, a.key)
		}
		return bytes.Compare(a.key, b.key)
	})
	return own
}

// next gives the next document that passes the operators; nil when there is none.
func (c *cursor) next() (value.Encoded, *isolates.HostError) {
	for !c.limited() && (c.paused == nil || !c.paused()) {
		body, err := c.scan()
		if body == nil || err != nil {
			return nil, err
		}
		ok, err := c.passes(body)
		if err != nil {
			return nil, err
		}
		if ok {
			return body, nil
		}
	}
	return nil, nil
}

// limited says that a limit has let through all it may.
func (c *cursor) limited() bool {
	for i := range c.passed {
		if op := &c.plan.operators[i]; op.Filter == nil && c.passed[i] >= op.Limit {
			return true
		}
	}
	return false
}

// passes applies the operators in order.
func (c *cursor) passes(body value.Encoded) (bool, *isolates.HostError) {
	for i := range c.plan.operators {
		op := &c.plan.operators[i]
		if op.Filter == nil {
			if c.passed[i] >= op.Limit {
				return false, nil
			}
			c.passed[i]++
			continue
		}
		if ok, err := matches(op.Filter, body); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// scan gives the next document of the interval, merging the snapshot's with the transaction's own.
func (c *cursor) scan() (value.Encoded, *isolates.HostError) {
	if c.base == nil {
		return nil, nil
	}
	if !c.baseReady {
		if err := c.advance(); err != nil {
			return nil, err
		}
	}
	if len(c.own) > 0 && (!c.baseReady || c.before(c.own[0].key, c.base.Key())) {
		own := c.own[0]
		c.own = c.own[1:]
		c.last = own.key
		return own.body, c.t.countRead(own.id, own.body)
	}
	if !c.baseReady {
		c.exhausted = true
		return nil, nil
	}
	c.baseReady = false
	c.last = c.base.Key()
	doc, err := c.base.Doc()
	if err != nil {
		return nil, systemError(err)
	}
	return doc.Body, c.t.countRead(doc.ID, doc.Body)
}

// advance moves base to the next document that the transaction has not written itself.
func (c *cursor) advance() *isolates.HostError {
	for c.base.Next() {
		if len(c.t.writes) > 0 {
			if _, written := c.t.writes[c.base.ID()]; written {
				continue
			}
		}
		c.baseReady = true
		return nil
	}
	if err := c.base.Err(); err != nil {
		return systemError(err)
	}
	return nil
}

func (c *cursor) before(a, b []byte) bool {
	if c.plan.reverse {
		return bytes.Compare(a, b) > 0
	}
	return bytes.Compare(a, b) < 0
}

// close records what was read: through is the last key the script has seen.
func (c *cursor) close(through []byte) *isolates.HostError {
	if c.plan.table == nil || c.plan.interval.Empty() {
		return nil
	}
	read := c.plan.interval
	switch {
	case c.exhausted:
	case through == nil:
		return nil
	case c.plan.reverse:
		read = read.From(through)
	default:
		read = read.Through(through)
	}
	c.t.reads.Add(c.plan.table.Number, c.plan.index.ID, read)
	return c.t.checkIntervals()
}

// collect runs a query to its end.
func (t *transaction) collect(q *isolates.Query) ([]value.Encoded, *isolates.HostError) {
	p, err := t.planQuery(q)
	if err != nil {
		return nil, err
	}
	c := t.open(p)
	var docs []value.Encoded
	body, err := c.next()
	for body != nil && err == nil {
		docs = append(docs, body)
		body, err = c.next()
	}
	return docs, firstError(err, c.close(c.last))
}

// firstError is for reads that failed: what they saw is recorded all the same, since the script may catch the error.
func firstError(errs ...*isolates.HostError) *isolates.HostError {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// count is the number of documents of a table, without reading them. It depends on the whole table.
func (t *transaction) count(name string, system bool) (float64, *isolates.HostError) {
	if err := checkTableAccess(name, system); err != nil {
		return 0, err
	}
	table, ok := t.catalog.Table(name)
	if !ok {
		return 0, nil
	}
	t.reads.Add(table.Number, schema.ByID, index.All())
	n := t.snapshot.Count(table.Number)
	for _, w := range t.order {
		switch {
		case w.id.Table != table.Number:
		case w.before == 0 && w.after != nil:
			n++
		case w.before != 0 && w.after == nil:
			n--
		}
	}
	return float64(n), nil
}

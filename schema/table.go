package schema

import (
	"strings"

	"runlog/value"
)

// Numbers of the system tables. They exist in every catalog without being written.
const (
	TablesTable      value.TableNumber = 513
	IndexTable       value.TableNumber = 514
	SchemasTable     value.TableNumber = 515
	DeploymentsTable value.TableNumber = 516
	EnvTable         value.TableNumber = 517
	ModulesTable     value.TableNumber = 521
	ScheduledTable   value.TableNumber = 539
	StorageTable     value.TableNumber = 540
	CronsTable       value.TableNumber = 541
	CronRunsTable    value.TableNumber = 542
	FilePathsTable   value.TableNumber = 543
	UploadsTable     value.TableNumber = 544

	// FirstUserTable is the lowest number of a table that a user defined; all below are the system's.
	FirstUserTable value.TableNumber = 10001
)

// IsSystem reports whether the table belongs to the system.
func IsSystem(n value.TableNumber) bool { return n < FirstUserTable }

// AffectsCatalog reports whether a write to the table changes the catalog, so that Apply wants to see it.
func AffectsCatalog(n value.TableNumber) bool { return n >= TablesTable && n <= EnvTable }

// Indexes of system tables. Their names begin with an underscore and queries of users do not find them.
const (
	// DueIndex orders the jobs of ScheduledTable and CronsTable by state, then by when they are due.
	DueIndex IndexID = 3
	// CompletedIndex orders the jobs of ScheduledTable by when they ended; those that did not come first.
	CompletedIndex IndexID = 4
	// CronIndex orders the runs of CronRunsTable by the name of their cron, then by when they ended.
	CronIndex IndexID = 5
	// DigestIndex orders the files of StorageTable by the digest of their content.
	DigestIndex IndexID = 6
	// PathNameIndex and PathFileIndex order FilePathsTable by public name and by file.
	PathNameIndex IndexID = 7
	PathFileIndex IndexID = 8
	// ExpiryIndex orders UploadsTable by when an upload is not allowed any more.
	ExpiryIndex IndexID = 9
)

// systemIndex is an index that a system table always has.
func systemIndex(table value.TableNumber, id IndexID, name string, fields ...value.FieldPath) *Index {
	return &Index{ID: id, Table: table, State: Ready, IndexDef: IndexDef{Name: name, Kind: DatabaseIndex, Fields: fields}}
}

// systemTableNames are the system tables, ascending by name.
func systemTableNames() []Table {
	stateKind := value.FieldPath{"state", "kind"}
	return []Table{
		{Number: CronRunsTable, Name: "_cron_job_logs", Indexes: []*Index{
			systemIndex(CronRunsTable, CronIndex, "_cron", value.FieldPath{"name"}),
		}},
		{Number: CronsTable, Name: "_cron_jobs", Indexes: []*Index{
			systemIndex(CronsTable, DueIndex, "_due", stateKind, value.FieldPath{"nextTime"}),
		}},
		{Number: DeploymentsTable, Name: "_deployments"},
		{Number: EnvTable, Name: "_environment_variables"},
		{Number: IndexTable, Name: "_index"},
		{Number: ModulesTable, Name: "_modules"},
		{Number: ScheduledTable, Name: "_scheduled_functions", Indexes: []*Index{
			systemIndex(ScheduledTable, CompletedIndex, "_completed", value.FieldPath{"completedTime"}),
			systemIndex(ScheduledTable, DueIndex, "_due", stateKind, value.FieldPath{"scheduledTime"}),
		}},
		{Number: SchemasTable, Name: "_schemas"},
		{Number: SessionRequestsTable, Name: "_session_requests"},
		{Number: StorageTable, Name: "_storage", Indexes: []*Index{
			systemIndex(StorageTable, DigestIndex, "_digest", value.FieldPath{"sha256"}),
		}},
		{Number: FilePathsTable, Name: "_storage_paths", Indexes: []*Index{
			systemIndex(FilePathsTable, PathFileIndex, "_file", value.FieldPath{"storageId"}),
			systemIndex(FilePathsTable, PathNameIndex, "_name", value.FieldPath{"name"}),
		}},
		{Number: UploadsTable, Name: "_storage_uploads", Indexes: []*Index{
			systemIndex(UploadsTable, ExpiryIndex, "_expiry", value.FieldPath{"expires"}),
		}},
		{Number: TablesTable, Name: "_tables"},
	}
}

// IndexID identifies an index within its table. The ids of users' indexes are unique over all tables and never used again.
type IndexID uint32

const (
	// ByID is the index over _id that every table has.
	ByID IndexID = 1
	// ByCreation is the index over _creationTime that every table has.
	ByCreation IndexID = 2
	// FirstUserIndex is the lowest id of an index that a user defined.
	FirstUserIndex IndexID = 16
)

// IndexState says whether an index may be read.
type IndexState uint8

const (
	// Backfilling indexes do not have all documents yet.
	Backfilling IndexState = iota
	// Ready indexes have all documents.
	Ready
)

// String returns the name of the state in system documents.
func (s IndexState) String() string {
	if s == Ready {
		return "ready"
	}
	return "backfilling"
}

// Index is one index of a table.
type Index struct {
	ID    IndexID
	Table value.TableNumber
	// IndexDef has the name and the fields, without the _creationTime that every database index ends with. by_creation_time has
	// no fields therefore.
	IndexDef
	State IndexState
	// DocID is the system document that defines it; zero for the built-in indexes.
	DocID value.ID

	created float64
}

// Usable returns nil if queries may read the index, which they know as name, else an *Error.
func (x *Index) Usable(name string) error {
	switch {
	case x.Staged:
		return errorf("IndexStagedError", "Index %s is staged and not available to query yet.", name)
	case x.State != Ready:
		return errorf("IndexBackfillingError", "Index %s is currently backfilling and not available to query yet.", name)
	default:
		return nil
	}
}

// Table is one table. Tables are immutable.
type Table struct {
	Number value.TableNumber
	Name   string
	// Indexes that users defined, ascending by name; of a system table, its own beside the built-in ones.
	Indexes []*Index
	// Document is what documents must match by the active schema; nil if anything goes.
	Document *Validator
	// DocID is the system document that defines it; zero for system tables.
	DocID value.ID

	created float64
	// lastIndex is the highest id that an index of this table ever had.
	lastIndex IndexID
	// builtin are by_id and by_creation_time.
	builtin [2]*Index
}

// System reports whether the table belongs to the system.
func (t *Table) System() bool { return IsSystem(t.Number) }

// Index returns an index by name, built-in ones included.
func (t *Table) Index(name string) (*Index, bool) {
	for _, x := range t.builtin {
		if x.Name == name {
			return x, true
		}
	}
	for _, x := range t.Indexes {
		if x.Name == name {
			return x, true
		}
	}
	return nil, false
}

// IndexByID returns an index by id, built-in ones included.
func (t *Table) IndexByID(id IndexID) (*Index, bool) {
	for _, x := range t.builtin {
		if x.ID == id {
			return x, true
		}
	}
	for _, x := range t.Indexes {
		if x.ID == id {
			return x, true
		}
	}
	return nil, false
}

// withBuiltin completes a table that is being made.
func (t *Table) withBuiltin() *Table {
	t.builtin = [2]*Index{
		{ID: ByID, Table: t.Number, State: Ready, IndexDef: IndexDef{Name: "by_id", Fields: []value.FieldPath{{"_id"}}}},
		{ID: ByCreation, Table: t.Number, State: Ready, IndexDef: IndexDef{Name: "by_creation_time"}},
	}
	return t
}

func compareTableNames(a, b *Table) int { return strings.Compare(a.Name, b.Name) }

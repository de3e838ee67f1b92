// Package schema is what the database knows about itself: validators, the tables and indexes a developer defined, the deployed
// functions, and all of it together as of a timestamp, the [Catalog].
//
// Invariant: a catalog is a fold of the documents in the system tables _tables, _index, _schemas, _deployments and
// _environment_variables, and of nothing else. Those documents are written by ordinary log entries, so that the catalog at any
// moment follows from the log, a change of it conflicts like any other write, and replay needs no special case.
//
// Catalogs are immutable. [Catalog.Apply] returns a new one and shares what did not change; anyone may read any of them from any
// goroutine. Functions that plan a change, such as [Catalog.Plan] and [Catalog.CreateTable], only say which system documents to
// write; the caller submits them, and they take effect when Apply sees them.
//
// # Who checks what
//
//   - [ParseDefinition] and [ParseValidator] judge what a developer pushed; their errors are *[Error] with a code.
//   - [CheckArgs] and [CheckReturns] judge the values at the boundary of a function.
//   - [Validator.CheckDocument] judges a document on its way into a table.
//
// A check that succeeds allocates nothing, and on encoded values it decodes nothing: it walks validator and bytes side by side,
// both sorted by field name.
package schema

// Package deploy makes a bundle the code that runs.
//
// Invariant: until the one entry that activates a push, nothing has changed for callers: old code serves on old
// indexes and the old schema. A push that fails, at whatever step, leaves at most indexes that nobody uses yet; the
// next push keeps or drops them.
//
// The steps of a push:
//
//  1. analyse: evaluate the modules in an isolate, under limits, and read what they export;
//  2. prepare: create new tables, and new indexes of existing ones, and wait until they are filled;
//  3. check existing documents against the new schema, on a snapshot;
//  4. activate, in the writer's order: check what was written since that snapshot, then write schema, dropped
//     indexes, code.
package deploy

// Package sqlstore is the store in SQL, written once: $1 placeholders and RETURNING, which SQLite
// and PostgreSQL both read. What the engines do not share is in a Dialect and in the engine's own
// package (store/sqlite), which opens the database, migrates its schema and hands it over.
//
// One connection writes, one transaction at a time, under the writer's lock; reads are single
// statements on a pool of their own, so that each sees one state of the database and none is held
// open long. A transaction keeps nothing in Go from the one before it: after a failure there is
// nothing to repair.
//
// It imports chat, api and database/sql, and starts no goroutine of its own.
package sqlstore

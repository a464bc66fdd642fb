// Package sqlite is the default store: one SQLite database in the data directory, no second system
// to run. The SQL is in store/sqlstore; here are the file, its lock, its schema, its write-ahead
// log and the meaning of the engine's errors.
//
// The database is in WAL mode with synchronous=FULL: a write that has returned survives a power
// cut. One process has the database open, which a lock beside it sees to. One connection writes,
// a few read; reads see the last commit and are never blocked by a write.
//
// It imports chat, api, store/sqlstore, modernc.org/sqlite and goose, and starts no goroutine.
package sqlite

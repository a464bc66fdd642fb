// Package docgen prints the reference page docs/API.md from the intermediate form, for readers who know
// JSON-RPC but not chatd.
//
// It imports ir, jsontree and the standard library only and starts no goroutine.
package docgen

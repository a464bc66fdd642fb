// Package apilint judges openrpc.json: the house rules that no validator knows (Check), whether values
// fit the schemas (Schemas) and whether a new document still serves yesterday's clients (Breaking).
//
// Only tests use it: its own, which judge the repository's document, and those of other packages that
// check what goes over the wire. It may import internal/rpcgen and santhosh-tekuri/jsonschema. It starts no goroutine.
package apilint

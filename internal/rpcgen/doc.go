// Command rpcgen generates code and documents from openrpc.json. It is run by `go generate ./...` and
// needs nothing but Go; what it writes is committed, and a test fails when that is not up to date.
//
// It reads in ir (the intermediate form, which knows no language) and prints in gogen (Go) and docgen
// (the reference page); printers for further languages stand beside these. Imports: the standard library.
package main

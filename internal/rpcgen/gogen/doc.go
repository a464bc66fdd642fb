// Package gogen prints Go from the intermediate form: the package api and the generated half of the Go
// SDK. What needs no knowledge of the contract (the scanner beneath the decoders, quoting, times) stands
// in runtime/ as ready text and is copied.
//
// Each function gives the content of one file, formatted. It imports ir and the standard library only
// and starts no goroutine.
package gogen

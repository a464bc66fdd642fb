// Package ir reads openrpc.json into the intermediate form from which all generated code and texts are
// printed. The form knows the contract (methods, fields, bounds, errors) and no programming language.
//
// Reading is strict: a member, schema keyword or extension that is not known here is an error with its
// JSON path, so nothing in the document is silently without effect. What cannot be generated in every
// language of the SDKs (nested anonymous objects, unions told apart by trial, recursive types) is refused too.
//
// It imports jsontree and the standard library only and starts no goroutine.
package ir

// Package jsontree reads JSON text into a tree that keeps what encoding/json's maps lose: the order
// of members, numbers as they are written, duplicate members (an error here) and, for each value, the
// path to it, so that whoever reads a document can name the place of a mistake.
//
// It imports the standard library only and starts no goroutine.
package jsontree

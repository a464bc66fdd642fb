// Package month makes up a month of work of a team: who they are, their rooms, and all that was said and done in them, drawn
// from a seed and written as an export (docs/EXPORT.md) that any chatd can import. Beside each event it keeps what the event
// comes to, by rules of its own, so that a server that was given the month can be asked about it.
//
// It imports api alone and starts no goroutine.
package month

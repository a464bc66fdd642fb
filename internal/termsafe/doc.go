// Package termsafe makes text that other people wrote harmless to a terminal.
//
// It is the one choke point of chatctl: a message, a room's title, a server's error — whatever
// came over the network passes here before it reaches a terminal or a human's eyes. What comes
// out never moves the cursor, changes a colour, sets a title, answers a query or reorders the
// line around it. Programs that read chatctl's JSON from a pipe get the exact bytes instead.
//
// It imports the standard library alone, starts no goroutine and keeps no state.
package termsafe

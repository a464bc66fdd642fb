// Package contract holds what a server sends against openrpc.json, for tests.
//
// A Checker is one connection's: told what that sends, it says what is wrong with what it receives. The
// schemas are compiled once, by Load or by the first frame; in a bubble of fake time Load has to come before.
package contract

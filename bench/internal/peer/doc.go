// Package peer holds the two baselines that chatd is measured beside, each run as a process of its own.
//
// The floor does what no server can do without: one write(2) for each delivery, of the same bytes
// to as many sockets at the same times, and nothing else. The hub is a chat server as one writes it
// with gorilla/websocket in an afternoon: a goroutine for each room that hands a message to a channel of
// 256 for each client, two goroutines for each client, and no login, no store, no numbers.
package peer

// Package rpcserver carries the contract over WebSocket and HTTP: it takes frames from sockets, hands
// well-formed requests to the session of the connection, writes replies, and fans events out.
// It knows api and chat; no rule of the chat is decided here.
//
// A connection's way: gate (or net/http) → guard (who may call) → door (our own net.Conn).
// A request's way: conn → stream (frames to requests, under sourcegraph/jsonrpc2) → session (order, limits,
// deadline) → the domain → stream → conn.
// An event's way: Fanout.Publish → the room's hub (one frame at the end of the block) → conn.
//
// Goroutines: each connection has jsonrpc2's two, which end with it; a slow request has one of the
// crew's while it runs, as has a gate for each that it greets; a conn has a flusher while its peer reads too slowly. The Fanout has its workers, the
// Server one sweeper for all deadlines and pings. Server.Close ends them all and waits. A gate's end with its listener.
//
// Locks are taken in this order: a room of the domain, hub shard, hub, conn, session. Nobody calls
// the domain with one of them held, and nothing that holds one waits for a peer.
package rpcserver

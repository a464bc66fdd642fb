// Package chatclient talks to chatd: typed calls, typed events, and a connection that comes back by itself.
//
// It owns one WebSocket connection at a time ([Dial]), its own small JSON-RPC mux above it, the retries that are
// safe, posting in order ([Poster]) and following rooms ([Subscription]). It imports api and coder/websocket, nothing else of chatd.
//
// The mux is not jsonrpc2.Conn: that one numbers calls from 0 and so takes an error with a null id for the answer to call 0,
// keeps a cancelled call for ever, closes the connection on an array, and lets a call's context reach the socket, where
// coder/websocket closes the connection when it ends.
//
// Goroutines: a connection has three (reads, writes, pings), which end with it; the Client has one that dials again, a Poster and a
// Subscription one each. All end by their Close and by [Client.Close], which waits for them. Callbacks run on these
// goroutines one at a time; they may not block for long and may not call Close.
//
// The server is never sent more at once, nor faster, than its server.info says, so no honest program is ever refused for its pace.
//
// A call waits while the connection is away and is sent again when that is safe, see [Client.Call]. So give calls a context with a
// deadline, or set Options.CallTimeout. Errors: what the server answered is an *api.Error, for errors.Is with api.ErrNotFound
// and its like; a lost connection is a *[ConnectionError]; a server that does not want this client back is a *[SessionError].
package chatclient

// Package wire is the client's side of many WebSockets, made to cost little: raw sockets, one epoll
// loop, frames that are counted by their headers and not looked into unless somebody asks.
//
// A Loop and its Conns belong to one goroutine. Only Conn.Send may be called from another.
package wire

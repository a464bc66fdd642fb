// Package api is the contract as Go: the types, methods, errors, events and close codes of openrpc.json,
// strict decoding of parameters, and encoders. All of it but this file and the tests is generated.
//
// Receiving is asymmetric. Parameters from clients are decoded strictly by Dispatch: what is missing,
// unknown, doubled, mistyped or out of bounds is refused with CodeInvalidParams and names the field. What a
// server sent is decoded leniently by encoding/json: unknown members, enum values and event types never break a client.
//
// It imports the standard library only and starts no goroutine. Values are plain data: nothing here locks.
package api

//go:generate go run ../internal/rpcgen -doc ../openrpc.json -root ..

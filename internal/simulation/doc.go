// Package simulation runs the whole server in fake time, thousands of small worlds of it, each from a
// seed: the domain on a store in memory, the transport over a network in memory, and users who come
// through the Go SDK or over a WebSocket of their own. It is tests only.
//
// A seed decides all that is decided: who is there, what each of them does and after which pause, on
// which bytes connections break, how slow they are, when the disk fails or fills up, when the process
// dies, before or after a commit, or is drained, and how far the clock leaps. Fake time makes an hour of that
// cost milliseconds. What a seed does not decide is the order in which the scheduler runs goroutines
// that are ready at the same moment of fake time, nor the jitter and the keys that client and server draw for
// themselves. So a seed that has failed most often fails again, but perhaps only in the third run.
//
// In the end everything is put right, everybody comes back, and the log is the judge: what was
// acknowledged is in it with the same seq and text; no key is in it twice; each follower had a slice of it,
// byte for byte, up to its end; nobody met an error that the SDK is to hide; and each frame that came over a
// WebSocket of their own was as openrpc.json has it.
//
//	go test ./internal/simulation                        the short form: 300 seeds
//	go test ./internal/simulation -long -timeout 1h     30,000 of them
//	go test ./internal/simulation -seed 7 -seeds 1 -tell -v   one, with all that happens in it
//
// It imports what it simulates, from outside.
package simulation

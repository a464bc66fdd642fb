// Package memory is the reference store: plain maps under one lock, small enough to be seen to be
// right. The other stores are compared with it, and tests and simulations run on it.
//
// It owns nothing but its maps and starts no goroutine. It imports chat and api alone.
package memory

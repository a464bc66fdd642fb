// Package rig runs the real chatd for tests: it builds the binary once, starts it on a free port
// with a data directory of its own, kills it, brings it back, and reads what the kernel knows of it.
//
// A test that was built with -race gets a chatd that was, and one that was built with the tag
// mutants gets one with the seeded bugs. The variable CHATD_RIG names a binary to run instead.
package rig

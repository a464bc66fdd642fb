//go:build !linux

package testscript

import "github.com/rogpeppe/go-internal/testscript"

// runOnTerminal is for Linux; scripts that need it skip elsewhere.
func runOnTerminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("run-tty: on Linux only")
}

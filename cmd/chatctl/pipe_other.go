//go:build !unix

package main

import "context"

// watchPipe does nothing here: a reader that has gone is noticed at the next write.
func watchPipe(*printer, context.CancelCauseFunc) {}

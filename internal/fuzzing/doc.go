// Package fuzzing runs fuzz targets, by Go's engine or in this process.
//
// Go's engine is guided by coverage and finds new paths, but each execution costs it tens of
// microseconds of instrumentation and talk between processes. What it has found is kept in
// testdata/fuzz of each package; with
//
//	go test -run '^FuzzCodec$' ./rpcserver -executions 1000000 -fuzzseed 7
//
// the same target is run on mutations of those inputs in this process, ten times as fast and
// without guidance. The same seed and the same corpus give the same inputs. An input that fails
// is written to testdata/fuzz, where every later go test runs it.
//
// A mutation knows a little of text: it moves JSON values and words about, not only bytes, so that
// much of what it makes still gets past the first parser.
//
// It imports the standard library alone; its one goroutine reports progress and ends with Run.
package fuzzing

package main

import (
	"runtime"
	"testing"
)

// Memory is given back when nothing is made any more, once, and not while there is work.
func TestTrim(t *testing.T) {
	runtime.GC()
	freed := 0
	tr := newTrimmer()
	tr.pace, tr.limit = nil, nil // the process is the tests'
	free := tr.free
	tr.free = func() { freed++; free() }
	tr.look()
	tr.trimmed = tr.looked
	freed = 0
	var burst [][]byte
	for range 64 {
		burst = append(burst, make([]byte, 1<<20))
	}
	tr.look()
	if freed != 0 {
		t.Error("given back in the middle of the work")
	}
	runtime.KeepAlive(burst)
	tr.look()
	if freed != 1 {
		t.Errorf("given back %d times", freed)
	}
	tr.look()
	if freed != 1 {
		t.Errorf("given back %d times, the second for nothing", freed)
	}
}

// A small heap may grow much between collections, a large one by its own size.
func TestPace(t *testing.T) {
	percent := 0
	tr := newTrimmer()
	tr.pace, tr.limit = func(p int) { percent = p }, nil
	tr.look()
	if percent < 200 || percent > 1300 {
		t.Errorf("%d %% for a small heap", percent)
	}
}

package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
)

// All connections are open from the start: to open one, SQLite changes files, which it cannot on a disk that has become read-only.
func TestReadersAreOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := mustOpen(t, path)
	defer s.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]int{}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			open[target]++
		}
	}
	if open[path] != 5 || open[path+"-wal"] != 5 {
		t.Errorf("%d and %d descriptors, want those of one writer and four readers", open[path], open[path+"-wal"])
	}
}

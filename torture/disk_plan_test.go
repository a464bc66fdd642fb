package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// diskPlan says which calls of a process fail, and how. The zero plan only counts.
type diskPlan struct {
	Group string // sync, write, names (of files, and their sizes), change (the last two), or any
	At    int    // the first one, counted over all threads from 1
	Times int    // so many from it on; 0: all
	While string // a file: only while it is there
	Fault string // EIO, ENOSPC, EROFS; kill: SIGKILL before the call; tear: SIGKILL when a part of the write is done
	Cut   uint64 // for tear: which part
}

// diskHeard is what a tracer tells.
type diskHeard struct {
	Calls map[string]int // by group
	Hits  []diskHit      // calls that were made to fail; not more than a hundred
}

type diskHit struct {
	Call string
	File string // base name
	N    int    // its number
}

// diskWrap gives what is put in front of a command line so that a plan comes true, and what tells how it went.
// dir keeps a file.
func diskWrap(t testing.TB, dir string, plan *diskPlan) (wrap []string, heard func() *diskHeard) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tracer.json")
	return []string{self, "-test.run=^TestTracer$", "--", string(told), file}, func() *diskHeard {
		t.Helper()
		h := new(diskHeard)
		f, err := os.Open(file)
		if errors.Is(err, os.ErrNotExist) {
			return h
		}
		if err != nil {
			t.Error(err)
			return h
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); { // the last whole one counts
			next := new(diskHeard)
			if json.Unmarshal(lines.Bytes(), next) == nil {
				h = next
			}
		}
		return h
	}
}

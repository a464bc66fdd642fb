package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/internal/mutant"
)

var build struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Binary is the path of chatd, built at the first call. Main removes it.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if build.path = os.Getenv("CHATD_RIG"); build.path != "" {
			return
		}
		if build.dir, build.err = os.MkdirTemp("", "chatd-rig-"); build.err != nil {
			return
		}
		build.path = filepath.Join(build.dir, "chatd")
		args := []string{"build", "-o", build.path}
		if RaceEnabled() {
			args = append(args, "-race")
		}
		if mutant.Enabled {
			args = append(args, "-tags", "mutants")
		}
		out, err := exec.CommandContext(context.Background(), "go", append(args, "github.com/chatd-dev/chatd/cmd/chatd")...).CombinedOutput() //nolint:gosec // no argument is a stranger's
		if err != nil {
			build.err = fmt.Errorf("build chatd: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// Main is for a package's TestMain: it runs the tests and removes what Binary has built.
func Main(m *testing.M) int {
	code := m.Run()
	if build.dir != "" {
		_ = os.RemoveAll(build.dir) // a file of the system's temporary directory
	}
	return code
}

// RaceEnabled tells whether this very binary was built with -race.
func RaceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

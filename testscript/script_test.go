// Package testscript tests the real binaries, chatd and chatctl, together: each script of this
// folder is a story with servers and users of its own. The commands that scripts have beyond
// those of rogpeppe/go-internal/testscript are in commands_test.go, server_test.go and process_test.go.
package testscript

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	update = flag.Bool("update", false, "rewrite what scripts compare with")
	race   = flag.Bool("race-binaries", false, "build the binaries with the race detector, which takes ten times as long")
)

// bin is the folder with the binaries; set by TestMain, static after it.
var bin string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "chatd-testscript-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.CommandContext(context.Background(), "go", "build", "-race="+strconv.FormatBool(*race), "-o", dir+string(filepath.Separator), "../cmd/chatd", "../cmd/chatctl")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binaries: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 ".",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"chatd-start":   chatdStart,
			"chatd-kill":    chatdKill,
			"run":           runInBackground,
			"run-tty":       runOnTerminal,
			"type":          typeLine,
			"eof":           endInput,
			"signal":        signalProcess,
			"ends":          waitForEnd,
			"exits":         exits,
			"wait-for-line": waitForLine,
			"same-bytes":    sameBytes,
			"texts":         texts,
			"dense":         dense,
			"real-text":     realText,
			"no-argv":       noArgv,
			"mode":          fileMode,
		},
	})
}

// setup gives each script folders, servers and processes of its own.
func setup(env *testscript.Env) error {
	w := &world{servers: map[string]*server{}, processes: map[string]*process{}}
	env.Values[worldKey{}] = w
	env.Defer(w.end)
	env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	env.Setenv("TERM", "xterm")
	env.Setenv("EOT", "\x04")                                           // Ctrl-D
	env.Setenv("ETX", "\x03")                                           // Ctrl-C
	passwords, err := filepath.Glob(filepath.Join(env.WorkDir, "*.pw")) // txtar knows no modes
	for _, name := range passwords {
		err = errors.Join(err, os.Chmod(name, 0o600))
	}
	return err
}

type worldKey struct{}

// world is what a script has running.
type world struct {
	servers   map[string]*server
	processes map[string]*process
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// end kills what a script, or its failure, left running.
func (w *world) end() {
	for _, p := range w.processes {
		p.kill()
	}
	for _, s := range w.servers {
		if s.process != nil {
			s.process.kill()
		}
	}
}

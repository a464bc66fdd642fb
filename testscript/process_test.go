package testscript

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for something before it fails.
const patience = 60 * time.Second

// process runs in the background with its output in files, so that scripts can wait for lines.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	files []*os.File
	done  chan struct{} // closed when the process has ended; err is set before
	err   error
}

// inherited are the variables that background processes get from the script.
var inherited = []string{
	"PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "TERM", "NO_COLOR", "WORK",
	"CHATCTL_SERVER", "CHATCTL_PROFILE", "CHATCTL_TOKEN", "CHATCTL_INVITE",
}

// startProcess runs args with stdout and stderr going to the end of files in the script's folder.
func startProcess(ts *testscript.TestScript, stdout, stderr string, args ...string) *process {
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(programPath(args[0]), args[1:]...)
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = environment(ts)
	open := func(name string) *os.File {
		f, err := os.OpenFile(ts.MkAbs(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		ts.Check(err)
		p.files = append(p.files, f)
		return f
	}
	p.cmd.Stdout = open(stdout)
	p.cmd.Stderr = p.cmd.Stdout
	if stderr != stdout {
		p.cmd.Stderr = open(stderr)
	}
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	go func() { // ends with the process, which world.end kills if nothing else does
		p.err = p.cmd.Wait()
		for _, f := range p.files {
			f.Close()
		}
		close(p.done)
	}()
	return p
}

// programPath prefers the binaries under test.
func programPath(name string) string {
	if path := filepath.Join(bin, name); filepath.Base(name) == name {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, key := range inherited {
		if v := ts.Getenv(key); v != "" {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// wait returns the exit code, or minus the number of the signal that killed it.
func (p *process) wait(ts *testscript.TestScript, what string) int {
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s is still running", what)
	}
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return 0
	case errors.As(p.err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return -int(ws.Signal())
		}
		return exit.ExitCode()
	}
	ts.Fatalf("%s: %v", what, p.err)
	return 0
}

// runInBackground: run NAME PROGRAM [ARG…] starts a program whose output goes to NAME.out and NAME.err.
func runInBackground(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run NAME PROGRAM [ARG…]")
	}
	w := worldOf(ts)
	if old := w.processes[args[0]]; old != nil {
		select {
		case <-old.done:
		default:
			ts.Fatalf("%s is running already", args[0])
		}
	}
	w.processes[args[0]] = startProcess(ts, args[0]+".out", args[0]+".err", args[1:]...)
}

func processNamed(ts *testscript.TestScript, name string) *process {
	p := worldOf(ts).processes[name]
	if p == nil {
		ts.Fatalf("no process is called %s", name)
	}
	return p
}

// typeLine: type [-n] NAME TEXT gives a background program a line of input, with -n one that goes on.
func typeLine(ts *testscript.TestScript, neg bool, args []string) {
	end := "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: type [-n] NAME TEXT")
	}
	_, err := io.WriteString(processNamed(ts, args[0]).stdin, args[1]+end)
	ts.Check(err)
}

// endInput: eof NAME ends a background program's input.
func endInput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: eof NAME")
	}
	ts.Check(processNamed(ts, args[0]).stdin.Close())
}

var signals = map[string]syscall.Signal{"-9": syscall.SIGKILL, "-int": syscall.SIGINT, "-term": syscall.SIGTERM, "-hup": syscall.SIGHUP}

func signalNamed(ts *testscript.TestScript, name string) syscall.Signal {
	sig, ok := signals[name]
	if !ok {
		ts.Fatalf("no signal %s", name)
	}
	return sig
}

// signalProcess: signal -9|-int|-term|-hup NAME.
func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal -9|-int|-term|-hup NAME")
	}
	ts.Check(processNamed(ts, args[1]).cmd.Process.Signal(signalNamed(ts, args[0])))
}

// waitForEnd: ends NAME CODE waits for a background program to end so; -9 means killed by that signal.
func waitForEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ends NAME CODE")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := processNamed(ts, args[0]).wait(ts, args[0]); got != want {
		ts.Fatalf("%s ended with %d, want %d\n%s%s", args[0], got, want, ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

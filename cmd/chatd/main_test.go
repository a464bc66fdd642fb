package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chatd": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits STATUS COMMAND…: the command ends with this status.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits STATUS COMMAND [ARG…]")
				}
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Exec does not wrap it
					got = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if want, _ := strconv.Atoi(args[0]); got != want {
					ts.Fatalf("exit status %d, want %d", got, want)
				}
			},
		},
	})
}

// running is a chatd in this process.
type running struct {
	t       *testing.T
	dir     string
	signals chan os.Signal
	status  chan int // its exit status; 1 deep, written once
	stderr  *lines
}

// start runs chatd with a fresh data directory unless args name one.
func start(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	return startWith(t, dir, nil, args...)
}

func startWith(t *testing.T, dir string, environ []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, signals: make(chan os.Signal, 4), status: make(chan int, 1), stderr: newLines()}
	p := &process{environ: environ, stdout: r.stderr, stderr: r.stderr, signals: r.signals}
	go func() { // stop ends it
		r.status <- p.main(append([]string{"--listen", "127.0.0.1:0", "--data", dir}, args...))
		close(r.stderr.end)
	}()
	t.Cleanup(func() { r.stop() })
	return r
}

// url waits until the server says where it listens.
func (r *running) url() string {
	r.t.Helper()
	line := r.stderr.wait(r.t, "listening on ")
	_, url, _ := strings.Cut(line, "listening on ")
	return strings.TrimRight(strings.Fields(url)[0], `"`)
}

// stop ends the server with SIGTERM and gives its exit status.
func (r *running) stop() int {
	r.signals <- syscall.SIGTERM
	status := <-r.status
	r.status <- status
	return status
}

// ended waits for an end that comes by itself.
func (r *running) ended() int {
	status := <-r.status
	r.status <- status
	return status
}

// lines collects output and lets tests wait for a part of it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced at each write
	end  chan struct{} // closed when nothing more will be written
}

func newLines() *lines { return &lines{more: make(chan struct{}), end: make(chan struct{})} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	close(l.more)
	l.more = make(chan struct{})
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the first line that holds part.
func (l *lines) wait(t *testing.T, part string) string {
	t.Helper()
	for {
		l.mu.Lock()
		text, more := l.text.String(), l.more
		l.mu.Unlock()
		for _, line := range strings.SplitAfter(text, "\n") {
			if strings.Contains(line, part) && strings.HasSuffix(line, "\n") {
				return line
			}
		}
		select {
		case <-more:
		case <-l.end:
			t.Fatalf("%q never came; got\n%s", part, text)
		}
	}
}

func parse(t *testing.T, args ...string) *config.Config {
	t.Helper()
	p := &process{stdout: newLines(), stderr: newLines()}
	root := p.rootCommand()
	if err := root.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	root.SetContext(context.Background())
	cfg, _, err := p.load(root)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

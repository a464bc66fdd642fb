package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a child process that listens somewhere.
type Server struct {
	Addr string // host:port
	PID  int

	name string
	cmd  *exec.Cmd
	said *tail
	done chan struct{} // closed when it has ended
}

// listening is what a server says when it is ready; the address follows.
const listening = "listening on "

// startPatience is how long a server may take to say it: a database of 10^7 events is opened in less.
const startPatience = 30 * time.Second

// StartServer starts a program and waits until it says on stderr where it listens. The caller has
// to be on a thread that does not end before the child: its end would be the child's, too.
func StartServer(ctx context.Context, name string, argv, env []string) (*Server, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the programs are our own
	for _, e := range cmd.Environ() {                     // settings of the server come from env alone
		if !strings.HasPrefix(e, "CHATD_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s := &Server{name: name, cmd: cmd, said: &tail{}, done: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.PID = cmd.Process.Pid
	addr := make(chan string, 1) // one server says it once
	go s.listen(stderr, addr)    // ends with the process
	select {
	case s.Addr = <-addr:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("%s ended at its start: %s", name, s.said)
	case <-time.After(startPatience):
		s.Kill()
		return nil, fmt.Errorf("%s did not start within %v: %s", name, startPatience, s.said)
	}
}

func (s *Server) listen(stderr io.Reader, addr chan<- string) {
	defer close(s.done)
	lines := bufio.NewReader(stderr)
	for told := false; ; {
		line, err := lines.ReadString('\n')
		s.said.add(line)
		if _, rest, found := strings.Cut(line, listening); found && !told {
			told = true
			where, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			addr <- strings.TrimPrefix(where, "http://")
		}
		if err != nil {
			break
		}
	}
	_ = s.cmd.Wait() // how it ended is of no interest: it is killed
}

// Kill ends the process and waits for that.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// Ended tells whether the process has ended by itself, and what it said.
func (s *Server) Ended() error {
	select {
	case <-s.done:
		return fmt.Errorf("%s has ended: %s", s.name, s.said)
	default:
		return nil
	}
}

// Run runs a program to its end, with input on stdin, and gives what it printed. What it says on
// stderr goes into the error.
func Run(ctx context.Context, argv []string, dir string, input []byte) ([]byte, error) {
	out, _, err := RunCPU(ctx, argv, dir, input)
	return out, err
}

// RunCPU does the same and gives the processor time that the program used.
func RunCPU(ctx context.Context, argv []string, dir string, input []byte) ([]byte, time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the programs are our own
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 2 * time.Second // what it has started itself may outlive it
	var out bytes.Buffer
	said := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, said
	if err := cmd.Run(); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errors.New("took too long and was ended")
		}
		return out.Bytes(), 0, fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, said)
	}
	return out.Bytes(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// tail keeps the last of what a process said.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 2000

func (t *tail) add(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, s...)
	if n := len(t.text) - tailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
}

func (t *tail) Write(b []byte) (int, error) {
	t.add(string(b))
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

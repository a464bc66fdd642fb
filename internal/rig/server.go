package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// Patience is how long something that has to happen may take on a busy machine.
const Patience = 60 * time.Second

// Options of Start; nil and the zero value are good.
type Options struct {
	// Dir is the data directory; "" means one that the test removes.
	Dir string
	// Env holds settings, KEY=VALUE: CHATD_LIMITS_MAX_IN_FLIGHT=64.
	Env []string
	// Wrap is put in front of chatd's command line: strace and its flags. The process that is
	// killed is then the wrapper's child, if it has one.
	Wrap []string
	// MayDie lets chatd end before it listens: Start then returns a Server that does not run, for
	// faults at the start.
	MayDie bool
}

// Server is a chatd process that can be killed and started again at the same port on the same data.
// One goroutine uses it, but for URL, PID and Dial.
type Server struct {
	t    testing.TB
	opts Options
	addr string

	mu    sync.Mutex // guards what follows, and a change of cmd
	log   bytes.Buffer
	first int // of log, of the present process
	cmd   *exec.Cmd
	pid   int
	ended chan struct{} // closed when cmd has ended and err stands
	err   error
}

// Start starts chatd and waits until it is ready. The test's end kills it.
func Start(t testing.TB, opts *Options) *Server {
	t.Helper()
	s := &Server{t: t, addr: "127.0.0.1:0"}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Dir == "" {
		s.opts.Dir = filepath.Join(t.TempDir(), "data")
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			log := s.Stderr()
			t.Logf("chatd said:\n%s", log[max(0, len(log)-4000):])
		}
	})
	if err := s.Restart(); err != nil && (!s.opts.MayDie || s.Running()) { // what may die may not stay and be of no use
		t.Fatal(err)
	}
	return s
}

var listening = regexp.MustCompile(`listening on (?:\S+://)?([0-9.]+:[0-9]+)`)

// Restart starts the server, which must not run, and waits until it is ready. The error says why
// it is not, with what it said last.
func (s *Server) Restart() error {
	if s.Running() {
		return errors.New("chatd runs already")
	}
	args := append(append([]string{}, s.opts.Wrap...), Binary(s.t), "--listen", s.addr, "--data", s.opts.Dir)
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...) //nolint:gosec // our own binary
	cmd.Env = append(withoutSettings(os.Environ()), s.opts.Env...)
	cmd.Stdout, cmd.Stderr = (*logWriter)(s), (*logWriter)(s)
	cmd.SysProcAttr = dieWithParent()
	s.mu.Lock()
	s.first = s.log.Len()
	s.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.ended, s.err, s.pid = cmd, ended, nil, cmd.Process.Pid
	s.mu.Unlock()
	go func() { // ends with the process, which the test's end kills
		err := cmd.Wait()
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		close(ended)
	}()
	deadline := time.After(Patience)
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		if m := listening.FindStringSubmatch(s.said()); m != nil {
			if s.addr != m[1] { // at the first start: later others may read it
				s.addr = m[1]
			}
			if ready(s.URL()) {
				break
			}
		}
		select {
		case <-ended:
			return fmt.Errorf("chatd ended before it was ready: %w\n%s", errOf(s), s.said())
		case <-deadline:
			return fmt.Errorf("chatd was not ready after %v\n%s", Patience, s.said())
		case <-time.After(wait):
		}
	}
	if len(s.opts.Wrap) > 0 {
		s.mu.Lock()
		s.pid = childOf(cmd.Process.Pid)
		s.mu.Unlock()
	}
	return nil
}

func errOf(s *Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return errors.New("exit status 0")
	}
	return s.err
}

// withoutSettings leaves out variables that would be settings of chatd.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "CHATD_") {
			kept = append(kept, v)
		}
	}
	return kept
}

func ready(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// logWriter keeps what chatd says.
type logWriter Server

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// said is what the present process has said.
func (s *Server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.log.Bytes()[s.first:])
}

// Stderr is all that the server's processes have said, stdout and stderr alike.
func (s *Server) Stderr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// URL is the server's address, http://127.0.0.1:PORT, the same after a restart.
func (s *Server) URL() string { return "http://" + s.addr }

// Addr is host:port.
func (s *Server) Addr() string { return s.addr }

// Dir is the data directory.
func (s *Server) Dir() string { return s.opts.Dir }

// PID is the process id of chatd.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Running tells whether the process lives.
func (s *Server) Running() bool {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended == nil {
		return false
	}
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// Ended is closed when the present process has ended.
func (s *Server) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Kill ends the server with SIGKILL, if it runs, and waits for its end.
func (s *Server) Kill() {
	if !s.Running() {
		return
	}
	_ = syscall.Kill(s.PID(), syscall.SIGKILL) // it may end by itself this very moment
	<-s.Ended()
}

// Term sends SIGTERM and waits for the end. It gives the exit status, -1 if a signal ended it, and
// how long it took.
func (s *Server) Term() (code int, took time.Duration) {
	begin := time.Now()
	_ = syscall.Kill(s.PID(), syscall.SIGTERM)
	return s.Wait(), time.Since(begin)
}

// Wait waits for the end of the process and gives its exit status, -1 if a signal ended it.
func (s *Server) Wait() (code int) {
	<-s.Ended()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.ProcessState.ExitCode()
}

// Password is that of all users whom Dial makes.
const Password = "correct horse battery"

// Dial connects as user, whom it registers if need be. The test's end closes the client.
func (s *Server) Dial(t testing.TB, user string, opts *chatclient.Options) *chatclient.Client {
	t.Helper()
	c, err := s.TryDial(user, opts)
	if err != nil {
		t.Fatalf("dial as %s: %v", user, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TryDial is Dial for when it may fail.
func (s *Server) TryDial(user string, opts *chatclient.Options) (*chatclient.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := chatclient.Dial(ctx, s.URL(), opts)
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.Token != "" {
		return c, nil
	}
	_, err = c.AuthRegister(ctx, &api.AuthRegisterParams{Username: user, Password: Password})
	if errors.Is(err, api.ErrAlreadyExists) {
		_, err = c.AuthLogin(ctx, &api.AuthLoginParams{Username: user, Password: Password})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

package readmetest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds waiting for a line; nothing waits that long unless something is wrong.
const patience = 30 * time.Second

// prompt is what the shell of a terminal shows when it is ready.
const prompt = "readme$ "

// terminal is a shell on a pseudo-terminal.
type terminal struct {
	t    *testing.T
	name string
	pty  *os.File

	mu   sync.Mutex
	text []byte        // all output so far, without carriage returns
	more chan struct{} // closed and replaced with each output

	seen int // up to here the output has been matched
}

// openTerminal starts a shell in dir. The test's end closes the terminal, which ends the shell and what runs in it.
func openTerminal(t *testing.T, name, dir string, env []string) *terminal {
	t.Helper()
	pty, tty, err := openPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, tty, tty, tty
	cmd.Env = append([]string{"PS1=" + prompt, "PS2=", "TERM=dumb", "NO_COLOR=1", "LC_ALL=C.UTF-8", "HISTFILE=", "BASH_SILENCE_DEPRECATION_WARNING=1"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tm := &terminal{t: t, name: name, pty: pty, more: make(chan struct{})}
	read := make(chan struct{})
	go tm.read(read) // ends when the shell has ended, see the cleanup
	t.Cleanup(func() {
		pty.Close() // as closing the window does: the kernel sends SIGHUP
		<-read
		_ = cmd.Wait() // ends by the signal
	})
	return tm
}

func openPTY() (pty, tty *os.File, err error) {
	pty, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	raw, err := pty.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	number, fault := 0, error(nil)
	err = raw.Control(func(fd uintptr) {
		if fault = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); fault == nil {
			number, fault = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = fault
	}
	if err != nil {
		return nil, nil, err
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return pty, tty, err
}

func (tm *terminal) read(done chan<- struct{}) {
	defer close(done)
	buf := make([]byte, 4096)
	for {
		n, err := tm.pty.Read(buf)
		tm.mu.Lock()
		tm.text = append(tm.text, strings.ReplaceAll(string(buf[:n]), "\r", "")...)
		close(tm.more)
		tm.more = make(chan struct{})
		tm.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (tm *terminal) typeText(text string) {
	tm.t.Helper()
	if _, err := tm.pty.WriteString(text); err != nil {
		tm.t.Fatalf("terminal %s: %v", tm.name, err)
	}
}

// expect waits until what has not been matched yet holds re, and matches up to its end. It gives up
// after a while, and tells what is shown instead.
func (tm *terminal) expect(re *regexp.Regexp) (shown string, ok bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		tm.mu.Lock()
		rest, more := tm.text[tm.seen:], tm.more
		tm.mu.Unlock()
		if at := re.FindIndex(rest); at != nil {
			tm.seen += at[1]
			return "", true
		}
		select {
		case <-more:
		case <-deadline.C:
			return string(rest), false
		}
	}
}

package testscript

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// runOnTerminal: run-tty NAME PROGRAM [ARG…] starts a program on a terminal of its own, 80 by 24.
// All that the terminal shows goes to NAME.tty; type NAME types a line.
func runOnTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run-tty NAME PROGRAM [ARG…]")
	}
	keyboard, screen, err := openTerminal()
	ts.Check(err)
	defer screen.Close() // the program has its own
	shown, err := os.OpenFile(ts.MkAbs(args[0]+".tty"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	ts.Check(err)
	p := &process{done: make(chan struct{}), stdin: keyboard}
	p.cmd = exec.Command(programPath(args[1]), args[2:]...)
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = environment(ts)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = screen, screen, screen
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(p.cmd.Start())
	worldOf(ts).processes[args[0]] = p
	copied := make(chan struct{}) // closed when the terminal has shown its last
	go func() {                   // ends when the program, which holds the other end, has ended
		defer close(copied)
		buf := make([]byte, 4096)
		for {
			n, err := keyboard.Read(buf)
			_, _ = shown.Write(buf[:n]) // what is missing fails the script
			if err != nil {
				shown.Close()
				return
			}
		}
	}()
	go func() { // ends with the process, which world.end kills if nothing else does
		p.err = p.cmd.Wait()
		<-copied
		close(p.done)
	}()
}

// openTerminal makes a pseudo-terminal; see pty(7). Closing the keyboard closes it, also while somebody reads: it hangs up.
func openTerminal() (keyboard, screen *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	keyboard = os.NewFile(uintptr(fd), "keyboard")
	if err == nil {
		screen, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		keyboard.Close()
		return nil, nil, err
	}
	return keyboard, screen, nil
}

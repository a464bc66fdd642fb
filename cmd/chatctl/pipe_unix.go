//go:build unix

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errReaderGone is the cause of a context that ended because nobody reads stdout any more. It ends
// the program as a write to the closed pipe would.
var errReaderGone = errSilent{&killedError{unix.SIGPIPE}}

// watchPipe ends the command when the reader of stdout has gone, so that `tail -f | head` does not
// wait for the next event to notice. It returns at once if stdout is no pipe.
func watchPipe(p *printer, cancel context.CancelCauseFunc) {
	info, err := os.Stdout.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 || p.tty {
		return
	}
	fds := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}} // no event asked for: errors are always told
	for {
		n, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return
		case n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
			cancel(errReaderGone)
			return
		}
	}
}

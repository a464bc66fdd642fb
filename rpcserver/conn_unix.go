//go:build unix

package rpcserver

import (
	"errors"
	"net"
	"syscall"
)

// rawOf gives a socket that can be written without blocking, and its descriptor; nil and -1 if it
// cannot, as TLS and pipes.
func rawOf(sock net.Conn) (raw syscall.RawConn, fd int32) {
	s, ok := sock.(syscall.Conn)
	if !ok {
		return nil, -1
	}
	raw, err := s.SyscallConn()
	if err != nil || raw.Control(func(number uintptr) { fd = int32(number) }) != nil {
		return nil, -1
	}
	return raw, fd
}

// tryWrite writes what the socket takes now. It goes past Go's own account of the descriptor, which of a
// connection that has gone cold is half a dozen more cache lines: the caller sees to it that fd is not closed meanwhile.
func tryWrite(fd int32, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case !errors.Is(err, syscall.EINTR):
			return 0, err
		}
	}
}

// waitReadable waits until there is something to read, or the end. It takes little stack.
func (c *conn) waitReadable() error { return c.raw.Read(readable) }

// readable tells whether a socket has something to read, the end included.
func readable(fd uintptr) bool {
	for {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if !errors.Is(err, syscall.EINTR) {
			return !errors.Is(err, syscall.EAGAIN)
		}
	}
}

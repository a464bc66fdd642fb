//go:build unix

package rpcserver

import (
	"errors"
	"net"
	"syscall"
)

// rawOf gives the descriptor of a socket that can be written without blocking; nil if there is
// none, as with TLS and pipes.
func rawOf(sock net.Conn) syscall.RawConn {
	s, ok := sock.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryWrite writes what the socket takes now. Nothing is allocated: the function and its arguments
// are fields of c. The caller holds busy.
func (c *conn) tryWrite(b []byte) (int, error) {
	c.writing, c.written, c.failure = b, 0, nil
	err := c.raw.Write(c.rawFunc)
	c.writing = nil
	if err == nil {
		err = c.failure
	}
	return c.written, err
}

// writeRaw always reports true: it is not to be called again when the socket is writable.
func (c *conn) writeRaw(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), c.writing)
		switch {
		case err == nil:
			c.written = n
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EAGAIN):
			c.failure = err
		}
		return true
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

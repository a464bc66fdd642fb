//go:build !unix

package rpcserver

import (
	"net"
	"syscall"
)

// rawOf gives nil: here the flusher writes everything.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (c *conn) tryWrite([]byte) (int, error) { return 0, errGone }

func (c *conn) writeRaw(uintptr) bool { return true }

func (c *conn) waitReadable() error { return errGone }

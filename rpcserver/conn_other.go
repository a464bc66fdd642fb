//go:build !unix

package rpcserver

import (
	"net"
	"syscall"
)

// rawOf gives none: here the flusher writes everything.
func rawOf(net.Conn) (raw syscall.RawConn, fd int32) { return nil, -1 }

func tryWrite(int32, []byte) (int, error) { return 0, errGone }

func (c *conn) waitReadable() error { return errGone }

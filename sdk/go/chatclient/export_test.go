package chatclient

import (
	"context"
	"net"
)

// NewPipes returns a listener in memory and how to dial it, for tests of other packages in a synctest bubble.
func NewPipes() (net.Listener, func(context.Context) (net.Conn, error)) {
	l := newPipes()
	return l, l.dial
}

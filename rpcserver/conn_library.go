package rpcserver

import (
	"net"
	"time"
)

// What the WebSocket library sees: a net.Conn.

// Read counts what comes, and ends when a message takes too much.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		c.count(n)
		return n, nil
	}
	c.early = nil
	n, err := c.sock.Read(p)
	if n > 0 {
		c.count(n)
	}
	if err != nil {
		c.readErr = err
	} else if c.flooded {
		return 0, errGone
	}
	return n, err
}

func (c *conn) count(n int) {
	c.stats.bytesIn.Add(int64(n))
	c.alive.Store(true)
	if c.taken == 0 {
		c.begun.Store(c.clock.Load())
	}
	c.taken += n
	c.flooded = c.flooded || c.takeMost > 0 && c.taken > c.takeMost
}

// complete notes that a message or a control frame between messages was read, and that ahead bytes
// of what follows were read with it.
func (c *conn) complete(ahead int) {
	c.taken = ahead
	if ahead > 0 {
		c.begun.Store(c.clock.Load())
	} else {
		c.begun.Store(0)
	}
}

// Write takes the control frames that the library writes, each whole in one call.
func (c *conn) Write(p []byte) (int, error) {
	if p[0]&0xf != opClose {
		_ = c.send(p, push) // a pong that comes too late is no error
		return len(p), nil
	}
	c.shutWith(nil, p)
	return len(p), nil
}

// Close is called when the reader has ended: what waits still goes out, for a moment.
func (c *conn) Close() error {
	c.mu.Lock()
	c.done = true
	open := c.sock != nil && !c.dead
	if open && c.busy {
		_ = c.sock.SetWriteDeadline(time.Now().Add(closeGrace))
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	if open && c.raw == nil {
		c.halfClose() // TLS takes its leave
	}
	c.hangUp()
	return nil
}

func (c *conn) LocalAddr() net.Addr              { return c.sock.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr             { return c.sock.RemoteAddr() }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

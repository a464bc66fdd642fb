package rpcserver

import (
	"bufio"
	"errors"
	"os"
	"time"
)

// Read counts what comes, and ends when a message takes too much.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		c.count(n)
		return n, nil
	}
	c.early = nil
	if c.flooded {
		return 0, errGone
	}
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

// waitFirst waits until br has something or its end has come. It reports true if neither has, but nudge was called.
func (c *conn) waitFirst(br *bufio.Reader) (nudged bool) {
	c.mu.Lock()
	c.waiting = true
	c.mu.Unlock()
	_, err := br.Peek(1) // an error comes again when it is read
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if !c.woken {
		return false
	}
	c.woken = false
	if nudged = err != nil && errors.Is(c.readErr, os.ErrDeadlineExceeded); nudged {
		c.readErr = nil
	}
	if c.closing || c.dead {
		return false // who closes has set another deadline
	}
	_ = c.sock.SetReadDeadline(time.Time{})
	return nudged
}

// nudge makes waitFirst return, if it waits.
func (c *conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting && !c.closing && !c.dead && c.raw != nil {
		c.woken = true
		_ = c.sock.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) count(n int) {
	c.srv.stats.bytesIn.Add(int64(n))
	c.alive.Store(true)
	if c.taken == 0 {
		c.begun.Store(c.srv.clock.Load())
	}
	c.taken += n
	c.flooded = c.flooded || c.takeMost > 0 && c.taken > c.takeMost
}

// complete notes that a message or a control frame between messages was read, and that ahead bytes
// of what follows were read with it.
func (c *conn) complete(ahead int) {
	c.taken = ahead
	if ahead > 0 {
		c.begun.Store(c.srv.clock.Load())
	} else {
		c.begun.Store(0)
	}
}

// Close is called when the reader has ended: what waits still goes out, for a moment.
func (c *conn) Close() error {
	c.mu.Lock()
	c.done = true
	open := c.sock != nil && !c.dead
	if open && c.busy {
		if !c.closing { // which has set an end already
			_ = c.sock.SetWriteDeadline(time.Now().Add(closeGrace))
		}
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

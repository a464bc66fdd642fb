package rpcserver

import (
	"context"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// What the socket did not take at once: whole frames in out, bounded in bytes.

// strangersBacklog is what may wait for all together who are not signed in. One alone may have a long reply coming, the
// document say; thousands who do not read it are no slow readers.
const strangersBacklog = 16 << 20

// blockedLocked puts what the socket did not take of b before what waits.
func (c *conn) blockedLocked(b []byte, n int, k kind) {
	c.queued, c.first = true, frameRest(b, 0, n)
	rest := make([]byte, 0, len(b)-n+len(c.out)+512)
	c.out = append(append(rest, b[n:]...), c.out...)
	if k == awaited {
		c.allow += len(b) - n
		c.replies += len(b) - n
	}
	c.poolLocked()
	if !c.closing && !c.dead && len(c.out) > c.srv.backlog+c.allow && !mutant.On(mutant.UnboundedBacklog) {
		c.overflowLocked()
	}
}

// poolLocked counts what waits for a stranger to what waits for all of them. If that is too much, this one is cut off:
// a close frame would have to wait for what it does not read.
func (c *conn) poolLocked() {
	more := len(c.out) - c.pooled
	if more <= 0 || c.known.Load() {
		return
	}
	c.pooled += more
	if c.srv.strangers.Add(int64(more)) > strangersBacklog {
		c.srv.stats.slowCloses.Add(1)
		c.hangUpLocked()
	}
}

// unpoolLocked ends that: nothing waits.
func (c *conn) unpoolLocked() {
	if c.pooled > 0 {
		c.srv.strangers.Add(-int64(c.pooled))
		c.pooled = 0
	}
}

func (c *conn) enqueueLocked(b []byte, k kind) error {
	if k == awaited {
		c.allow = min(c.allow, len(c.out)) + len(b)
		c.replies = min(c.replies, len(c.out)) + len(b)
	} else if len(c.out)+len(b) > c.srv.backlog+c.allow && !mutant.On(mutant.UnboundedBacklog) {
		if mutant.On(mutant.QueueDropped) {
			return nil
		}
		c.overflowLocked()
		return errGone
	}
	c.growLocked(len(b))
	c.queued = true
	c.out = append(c.out, b...)
	c.poolLocked()
	if c.dead {
		return errGone
	}
	return nil
}

// growLocked makes room for n more bytes of out in few steps: those who stall do so together, and
// what they have outgrown would be as much as what they hold.
func (c *conn) growLocked(n int) {
	const small, step = 16 << 10, 256 << 10
	if need := len(c.out) + n; need > small && need > cap(c.out) {
		c.out = append(make([]byte, 0, max(need, min(c.srv.backlog, max(2*need, step)))), c.out...)
	}
}

// overflowLocked gives up a peer that reads too slowly: frames of which nothing is written are
// dropped, and it is told why. The kernel gets room for that, to be read whenever the peer reads on.
func (c *conn) overflowLocked() {
	if c.sock != nil {
		setSendBuffer(c.sock, 2*sendBuffer)
	}
	c.srv.stats.slowCloses.Add(1)
	keep := c.first
	for keep < c.inFlight {
		keep += frameLen(c.out[keep:])
	}
	c.out = c.out[:keep]
	c.closeLocked(slowNotice, appendClose(nil, int(api.CloseCodeSlowConsumer), api.CloseCodeSlowConsumer.String()))
}

// waitRoom waits until at most so many bytes of replies, and half of what may be at all, are in the backlog, or ctx ends.
func (c *conn) waitRoom(ctx context.Context, most int) error {
	for {
		c.mu.Lock()
		if c.closing || c.dead {
			c.mu.Unlock()
			return errGone
		}
		if len(c.out) <= c.srv.backlog/2 && min(c.replies, len(c.out)) <= most {
			c.mu.Unlock()
			return nil
		}
		if c.room == nil {
			c.queued = true // idleLocked is to see to it
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return errGone
		}
	}
}

// backlog is how much waits for the peer.
func (c *conn) backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out)
}

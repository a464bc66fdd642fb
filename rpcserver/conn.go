package rpcserver

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var errGone = errors.New("the connection is closed")

const (
	sendBuffer = 48 << 10         // of the socket, which holds twice that; the kernel's default would hide megabytes from the backlog's bound
	flushChunk = 16 << 10         // one write of the flusher; the peer has stallTime to take it
	stallTime  = 10 * time.Second // a peer that takes nothing for so long is given up
	closeGrace = time.Second      // a peer has so long to take what waits and its close frame, and to answer it
)

// conn is a connection's net.Conn: between the WebSocket library, which reads and writes control
// frames, and the socket. Data frames come from us. Whole frames go in, and none ever waits for the
// peer: what the socket does not take at once goes to a backlog, bounded in bytes, and a flusher.
type conn struct {
	// What a delivery looks at, side by side: of thousands of connections it has gone cold since the last one.
	// Guarded by mu, but for fd, which is static once open.

	mu      sync.Mutex
	fd      int32  // of the socket, for who has set writing; < 0: it cannot be written without blocking, the flusher does it all
	busy    bool   // somebody writes: a sender in place, or the flusher
	writing bool   // a sender does, to fd: who does closes it too, if it is to be closed meanwhile, as its number may be another's then
	closing bool   // the close frame is in out: nothing goes after it
	dead    bool   // nothing goes out any more
	done    bool   // the reader has ended: the socket is closed when out is empty
	sent    bool   // a message was
	queued  bool   // something has waited since the socket was last idle
	out     []byte // whole frames that wait, but for the first, which may be partly written

	// Static once open.

	sock  net.Conn
	raw   syscall.RawConn // what fd is of; nil: fd is negative
	srv   *Server
	lost  func()       // called, with mu held, when nothing more will go out; perhaps twice
	known *atomic.Bool // somebody is signed in

	// Owned by the reading goroutine.

	early    []byte // what net/http read ahead
	taken    int    // bytes since the last complete message
	takeMost int    // how many there may be; 0: no limit
	readErr  error  // of the socket, not of the protocol
	flooded  bool

	// For the sweeper.

	alive  atomic.Bool  // something was read
	closed atomic.Bool  // the socket is closed
	begun  atomic.Int64 // when the message that is being read began, by clock; 0: none is

	// Guarded by mu.

	first    int           // so many bytes of out are the rest of a frame that is partly written
	inFlight int           // so many bytes of out the flusher is writing
	pooled   int           // of pool, what this connection has
	allow    int           // the backlog's bound is so much higher, for replies, which wait for room themselves
	replies  int           // at most so many bytes of out were waited for: what is written counts against them
	room     chan struct{} // closed when there is room or the end; nil: nobody waits
	waiting  bool          // the reader waits for a message to begin
	woken    bool          // by nudge, while it waited
}

// kind is why something is sent.
type kind int

const (
	push    kind = iota // unasked for: the backlog's bound holds
	awaited             // the sender has waited for room, so it may exceed the bound
)

// initConn readies c, which queues what is sent until it is opened.
func (c *conn) initConn(srv *Server, known *atomic.Bool, lost func()) {
	c.srv, c.known, c.lost = srv, known, lost
	c.busy, c.fd = true, -1
}

// open begins with sock; what was sent before goes out now.
func (c *conn) open(sock net.Conn, early []byte) {
	tuneSocket(sock)
	c.mu.Lock()
	c.sock, c.early = sock, early
	c.raw, c.fd = rawOf(sock)
	if c.dead {
		c.closed.Store(true)
		_ = bareSocket(sock).Close()
	} else if c.closing {
		_ = sock.SetDeadline(time.Now().Add(closeGrace))
	}
	c.startLocked()
}

// startLocked goes on writing what waits; it unlocks mu. The caller has set busy.
func (c *conn) startLocked() {
	switch {
	case c.dead || len(c.out) == 0:
		c.idleLocked()
		c.mu.Unlock()
	case c.raw == nil:
		c.flushLocked()
	default:
		b := c.out
		c.out, c.writing = nil, true
		c.mu.Unlock()
		c.srv.stats.bytesOut.Add(int64(c.writeAll(b, push)))
	}
}

// send sends whole frames. It never blocks, and keeps nothing of b.
func (c *conn) send(b []byte, k kind) error {
	n, err := c.put(b, k)
	if n > 0 {
		c.srv.stats.bytesOut.Add(int64(n))
	}
	return err
}

// put is send, and leaves it to the caller to count the bytes that were written at once.
func (c *conn) put(b []byte, k kind) (written int, err error) {
	c.mu.Lock()
	if c.closing || c.dead {
		c.mu.Unlock()
		return 0, errGone
	}
	if b[0] == final|opText {
		c.sent = true
	}
	if c.busy {
		err := c.enqueueLocked(b, k)
		c.mu.Unlock()
		return 0, err
	}
	c.busy = true
	if c.fd < 0 {
		err := c.enqueueLocked(b, k)
		c.startLocked()
		return 0, err
	}
	c.writing = true
	c.mu.Unlock()
	return c.writeAll(b, k), nil
}

// writeAll writes b, and what others enqueue meanwhile, until all is written or the socket is full. The caller
// has set busy and writing.
func (c *conn) writeAll(b []byte, k kind) (written int) {
	for {
		n, err := tryWrite(c.fd, b)
		written += n
		c.mu.Lock()
		switch {
		case c.dead: // by somebody else
			c.writing = false
			c.closeSocketLocked()
			c.mu.Unlock()
			return written
		case err != nil:
			c.writing = false
			c.failLocked()
			c.mu.Unlock()
			return written
		case n < len(b):
			c.writing = false
			c.blockedLocked(b, n, k)
			c.flushLocked()
			return written
		}
		if len(c.out) == 0 {
			c.writing = false
			c.idleLocked()
			c.mu.Unlock()
			return written
		}
		b, c.out, k = c.out, nil, push
		c.mu.Unlock()
	}
}

// flushLocked starts the flusher, which ends when nothing waits or the connection is lost; it unlocks mu.
func (c *conn) flushLocked() {
	c.srv.wg.Add(1)
	c.mu.Unlock()
	go c.flush()
}

// flush writes what waits, blocking. The caller has set busy.
func (c *conn) flush() {
	defer c.srv.wg.Done()
	c.mu.Lock()
	for !c.dead && len(c.out) > 0 {
		chunk := c.out[:min(flushChunk, len(c.out))]
		c.inFlight = len(chunk)
		if !c.closing && !c.done { // else it ends when closeLocked or Close has said
			_ = c.sock.SetWriteDeadline(time.Now().Add(stallTime))
		}
		c.mu.Unlock()
		n, err := c.sock.Write(chunk)
		c.srv.stats.bytesOut.Add(int64(n))
		c.mu.Lock()
		c.inFlight = 0
		stalled := !c.closing && errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && (!stalled || c.raw == nil) { // a TLS connection that missed a deadline writes no more
			if stalled {
				c.srv.stats.slowCloses.Add(1)
			}
			c.failLocked()
			break
		}
		c.first = frameRest(c.out, c.first, n)
		c.replies = max(0, c.replies-n)
		c.out = c.out[n:]
		if stalled {
			c.overflowLocked()
		}
		c.wakeLocked()
	}
	if c.dead {
		c.mu.Unlock()
		return
	}
	_ = c.sock.SetWriteDeadline(time.Time{})
	c.idleLocked()
	closing, done := c.closing, c.done
	c.mu.Unlock()
	if c.raw == nil && (closing || done) {
		c.halfClose() // of TLS: writes, and so may block
	}
	if done {
		c.hangUp()
	}
}

// idleLocked ends writing: nothing waits.
func (c *conn) idleLocked() {
	c.busy = false
	if c.queued || c.out != nil {
		c.queued, c.first, c.allow, c.replies, c.out = false, 0, 0, 0, nil
		c.unpoolLocked()
		c.wakeLocked()
	}
	switch {
	case c.fd < 0: // not open, or the flusher's to end
	case c.done:
		c.hangUpLocked()
	case c.closing:
		c.halfClose()
	}
}

// halfClose says that nothing follows. The peer may still be writing: an outright close would reset
// what it has yet to read.
func (c *conn) halfClose() {
	if half, ok := c.sock.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the peer may be gone
	}
}

// failLocked gives the connection up after a failed write.
func (c *conn) failLocked() {
	c.out, c.first = nil, 0
	c.hangUpLocked()
}

// hangUpLocked closes the socket. Who closes it for another wakes its reader and its flusher.
func (c *conn) hangUpLocked() {
	if !c.dead {
		c.dead = true
		c.lost()
	}
	c.unpoolLocked()
	c.wakeLocked()
	c.closeSocketLocked()
}

// closeSocketLocked closes the socket, or leaves that to who is writing to its descriptor this moment.
func (c *conn) closeSocketLocked() {
	if c.sock != nil && !c.writing && !c.closed.Swap(true) {
		_ = bareSocket(c.sock).Close()
	}
}

func (c *conn) wakeLocked() {
	if c.room != nil && (c.dead || c.closing || len(c.out) <= c.srv.backlog/2) {
		close(c.room)
		c.room = nil
	}
}

// shut sends the frame notice, if not nil, and a close frame, and gives the peer a moment to
// answer; it does not wait. Only the first call counts.
func (c *conn) shut(notice []byte, code int, reason string) {
	c.shutWith(notice, appendClose(nil, code, reason))
}

func (c *conn) shutWith(notice, closeFrame []byte) {
	c.mu.Lock()
	if c.closing || c.dead {
		c.mu.Unlock()
		return
	}
	if !c.sent {
		notice = nil // nothing goes before the first reply
	}
	c.closeLocked(notice, closeFrame)
	if c.busy {
		c.mu.Unlock()
		return
	}
	c.busy = true
	c.startLocked()
}

func (c *conn) closeLocked(notice, closeFrame []byte) {
	c.out = append(append(c.out, notice...), closeFrame...)
	c.closing = true
	c.lost()
	c.wakeLocked()
	if c.sock != nil {
		_ = c.sock.SetDeadline(time.Now().Add(closeGrace))
	}
}

// hangUp closes the socket now.
func (c *conn) hangUp() {
	c.mu.Lock()
	c.hangUpLocked()
	c.mu.Unlock()
}

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Conn is one connection of a Loop.
type Conn struct {
	// Set by whoever dials.

	Tag    int                         // the caller's: which room, which publisher
	Lines  bool                        // a frame may hold several messages, one a line
	OnText func(message []byte)        // called for each text frame; nil: frames are only counted. The bytes are valid during the call
	head   func(response []byte) error // called with the response of the handshake; nil when that is over

	// Counted.

	Got int64 // messages that have come since the setting-up
	Err error // why it is closed; nil while it is open

	loop *Loop
	fd   int

	// What has come of the frame under way.

	header  head
	op      byte
	fin     bool
	left    uint64 // bytes of its payload to come
	opened  bool   // a frame's header is complete, its payload is not
	lines   int64  // newlines of the message under way
	partial []byte // payload that somebody will look at; of the handshake, its response

	queued []byte

	mu sync.Mutex // held while writing: frames are not mixed
}

// ErrClosedByPeer is the end of a connection without a close frame.
var ErrClosedByPeer = errors.New("closed by the server")

// Send writes whole frames, waiting while the socket is full. It may be called from any goroutine.
func (c *Conn) Send(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(b) > 0 {
		n, err := unix.Write(c.fd, b)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if err := waitWritable(c.fd); err != nil {
				return err
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("write: %w", err)
		default:
			b = b[n:]
		}
	}
	return nil
}

// Queue keeps whole frames until Flush, or until what was read together has been handled.
func (c *Conn) Queue(b []byte) { c.queued = append(c.queued, b...) }

// Flush sends what is queued.
func (c *Conn) Flush() error {
	if len(c.queued) == 0 {
		return nil
	}
	err := c.Send(c.queued)
	c.queued = c.queued[:0]
	return err
}

// sendPatience is how long a server may leave what it is sent unread, in milliseconds.
const sendPatience = 10_000

func waitWritable(fd int) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		switch n, err := unix.Poll(p, sendPatience); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return errors.New("write: the server reads nothing any more")
		default:
			return nil
		}
	}
}

// feed takes what was read.
func (c *Conn) feed(b []byte) error {
	for len(b) > 0 {
		if c.head != nil {
			var err error
			if b, err = c.feedResponse(b); err != nil {
				return err
			}
			continue
		}
		if !c.opened {
			var complete bool
			if b, complete = c.header.take(b); !complete {
				return nil
			}
			if err := c.open(); err != nil {
				return err
			}
			if c.left > 0 {
				continue
			}
		}
		n := int(min(c.left, uint64(len(b))))
		c.left -= uint64(n)
		if err := c.payload(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (c *Conn) open() error {
	op, fin, length, err := c.header.parse()
	if err != nil {
		return err
	}
	if op != opContinuation {
		c.op = op
	}
	c.fin, c.left, c.opened = fin, length, true
	return nil
}

// payload takes a piece of a frame's payload; with c.left 0 it is the last one.
func (c *Conn) payload(b []byte) error {
	text := c.op == opText
	if text && c.Lines {
		c.lines += int64(bytes.Count(b, newline))
	}
	whole := c.left == 0 && c.fin
	if whole {
		c.opened = false
		if len(c.partial) > 0 {
			c.partial = append(c.partial, b...)
			b = c.partial
		}
		err := c.message(b)
		c.partial = c.partial[:0]
		return err
	}
	if !text || c.OnText != nil {
		c.partial = append(c.partial, b...)
	}
	if c.left == 0 {
		c.opened = false
	}
	return nil
}

var newline = []byte{'\n'}

func (c *Conn) message(b []byte) error {
	switch c.op {
	case opText:
		c.Got += c.lines + 1
		c.loop.Got += c.lines + 1
		c.lines = 0
		if c.OnText != nil {
			c.OnText(b)
		}
	case opPing:
		return c.Send(appendMasked(nil, opPong, b))
	case opClose:
		return fmt.Errorf("closed by the server: %s", closeReason(b))
	}
	return nil
}

func closeReason(b []byte) string {
	if len(b) < 2 {
		return "no code"
	}
	return fmt.Sprintf("%d %s", int(b[0])<<8|int(b[1]), b[2:])
}

// feedResponse takes the response to the handshake.
func (c *Conn) feedResponse(b []byte) (rest []byte, err error) {
	before := len(c.partial)
	c.partial = append(c.partial, b...)
	end := bytes.Index(c.partial, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, nil
	}
	head := c.head
	c.head = nil
	response := c.partial[:end+4]
	rest = b[end+4-before:]
	err = head(response)
	c.partial = nil
	return rest, err
}

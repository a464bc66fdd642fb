package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/coder/websocket"
)

// A silent peer is pinged after pingAfter and given up pongWithin later: a half-open connection shows
// within 25 s, or 30 s when the ping itself cannot be written.
const (
	pingAfter  = 15 * time.Second
	pongWithin = 10 * time.Second
)

// lastWords is how long reading goes on after writing has failed.
const lastWords = time.Second

// closingFor is how long the server may take to close a connection after it said that it would.
const closingFor = 35 * time.Second

var (
	errHalfOpen  = errors.New("the server does not answer pings")
	errNotClosed = errors.New("the server did not close the connection as it said")
)

// readLoop is the only reader. It answers pings (inside the library), so nothing that it calls may wait.
func (c *conn) readLoop() {
	var buf []byte
	for {
		_, r, err := c.ws.Reader(context.Background())
		if err == nil {
			buf, err = appendAll(buf[:0], r)
		}
		if err != nil {
			c.fail(fmt.Errorf("reading: %w", err))
			return
		}
		c.receive(buf)
		if cap(buf) > 1<<20 {
			buf = nil // one long page of history does not stay in memory
		}
	}
}

// appendAll is io.ReadAll into a buffer that is used again.
func appendAll(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// receive handles one frame: a message, or an array of them, though we send no batches.
func (c *conn) receive(data []byte) {
	m, err := parseMessage(data)
	if err == nil {
		c.handle(m)
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		c.log.Warn("chatclient: a message that is not JSON-RPC", "bytes", len(data))
		return
	}
	for _, item := range list {
		if m, err := parseMessage(item); err == nil {
			c.handle(m)
		}
	}
}

func (c *conn) handle(m message) {
	if m.method != "" {
		c.notify(c, m)
		return
	}
	if m.id == 0 {
		// An error with id null is about a message that the server could not read; it must not resolve
		// any call. All that is sent is checked to be JSON, so this is a fault that only a log can help with.
		c.log.Warn("chatclient: the server could not read a message", "error", string(m.err))
		return
	}
	c.mu.Lock()
	r := c.pending[m.id]
	delete(c.pending, m.id)
	free := r != nil && r.slot
	if r == nil && m.id <= c.lastID && c.given > 0 {
		c.given--
		free = true
	}
	c.mu.Unlock()
	if free {
		defer c.releaseSlot() // after reply: a Poster of window 1 sends nothing before it has heard of a refusal
	}
	switch {
	case r == nil: // given up, or never asked: nobody waits
	case m.err != nil:
		r.reply(nil, parseError(m.err))
	default:
		r.reply(append(json.RawMessage(nil), m.result...), nil)
	}
}

// writeLoop is the only writer of messages: all that wait go out in one write.
func (c *conn) writeLoop() {
	var batch []*request
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		for {
			runtime.Gosched() // callers that are about to queue get into this batch
			c.mu.Lock()
			batch, c.queue = c.queue, batch[:0]
			for _, r := range batch {
				r.written = true
			}
			c.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			if err := c.writeBatch(batch); err != nil {
				// The peer closed: its last answers and its close frame, which says why, may wait to be read.
				time.AfterFunc(lastWords, func() { c.fail(fmt.Errorf("writing: %w", err)) })
				return
			}
			clear(batch)
		}
	}
}

func (c *conn) writeBatch(batch []*request) error {
	c.wire.hold()
	for _, r := range batch {
		if err := c.ws.Write(context.Background(), websocket.MessageText, r.msg); err != nil {
			return err
		}
		r.msg = nil
	}
	return c.wire.release()
}

// pingLoop finds out that the peer is gone without a word.
func (c *conn) pingLoop() {
	t := time.NewTimer(pingAfter)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-c.done:
			return
		}
		if left := pingAfter - c.wire.silence(); left > 0 {
			t.Reset(left)
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), pongWithin)
		err := c.ws.Ping(ctx)
		cancel()
		if err != nil && c.wire.silence() >= pongWithin {
			c.fail(errHalfOpen)
			return
		}
		t.Reset(pingAfter)
	}
}

package rpcserver

import (
	"bufio"
	"reflect"
	"sync"
	"time"
)

// A connection on which nothing comes for a while dozes: its jsonrpc2.Conn, which has two
// goroutines, one of them with the stack of the last request, is ended as if the peer had gone,
// and one new goroutine waits for the socket. When something comes, a new jsonrpc2.Conn reads it.

// dozeAfter is how long nothing has come when a connection begins to doze.
const dozeAfter = 2 * time.Second

// readBuffer is the size of the buffer that a connection reads through: net/http's is 4 KiB. One that dozes has none.
const readBuffer = 512

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// useReader gives the stream something to read the connection through.
func (t *stream) useReader() {
	t.br = readers.Get().(*bufio.Reader)
	t.br.Reset(&t.session.conn)
}

// wait waits until a message begins, and answers control frames meanwhile: within the library, a
// goroutine would wait for what follows them with much more on its stack. False: the connection dozes.
func (t *stream) wait() bool {
	c := &t.session.conn
	c.complete(t.br.Buffered()) // before it is read for: what came while nobody read cannot be held against the peer
	t.reading.Store(true)
	defer t.reading.Store(false)
	for {
		c.complete(t.br.Buffered())
		if t.br.Buffered() == 0 && c.waitFirst(t.br) {
			if t.mayDoze() {
				t.dozing.Store(true)
				return false
			}
			continue
		}
		if !t.takeControl() {
			return true
		}
	}
}

// mayDoze tells whether nothing is under way: the reader, who asks, begins nothing now.
func (t *stream) mayDoze() bool {
	s := t.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() || len(s.answering) > 0 || s.over || s.draining {
		return false
	}
	s.rpc, s.calls, s.answering, t.reqs = nil, nil, nil, nil // nothing is kept for a burst that may never come
	t.next, t.decoded = 0, reflect.Value{}
	return true
}

// doze waits for the socket and wakes the connection when something other than control frames comes.
func (t *stream) doze() {
	c := &t.session.conn
	t.reading.Store(true)
	if t.br.Buffered() == 0 {
		t.br.Reset(nil)
		readers.Put(t.br)
		t.br = nil           // which says nothing while nothing comes
		_ = c.waitReadable() // an error comes again when it is read
		t.useReader()
	}
	for t.takeControl() {
		if t.br.Buffered() == 0 {
			go t.doze() // on a small stack again
			return
		}
	}
	t.reading.Store(false)
	t.dozing.Store(false)
	t.session.serve()
}

// takeControl answers the ping or passes over the pong that comes next. False: what comes next is to be read.
func (t *stream) takeControl() bool {
	head, err := t.br.Peek(1)
	if err != nil || head[0] != final|opPing && head[0] != final|opPong {
		return false
	}
	head, err = t.br.Peek(2)
	if err != nil || head[1]&masked == 0 || head[1]&^masked > maxControl {
		return false
	}
	h, err := t.readHead()
	return err == nil && t.control(h) == nil
}

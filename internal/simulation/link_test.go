package simulation

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

var errReset = &net.OpError{Op: "read", Net: "sim", Err: syscall.ECONNRESET}

// link is one connection: two ways, from the client up to the server and down again. Bytes that were
// written are on their way: they arrive though the writer has gone, as in a real network.
type link struct {
	user     int
	up, down *way
}

// way is one direction of a link.
type way struct {
	mu       sync.Mutex
	moved    sync.Cond // anything below has changed
	parts    []part
	size     int // bytes of parts
	capacity int // beyond it writers wait, as for a full socket
	delay    time.Duration
	budget   int // the link breaks after so many more bytes; negative: it does not
	cut      func()

	held    time.Time // nothing arrives before
	black   bool      // nothing arrives any more, and nobody is told
	over    bool      // the writer has ended: what is on its way arrives, then EOF
	refused bool      // the reader has gone: writes fail
	reset   bool      // broken: reads fail at once

	readBy, writeBy time.Time
}

type part struct {
	due   time.Time
	bytes []byte
}

func newWay(capacity int, delay time.Duration, budget int) *way {
	w := &way{capacity: capacity, delay: delay, budget: budget, cut: func() {}}
	w.moved.L = &w.mu
	return w
}

// change does something to a way and lets all who wait look again.
func (w *way) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.moved.Broadcast()
}

// waitLocked waits until something changes or the earliest of the times that are set.
func (w *way) waitLocked(times ...time.Time) {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		timer := time.AfterFunc(time.Until(first), func() { w.change(func() {}) })
		defer timer.Stop()
	}
	w.moved.Wait()
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (w *way) read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		var due time.Time
		switch {
		case w.refused:
			return 0, net.ErrClosed
		case w.reset:
			return 0, errReset
		case passed(w.readBy):
			return 0, os.ErrDeadlineExceeded
		case w.black:
		case len(w.parts) > 0:
			if due = w.parts[0].due; due.Before(w.held) {
				due = w.held
			}
			if passed(due) {
				return w.takeLocked(p), nil
			}
		case w.over:
			if due = w.held; due.IsZero() || passed(due) {
				return 0, io.EOF
			}
		}
		w.waitLocked(due, w.readBy)
	}
}

func (w *way) takeLocked(p []byte) (n int) {
	for n < len(p) && len(w.parts) > 0 && passed(w.parts[0].due) {
		first := &w.parts[0]
		k := copy(p[n:], first.bytes)
		n += k
		if first.bytes = first.bytes[k:]; len(first.bytes) == 0 {
			w.parts = w.parts[1:]
		}
	}
	w.size -= n
	w.moved.Broadcast()
	return n
}

func (w *way) write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(p) {
		switch {
		case w.over:
			return n, net.ErrClosed
		case w.refused || w.reset || w.budget == 0:
			return n, &net.OpError{Op: "write", Net: "sim", Err: syscall.EPIPE}
		case passed(w.writeBy):
			return n, os.ErrDeadlineExceeded
		case w.size >= w.capacity:
			w.waitLocked(w.writeBy)
			continue
		}
		k := min(len(p)-n, w.capacity-w.size)
		if w.budget > 0 {
			k = min(k, w.budget)
			if w.budget -= k; w.budget == 0 {
				go w.cut() // ends at once; it locks both ways
			}
		}
		due := time.Now().Add(w.delay)
		w.parts = append(w.parts, part{due, append([]byte(nil), p[n:n+k]...)})
		w.size += k
		n += k
		w.moved.Broadcast()
	}
	return n, nil
}

// breakOff ends the link without a word. What the client has written still reaches the server, and
// what the server has written the client, unless hard.
func (l *link) breakOff(hardUp, hardDown bool) {
	l.up.change(func() { l.up.over, l.up.reset = true, l.up.reset || hardUp })
	l.down.change(func() { l.down.over, l.down.reset = true, l.down.reset || hardDown })
}

// hold lets nothing arrive for a while: from the server, and with both to it.
func (l *link) hold(d time.Duration, both bool) {
	until := time.Now().Add(d)
	l.down.change(func() { l.down.held = until })
	if both {
		l.up.change(func() { l.up.held = until })
	}
}

// blacken lets nothing arrive any more; neither end is told.
func (l *link) blacken() {
	l.up.change(func() { l.up.black = true })
	l.down.change(func() { l.down.black = true })
}

// heal takes away what has not happened yet.
func (l *link) heal() {
	for _, w := range []*way{l.up, l.down} {
		w.change(func() { w.budget, w.delay = -1, 0 })
	}
}

// end is one end of a link, a net.Conn.
type end struct {
	in, out *way
	local   net.Addr
	remote  net.Addr
	closed  func()
	once    sync.Once
}

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }
func (e *end) LocalAddr() net.Addr         { return e.local }
func (e *end) RemoteAddr() net.Addr        { return e.remote }

// Close lets arrive what was written, and nothing more come.
func (e *end) Close() error {
	e.once.Do(func() {
		e.out.change(func() { e.out.over = true })
		e.in.change(func() { e.in.refused = true })
		e.closed()
	})
	return nil
}

// CloseWrite says that nothing follows.
func (e *end) CloseWrite() error {
	e.out.change(func() { e.out.over = true })
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.change(func() { e.in.readBy = t })
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.change(func() { e.out.writeBy = t })
	return nil
}

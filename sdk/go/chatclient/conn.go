package chatclient

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// How many requests may be unanswered before server.info has told, and where it sets no limit.
const (
	cautiousInFlight = 16
	maxInFlight      = 256
)

// conn is one WebSocket connection and the JSON-RPC mux above it. It never comes back: after done, make another.
//
// No context of a call reaches the socket, because coder/websocket closes a connection whose read or write
// context ends. Calls put their message into queue; the writing goroutine takes all that wait and writes them at once.
type conn struct {
	// Static after construction.
	ws     *websocket.Conn
	wire   *wire
	log    *slog.Logger
	notify func(*conn, message)                           // on the reading goroutine; may not block; slices die with the call
	learn  func(string, json.RawMessage, json.RawMessage) // hears of calls that succeeded, before their caller does
	since  time.Time
	slots  chan struct{} // holds one for each unanswered request; set before the first caller sees the connection
	pace   pace          // likewise
	wake   chan struct{} // capacity 1: there is something in queue
	done   chan struct{} // closed when the connection has ended

	mu      sync.Mutex // guards what follows
	err     error      // why it ended
	closing *api.SessionClosingParams
	lastID  int64
	pending map[int64]*request
	queue   []*request
	given   int // requests sent and given up whose answers are still to come; each holds a slot
}

// request is one call on one connection.
type request struct {
	id      int64
	msg     []byte
	written bool // guarded by conn.mu: handed to the socket, so it may take effect
	slot    bool // holds a slot
	// reply is called once, without locks held, on the reading goroutine or by whoever ends the
	// connection; it may not block. The bytes are its own. err is an *api.Error or a *ConnectionError.
	reply func(result json.RawMessage, err error)
}

// newConn takes over ws. Its goroutines, counted in l, end with the connection.
func newConn(ws *websocket.Conn, w *wire, l *link) *conn {
	c := &conn{
		ws: ws, wire: w, log: l.opts.Logger, notify: l.notify, learn: l.learn, since: time.Now(),
		slots:   make(chan struct{}, cautiousInFlight),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		pending: make(map[int64]*request),
	}
	ws.SetReadLimit(readLimit)
	// All three end when fail closes the WebSocket and done.
	l.wg.Go(c.readLoop)
	l.wg.Go(c.writeLoop)
	l.wg.Go(c.pingLoop)
	return c
}

// setLimits applies what server.info told. It may be called only before callers see the connection.
func (c *conn) setLimits(l *api.Limits) {
	n := int(l.MaxInFlight)
	if n <= 0 || n > maxInFlight {
		n = maxInFlight
	}
	c.slots = make(chan struct{}, n)
	c.pace.set(l)
}

// acquire waits for a slot and for the request's time: the server is never sent more at once, nor faster, than it says it takes.
func (c *conn) acquire(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
	case <-c.done:
		return &ConnectionError{Err: c.cause()}
	case <-ctx.Done():
		return &ConnectionError{Err: ctx.Err()}
	}
	wait := c.pace.next()
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.done:
		c.releaseSlot()
		return &ConnectionError{Err: c.cause()}
	case <-ctx.Done():
		c.releaseSlot()
		return &ConnectionError{Err: ctx.Err()}
	}
}

func (c *conn) releaseSlot() { <-c.slots }

// start queues a request and returns at once; reply hears the outcome. With slot, the caller has acquired one
// and hands it over. An error means that nothing was queued, reply is not called and the slot is free again.
func (c *conn) start(method string, params json.RawMessage, slot bool, reply func(json.RawMessage, error)) (*request, error) {
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		if slot {
			c.releaseSlot()
		}
		return nil, &ConnectionError{Err: err}
	}
	c.lastID++
	r := &request{id: c.lastID, slot: slot, reply: reply}
	r.msg = appendRequest(make([]byte, 0, 64+len(method)+len(params)), r.id, method, params)
	c.pending[r.id] = r
	c.queue = append(c.queue, r)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return r, nil
}

// forget gives a request up. It reports false when reply is called or about to be. A request that is not written
// yet never will be; one that is keeps its slot until its answer comes, because the server counts it still.
func (c *conn) forget(r *request) (forgotten, written bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[r.id] != r {
		return false, r.written
	}
	delete(c.pending, r.id)
	switch {
	case !r.written:
		for i, q := range c.queue {
			if q == r {
				c.queue = append(c.queue[:i], c.queue[i+1:]...)
				break
			}
		}
		if r.slot {
			c.releaseSlot()
		}
	case r.slot:
		c.given++
	}
	return true, r.written
}

// outcome is what reply hears.
type outcome struct {
	result json.RawMessage
	err    error
}

// call sends a request and waits for its answer or the end of ctx.
func (c *conn) call(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	answer := make(chan outcome, 1) // one: reply is called once and may not block
	r, err := c.start(method, params, true, func(result json.RawMessage, err error) {
		if err == nil {
			c.learn(method, params, result)
		}
		answer <- outcome{result, err}
	})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a.result, a.err
	case <-ctx.Done():
	}
	if forgotten, written := c.forget(r); forgotten {
		return nil, &ConnectionError{MayHaveBeenSent: written, Err: ctx.Err()}
	}
	a := <-answer
	return a.result, a.err
}

// fail ends the connection: calls without an answer hear err.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	pending := c.pending
	c.pending, c.queue = nil, nil
	c.mu.Unlock()
	close(c.done)
	for _, r := range pending {
		r.reply(nil, &ConnectionError{MayHaveBeenSent: r.written, Err: err})
	}
	c.ws.CloseNow()
}

// cause is why the connection ended; call it after done.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// setClosing keeps what session.closing said.
func (c *conn) setClosing(p *api.SessionClosingParams) {
	c.mu.Lock()
	c.closing = p
	c.mu.Unlock()
}

func (c *conn) closingParams() *api.SessionClosingParams {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Poster posts messages to one room, many unanswered at a time, in the order in which they were queued.
//
// The order holds across lost connections and restarts of the server: after each, everything unanswered is sent again
// in its old order, under its old keys, before anything new. Since the server lets the requests of one connection take
// effect in order and knows each key for ever, nothing is lost, doubled or reordered, not even while a cut connection's last requests are
// still being read. There is one exception: when the server refuses a post for the moment (too fast, no disk space) and has taken a
// later one that was already on its way, the refused one comes after it. Sending stops at such an answer, waits for all that is
// on its way, and goes on from the refused post. A window of 1 excludes even that.
//
// A post that is refused for good (too large, not a member any more) stops the Poster: nothing that was
// not on its way is sent.
type Poster struct {
	// Static after construction.
	c      *Client
	room   string
	window int
	ctx    context.Context
	stop   context.CancelFunc
	done   chan struct{} // closed when run has ended
	wake   chan struct{} // capacity 1: run has something to look at

	mu     sync.Mutex // guards what follows
	flight flight
	queue  []*Post // unanswered, in order; answered ones stay until they are first
	err    error   // why the Poster has stopped
	space  signal  // the queue has room
	idle   signal  // the queue is empty
}

// flight is how far the present connection got with the queue.
type flight struct {
	round   int           // counts connections and new beginnings; answers of earlier rounds do not count
	next    int           // queue[next:] are yet to be sent in this round
	flying  int           // sent in this round, not answered
	held    bool          // the server refused one for the moment: send nothing until flying is 0
	wait    time.Duration // and then wait so long
	refused int           // such refusals in a row
}

// Post is one message of a Poster.
type Post struct {
	params json.RawMessage
	key    string
	sent   bool          // guarded by Poster.mu: on its way once, at least
	done   chan struct{} // closed when result or err stand
	result *api.MessagePostResult
	err    error
}

// NewPoster returns a Poster for a room (id or name). At most window posts are unanswered, queued ones included; 0 means
// 256. How many of them are on their way is the server's limit.
func (c *Client) NewPoster(room string, window int) *Poster {
	if window <= 0 {
		window = 256
	}
	p := &Poster{c: c, room: room, window: window, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	p.ctx, p.stop = context.WithCancel(c.ctx)
	c.wg.Go(p.run) // ends with ctx
	return p
}

// Post queues a text. It waits while the window is full, until ctx ends. The error that stopped the Poster comes
// back from every later Post.
func (p *Poster) Post(ctx context.Context, text string) (*Post, error) {
	return p.PostMessage(ctx, &api.MessagePostParams{Text: text})
}

// PostMessage is Post with everything that a message can have. The Poster's room replaces m.Room; a missing
// IdempotencyKey is made. m is not kept.
func (p *Poster) PostMessage(ctx context.Context, m *api.MessagePostParams) (*Post, error) {
	params := *m
	params.Room = p.room
	if params.IdempotencyKey == "" {
		params.IdempotencyKey = p.c.NewKey()
	}
	post := &Post{params: params.AppendJSON(nil), key: params.IdempotencyKey, done: make(chan struct{})}
	if err := p.c.checkSize(api.MethodMessagePost, post.params); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		if p.err != nil {
			defer p.mu.Unlock()
			return nil, p.err
		}
		if len(p.queue) < p.window {
			break
		}
		room := p.space.wait()
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, &ConnectionError{Err: ctx.Err()}
		}
	}
	defer p.mu.Unlock()
	if !p.c.open.begin() {
		return nil, p.c.closedErr()
	}
	p.queue = append(p.queue, post)
	p.poke()
	return post, nil
}

// Flush waits until every post queued so far has its answer. It returns the error that stopped the Poster.
func (p *Poster) Flush(ctx context.Context) error {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			defer p.mu.Unlock()
			return p.err
		}
		idle := p.idle.wait()
		p.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close stops the Poster and waits for its goroutine. Posts without an answer fail: Flush first. It always returns nil.
func (p *Poster) Close() error {
	p.stop()
	<-p.done
	return nil
}

// Key is the post's idempotency key.
func (t *Post) Key() string { return t.key }

// Done is closed when the post has its answer.
func (t *Post) Done() <-chan struct{} { return t.done }

// Wait waits for the answer: where the message stands in the log, or why it does not.
func (t *Post) Wait(ctx context.Context) (*api.MessagePostResult, error) {
	select {
	case <-t.done:
		return t.result, t.err
	default:
	}
	select {
	case <-t.done:
		return t.result, t.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *Post) answered() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

func (p *Poster) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run sends the queue, on one connection after the other.
func (p *Poster) run() {
	defer close(p.done)
	for {
		conn, err := p.c.link.get(p.ctx)
		if err == nil {
			err = p.sendAll(conn)
		}
		if err == nil {
			err = p.ctx.Err()
		}
		if err != nil {
			if p.ctx.Err() != nil {
				err = p.c.closedErr()
			}
			p.mu.Lock()
			p.flight.flying = 0
			p.failLocked(err)
			p.mu.Unlock()
			return
		}
	}
}

// sendAll sends what is unanswered, in order, until conn is lost or all of it has to be looked at anew. An error
// ends the Poster.
func (p *Poster) sendAll(conn *conn) error {
	p.mu.Lock()
	p.flight = flight{round: p.flight.round + 1, refused: p.flight.refused}
	p.mu.Unlock()
	for {
		switch more, pause := p.upcoming(); {
		case pause > 0:
			return p.c.pause(p.ctx, pause)
		case more:
			if conn.acquire(p.ctx) != nil || !p.sendNext(conn) {
				return p.lost(conn)
			}
			continue
		}
		select {
		case <-p.wake:
		case <-conn.done:
			return p.lost(conn)
		case <-p.ctx.Done():
			return nil
		}
	}
}

// lost is called when conn may have ended.
func (p *Poster) lost(conn *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := conn.cause()
	switch {
	case p.ctx.Err() != nil || err == nil:
		return nil
	case closedForFault(err) && p.flight.flying > 0:
		return &ConnectionError{MayHaveBeenSent: true, Err: err} // its answers are still to be heard
	case p.err != nil:
		p.flight.flying = 0
		p.failLocked(p.err) // what was on its way is not sent again after the Poster has stopped
	}
	return nil
}

// upcoming tells whether there is a post to send, or how long to pause before a new beginning.
func (p *Poster) upcoming() (more bool, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &p.flight
	for f.next < len(p.queue) && p.queue[f.next].answered() {
		f.next++
	}
	if f.held {
		if f.flying > 0 {
			return false, 0
		}
		return false, max(f.wait, time.Millisecond)
	}
	return p.err == nil && f.next < len(p.queue), 0
}

// sendNext sends the next post; the caller has acquired a slot. It reports false when conn has ended.
func (p *Poster) sendNext(conn *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &p.flight
	if f.held || p.err != nil || f.next >= len(p.queue) { // an answer came while we waited for the slot
		conn.releaseSlot()
		return true
	}
	post, round := p.queue[f.next], f.round
	_, err := conn.start(api.MethodMessagePost, post.params, true, func(result json.RawMessage, err error) { p.answer(post, round, result, err) })
	if err != nil {
		return false
	}
	post.sent = true
	f.next++
	f.flying++
	return true
}

// answer hears the outcome of a post; called by the connection, it does not block.
func (p *Poster) answer(post *Post, round int, raw json.RawMessage, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	current := round == p.flight.round
	if current && p.flight.flying > 0 {
		p.flight.flying--
	}
	var refusal *api.Error
	switch {
	case post.answered():
	case err == nil:
		result := new(api.MessagePostResult)
		if err := json.Unmarshal(raw, result); err != nil {
			p.finishLocked(post, nil, fmt.Errorf("chatclient: result of message.post: %w", err))
			break
		}
		p.flight.refused = 0
		p.finishLocked(post, result, nil)
	case current && sentInVain(err):
		p.failLocked(err)
	case !errors.As(err, &refusal): // the connection is lost: run sends it again
	case temporary(refusal):
		if current && !p.flight.held {
			p.flight.held = true
			p.flight.refused++
		}
		wait, _ := retryAfter(refusal, api.IdempotencyKeyed, p.flight.refused)
		p.flight.wait = max(p.flight.wait, wait)
	default:
		p.finishLocked(post, nil, err)
		p.failLocked(err)
	}
	if p.err != nil && p.flight.flying == 0 {
		p.failLocked(p.err) // also those that were refused for the moment
	}
	p.popLocked()
	p.poke()
}

// sentInVain tells whether sending again would only cost the next connection.
func sentInVain(err error) bool {
	var lost *ConnectionError
	return errors.As(err, &lost) && lost.MayHaveBeenSent && closedForFault(lost.Err)
}

// temporary tells whether the same post may succeed later.
func temporary(e *api.Error) bool {
	return e.Code == api.CodeRateLimited || e.Code == api.CodeUnavailable || e.Code == api.CodeDraining
}

// failLocked stops the Poster: what is not on its way fails. The posts on their way get their own answers.
func (p *Poster) failLocked(err error) {
	if p.err == nil {
		p.err = err
	}
	from := p.flight.next
	if p.flight.flying == 0 {
		from = 0
	}
	for _, post := range p.queue[min(from, len(p.queue)):] {
		if !post.answered() {
			p.finishLocked(post, nil, &ConnectionError{MayHaveBeenSent: post.sent, Err: err})
		}
	}
	p.popLocked()
}

func (p *Poster) finishLocked(post *Post, result *api.MessagePostResult, err error) {
	post.result, post.err, post.params = result, err, nil
	close(post.done)
	p.c.open.end(1)
}

// popLocked drops the answered posts at the head of the queue and wakes who waits for that.
func (p *Poster) popLocked() {
	n := 0
	for n < len(p.queue) && p.queue[n].answered() {
		p.queue[n] = nil
		n++
	}
	p.queue = p.queue[n:]
	p.flight.next = max(p.flight.next-n, 0)
	if len(p.queue) <= p.window*3/4 || p.err != nil { // not at every answer: whoever fills the queue wakes up less often
		p.space.fire()
	}
	if len(p.queue) == 0 {
		p.idle.fire()
	}
}

package rpcserver

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/sourcegraph/jsonrpc2"
	"golang.org/x/time/rate"
)

// caller is what a connection needs of the domain's session.
type caller interface {
	api.Server
	// Authenticate signs in with a token.
	Authenticate(ctx context.Context, token string) error
	SignedIn() bool
	// Replied is called when the reply of a request that kept its turn was handed to the connection.
	Replied()
	// Close ends it when the connection is gone.
	Close()
}

var _ caller = (*chat.Session)(nil)

// session is one WebSocket: the handler of its jsonrpc2.Conn, and the domain's Port (port.go).
//
// Requests take effect one at a time, in order: one has the turn, the others wait. Who has it keeps
// it until it returns, or until the domain says that the next may begin (Queued). The elements
// of a batch do so among themselves; after its last one, the turn stays until all are answered.
type session struct {
	// Static after construction.

	srv     *Server
	who     caller
	peer    chat.Peer
	limiter *rate.Limiter // nil: no limit

	conn    conn
	stream  stream
	follows follows

	signedIn  atomic.Bool  // as last seen
	anonymous atomic.Int64 // since when it is not signed in, by the server's clock

	// Owned by the sweeper.

	silent int64 // since when nothing has come
	pinged int64 // when it was asked whether it is there; 0: it was not
	closed int64 // when the sweeper saw that it is closing; 0: it is not

	// Guarded by mu.

	mu        sync.Mutex
	rpc       *jsonrpc2.Conn // the same always; set before the first call
	num       uint64
	turn      *call         // nil: nobody's
	queue     []*call       // for the turn, in order
	calls     []*call       // all that have not ended
	answering []*call       // whose reply is on its way through the library
	slot      chan struct{} // closed when a call ends; nil: the reader does not wait for it
	over      bool          // nothing more is begun
	ended     bool          // the reader has ended
	draining  bool          // to be closed when no call is left
}

func newSession(srv *Server, peer chat.Peer) *session {
	s := &session{srv: srv, peer: peer}
	s.stream.session = s
	s.conn.initConn(srv, s.cancelAll)
	s.follows.shard = srv.fan.shard()
	if srv.rate > 0 {
		s.limiter = rate.NewLimiter(srv.rate, srv.burst)
	}
	s.who = srv.connect(s, peer)
	s.silent = srv.clock.Load()
	s.anonymous.Store(s.silent)
	return s
}

// serve begins reading; it returns at once.
func (s *session) serve() {
	// Both goroutines of the library end when the stream does.
	jsonrpc2.NewConn(context.Background(), &s.stream, s, s.stream.options()...)
}

// messageLimit is how long a message may be now; 0: no limit.
func (s *session) messageLimit() int {
	if s.signedIn.Load() {
		return int(s.srv.limits.MaxMessageBytes)
	}
	return int(s.srv.limits.MaxMessageBytesAnonymous)
}

// newCall makes a call of a request.
func (s *session) newCall(req *request, b *batch) *call {
	c := &call{id: req.id, params: req.params, batch: b, place: req.place, start: s.srv.clock.Load()}
	c.method, c.refuse = s.srv.find(req.method)
	s.mu.Lock()
	s.num++
	c.num = s.num
	s.mu.Unlock()
	return c
}

// Handle implements jsonrpc2.Handler. It runs on the reading goroutine: what may take long leaves
// it, so that pings are answered. While too many requests are unanswered it waits, and nothing is read.
func (s *session) Handle(_ context.Context, rpc *jsonrpc2.Conn, _ *jsonrpc2.Request) {
	c := s.stream.current
	if s.srv.draining.Load() {
		c.refuse = api.Errorf(api.CodeDraining, "the server is going down")
	} else if err := s.overRate(); err != nil {
		c.refuse = err
	}
	s.mu.Lock()
	s.rpc = rpc
	for s.srv.maxInFlight > 0 && len(s.calls) >= s.srv.maxInFlight && !s.over {
		s.slot = make(chan struct{})
		slot := s.slot
		s.mu.Unlock()
		<-slot
		s.mu.Lock()
	}
	if s.over {
		s.mu.Unlock()
		return
	}
	s.calls = append(s.calls, c)
	if s.turn != nil {
		s.queue = append(s.queue, c)
		s.mu.Unlock()
		return
	}
	s.turn = c
	s.mu.Unlock()
	if c.refuse == nil && c.method.slow {
		go s.runFrom(c) // ends with the call; readerEnded lets the session end after it
		return
	}
	s.runFrom(c)
}

func (s *session) overRate() *api.Error {
	if s.limiter == nil {
		return nil
	}
	now := time.Now()
	if s.limiter.AllowN(now, 1) {
		return nil
	}
	r := s.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	r.CancelAt(now)
	return api.Errorf(api.CodeRateLimited, "too many requests").WithRetryAfter(wait)
}

// runFrom runs c and then what waits for the turn that c leaves.
func (s *session) runFrom(c *call) {
	for c != nil {
		s.run(c)
		c = s.finish(c)
	}
}

func (s *session) run(c *call) {
	ctx, cancel := context.WithCancel(context.Background()) // expire and cancelAll cancel it
	defer cancel()
	s.mu.Lock()
	c.cancel = cancel
	over := s.over
	tooMuch := c.batch != nil && c.batch.size > maxBatchReply
	s.mu.Unlock()
	if over || c.answered.Load() {
		return
	}
	// A peer that does not read its replies gets no further ones made.
	if s.conn.waitRoom(ctx.Done()) != nil {
		return
	}
	if tooMuch && c.refuse == nil {
		c.refuse = api.Errorf(api.CodeTooLarge, "the replies before this one fill the batch").WithField("batch")
	}
	if c.refuse != nil {
		s.answer(c, s.srv.errorReply(c.id, c.refuse))
		return
	}
	buf := getBuffer()
	buf.b = s.srv.invoke(ctx, s.who, c.method, c.id, c.params, buf.b[:headRoom])
	s.noteSignIn()
	s.answer(c, buf)
}

// answer sends the reply of c unless it has been answered. The buffer is taken.
func (s *session) answer(c *call, reply *buffer) {
	if c.answered.Swap(true) {
		putBuffer(reply)
		return
	}
	if c.id == nil {
		putBuffer(reply)
		if c.batch != nil {
			s.collect(c, nil)
		}
		return
	}
	c.reply = reply
	s.mu.Lock()
	rpc := s.rpc
	s.answering = append(s.answering, c)
	s.mu.Unlock()
	_ = rpc.SendResponse(context.Background(), &jsonrpc2.Response{ID: jsonrpc2.ID{Num: c.num}}) // an error says that the connection is gone
	s.mu.Lock()
	if i := slices.Index(s.answering, c); i >= 0 {
		s.answering = slices.Delete(s.answering, i, i+1)
	}
	s.mu.Unlock()
}

// answeringCall finds the call that the library is sending the reply of.
func (s *session) answeringCall(num uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.answering {
		if c.num == num {
			return c
		}
	}
	return nil
}

// write sends a reply, or keeps it for its batch.
func (s *session) write(c *call) {
	if c.batch != nil {
		s.collect(c, c.reply)
		return
	}
	_ = s.conn.send(sealText(c.reply.b), awaited)
	putBuffer(c.reply)
}

func (s *session) collect(c *call, reply *buffer) {
	s.mu.Lock()
	c.batch.put(c.place, reply)
	c.batch.left--
	complete := c.batch.left == 0
	s.mu.Unlock()
	if complete {
		s.writeBatch(c.batch)
	}
}

// writeBatch sends a batch's replies as one array, or nothing if there are none (JSON-RPC 2.0 §6).
func (s *session) writeBatch(b *batch) {
	if msg := b.join(); msg != nil {
		_ = s.conn.send(sealText(msg), awaited)
	}
}

// join makes one array of the replies, with head room; nil if there are none.
func (b *batch) join() []byte {
	if b.size == 0 {
		return nil
	}
	msg := make([]byte, headRoom, b.size+headRoom)
	for _, reply := range b.out {
		if reply == nil {
			continue
		}
		sep := byte(',')
		if len(msg) == headRoom {
			sep = '['
		}
		msg = append(append(msg, sep), reply.b[headRoom:]...)
		putBuffer(reply)
	}
	return append(msg, ']')
}

// finish ends c when it has returned. It gives the request to which the turn passes, for the
// caller to run; nil if there is none or the turn is elsewhere.
func (s *session) finish(c *call) (next *call) {
	s.mu.Lock()
	if i := slices.Index(s.calls, c); i >= 0 {
		s.calls = slices.Delete(s.calls, i, i+1)
	}
	if s.slot != nil {
		close(s.slot)
		s.slot = nil
	}
	kept, pass := !c.queued, s.turn == c
	if b := c.batch; b != nil {
		b.running--
		b.kept = b.kept || kept
		if complete := b.running == 0; complete {
			kept, pass = b.kept, true // whoever had the turn was the batch's last, and has left it to this
		} else {
			kept, pass = false, pass && !c.last
		}
	}
	if kept && !s.over {
		s.mu.Unlock()
		s.who.Replied()
		s.mu.Lock()
	}
	if pass {
		next = s.passLocked()
	}
	idle := len(s.calls) == 0
	end, drain := idle && s.ended, idle && s.draining
	s.mu.Unlock()
	if end {
		s.end()
	} else if drain {
		s.closeForDrain()
	}
	return next
}

func (s *session) passLocked() (next *call) {
	if len(s.queue) > 0 {
		next = s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	s.turn = next
	return next
}

// expire answers what has taken longer than the limit; what still runs is told to stop.
func (s *session) expire(now int64, limit time.Duration) {
	var late []*call
	s.mu.Lock()
	for _, c := range s.calls {
		if now-c.start > int64(limit) && !c.answered.Load() {
			late = append(late, c)
			if c.cancel != nil {
				c.cancel()
			}
		}
	}
	s.mu.Unlock()
	for _, c := range late {
		s.srv.stats.timeouts.Add(1)
		s.answer(c, s.srv.errorReply(c.id, tookTooLong()))
	}
}

// cancelAll lets nothing more begin and tells what runs to stop: the connection is lost. It is
// called with conn.mu held.
func (s *session) cancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	for _, c := range s.queue {
		if i := slices.Index(s.calls, c); i >= 0 {
			s.calls = slices.Delete(s.calls, i, i+1)
		}
	}
	s.queue = nil
	for _, c := range s.calls {
		if c.cancel != nil {
			c.cancel()
		}
	}
	if s.slot != nil {
		close(s.slot)
		s.slot = nil
	}
}

// readerEnded ends the session, after the calls that still run.
func (s *session) readerEnded() {
	s.cancelAll()
	s.follows.close(s.srv.fan)
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	end := first && len(s.calls) == 0
	s.mu.Unlock()
	if end {
		s.end()
	}
}

// end tells the domain and the server. It is called once.
func (s *session) end() {
	s.who.Close()
	s.srv.remove(s)
}

// noteSignIn follows the domain's word on who is signed in: limits depend on it.
func (s *session) noteSignIn() {
	in := s.who.SignedIn()
	if !s.signedIn.CompareAndSwap(!in, in) {
		return
	}
	if !in {
		s.anonymous.Store(s.srv.clock.Load())
	}
	s.srv.countAnonymous(s.peer, !in)
}

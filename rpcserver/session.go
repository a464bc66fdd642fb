package rpcserver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
	"github.com/sourcegraph/jsonrpc2"
	"golang.org/x/time/rate"
)

// caller is what a connection needs of the domain's session.
type caller interface {
	api.Server
	// Authenticate signs in with a token.
	Authenticate(ctx context.Context, token string) error
	SignedIn() bool
	// Peer is the one that it was connected for.
	Peer() chat.Peer
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
	conn conn // begins with what is looked at most

	// Static after construction.

	srv     *Server
	who     caller
	limiter *rate.Limiter // nil: no limit

	stream  stream
	follows follows

	signedIn  atomic.Bool  // as last seen
	spoken    atomic.Bool  // a reply has gone out, and what was held for it
	anonymous atomic.Int64 // since when it is not signed in, by the server's clock

	// Owned by the sweeper.

	silent int64 // since when nothing has come
	pinged int64 // when it was asked whether it is there; 0: it was not
	closed int64 // when the sweeper saw that it is closing; 0: it is not

	// Guarded by mu.

	mu        sync.Mutex
	rpc       *jsonrpc2.Conn // the present one; nil while there is none
	num       uint64
	turn      *call         // nil: nobody's
	queue     []*call       // for the turn, in order
	calls     []*call       // all that have not ended
	batches   int           // begun and not ended: between two elements of one there may be no call
	answering []*call       // whose reply is on its way through the library
	slot      chan struct{} // closed when a call ends; nil: the reader does not wait for it
	held      [][]byte      // notifications that came before the first reply
	speaking  bool          // they are going out
	over      bool          // nothing more is begun
	ended     bool          // the reader has ended
	draining  bool          // to be closed when it is idle
}

func newSession(srv *Server, peer chat.Peer) *session {
	s := &session{srv: srv}
	s.stream.session = s
	s.conn.initConn(srv, &s.signedIn, s.cancelAll)
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
	if mutant.On(mutant.UnboundedMessage) {
		return 0
	}
	return int(s.srv.limits.MaxMessageBytesAnonymous)
}

// replyRoom is how little has to wait for the peer before it gets another reply, or another page of a replay: what
// nobody reads is better not made. A stranger takes the one before first.
func (s *session) replyRoom() int {
	const user, stranger = 32 << 10, 4 << 10
	if s.signedIn.Load() {
		return user
	}
	return stranger
}

// limitAfterSignIn is messageLimit once what was asked before has been answered: a client may send
// its first long message right behind its login, without waiting.
func (s *session) limitAfterSignIn() int {
	s.mu.Lock()
	for len(s.calls) > 0 && !s.signedIn.Load() && !s.over {
		s.slot = make(chan struct{})
		slot := s.slot
		s.mu.Unlock()
		<-slot
		s.mu.Lock()
	}
	s.mu.Unlock()
	return s.messageLimit()
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
	s.stream.current = nil // an idle connection keeps nothing of its last request
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
		s.srv.crew.run(func() { s.runFrom(c) }) // readerEnded lets the session end after it
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

// tooManyFaults charges what is no request as if it were one, but at most the burst at once: a whole
// batch of them is to be told what is wrong. There is nothing to be gained by asking the peer to wait.
func (s *session) tooManyFaults(reqs []request) bool {
	n := 0
	for i := range reqs {
		if reqs[i].fault != 0 {
			n++
		}
	}
	return n > 0 && s.limiter != nil && !s.limiter.AllowN(time.Now(), min(n, s.srv.burst))
}

// idleLocked tells whether nothing is under way that would still be answered.
func (s *session) idleLocked() bool { return len(s.calls) == 0 && s.batches == 0 }

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
	s.srv.countAnonymous(s.who.Peer(), !in)
}

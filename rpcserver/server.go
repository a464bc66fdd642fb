package rpcserver

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
	"golang.org/x/time/rate"
)

// Options configure a Server. The zero value of each field means its default.
type Options struct {
	// Limits are enforced here but for those of text, data, history and logins, which are the domain's. 0 means no limit.
	Limits api.Limits
	// BacklogBytes is what may wait for a slow reader; 0 means Limits.BacklogBytes.
	BacklogBytes int

	// AllowedOrigins are the web origins that may connect besides the server's own: https://chat.example.org.
	// * stands for any run of characters in a host.
	AllowedOrigins []string
	// AllowedHosts are the names under which the server may be called. None means: on loopback its own
	// names and addresses, elsewhere any.
	AllowedHosts []string
	// TrustedProxies are addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string

	MaxConnections         int // WebSockets and POST calls at once; 0 means no limit
	MaxAnonymousPerAddress int // WebSockets of one address that are not signed in; 0 means no limit; loopback has none

	Metrics       http.Handler // what GET /metrics answers; nil: nothing
	MetricsPublic bool         // not only for peers on loopback

	Logger *slog.Logger // nil means none
}

// Server is the http.Handler of /rpc, /healthz, /readyz, /metrics and /openrpc.json.
type Server struct {
	// Static after construction.

	connect func(port chat.Port, peer chat.Peer) caller
	check   func(ctx context.Context) error
	fan     *Fanout
	opts    Options
	guard   guard
	logger  *slog.Logger
	methods map[string]*method
	mux     *http.ServeMux

	limits      api.Limits
	maxBatch    int
	maxInFlight int
	backlog     int
	rate        rate.Limit // 0: none
	burst       int

	clock     atomic.Int64 // nanoseconds that the server has run as of the last sweep; never 0
	strangers atomic.Int64 // bytes that wait for those who are not signed in
	stats     counters
	draining  atomic.Bool
	posts     postLimits
	crew      crew

	stopped chan struct{}  // closed when the sweeper has ended
	wg      sync.WaitGroup // sessions, and flushers of their conns

	// Guarded by mu.

	mu        sync.Mutex
	sessions  map[*session]struct{}
	calls     int            // POST calls under way
	anonymous int            // sessions not signed in
	addresses map[string]int // of them, by address
	closed    bool           // no session is added
	stop      chan struct{}  // ends the sweeper; nil: it was told
	emptied   chan struct{}  // closed when Drain waits and nothing is left; nil: nobody waits
}

// New starts a server for svc, whose events come through fan, which becomes the server's to close.
func New(svc *chat.Service, fan *Fanout, opts *Options) *Server {
	connect := func(port chat.Port, peer chat.Peer) caller { return svc.Connect(port, peer) }
	return newServer(connect, svc.Check, fan, opts)
}

func newServer(connect func(chat.Port, chat.Peer) caller, check func(context.Context) error, fan *Fanout, opts *Options) *Server {
	srv := &Server{
		connect: connect, check: check, fan: fan, methods: methodTable(), sessions: map[*session]struct{}{}, addresses: map[string]int{},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if opts != nil {
		srv.opts = *opts
	}
	o := &srv.opts
	srv.logger, srv.limits = o.Logger, o.Limits
	if srv.logger == nil {
		srv.logger = slog.New(slog.DiscardHandler)
	}
	l := &srv.limits
	srv.maxBatch, srv.maxInFlight = int(l.MaxBatch), int(l.MaxInFlight)
	srv.backlog = o.BacklogBytes
	if srv.backlog == 0 {
		srv.backlog = int(l.BacklogBytes)
	}
	if srv.backlog == 0 {
		srv.backlog = math.MaxInt / 4
	}
	srv.rate, srv.burst = rate.Limit(l.RequestsPerSecond), max(int(l.RequestBurst), int(l.RequestsPerSecond), 1)
	if mutant.On(mutant.RateLimiterOff) {
		srv.rate = 0
	}
	srv.posts.byAddress = map[string]*rate.Limiter{}
	srv.guard = newGuard(o, srv.logger)
	srv.clock.Store(1)
	srv.mux = srv.routes()
	go srv.sweep(srv.stop) // Close ends it
	return srv
}

// ServeHTTP implements http.Handler.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { srv.mux.ServeHTTP(w, r) }

var (
	errFull    = errors.New("too many connections")
	errCrowded = errors.New("too many connections of this address that are not signed in")
)

// add takes a session in. With errCrowded it is taken in too, to be told and closed; with any other
// error it is not.
func (srv *Server) add(s *session) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closed || srv.fullLocked() {
		return errFull
	}
	anonymous := !s.signedIn.Load()
	limit := srv.opts.MaxAnonymousPerAddress
	peer := s.who.Peer()
	crowded := limit > 0 && anonymous && !peer.Loopback && srv.addresses[peer.Addr] >= limit
	if anonymous {
		srv.countAnonymousLocked(peer, true)
	}
	srv.sessions[s] = struct{}{}
	srv.stats.connectionsTotal.Add(1)
	srv.wg.Add(1)
	if crowded {
		srv.stats.refused.Add(1)
		return errCrowded
	}
	return nil
}

func (srv *Server) fullLocked() bool {
	return srv.opts.MaxConnections > 0 && len(srv.sessions)+srv.calls >= srv.opts.MaxConnections
}

// remove lets a session go that has ended.
func (srv *Server) remove(s *session) {
	srv.mu.Lock()
	if _, ok := srv.sessions[s]; ok {
		delete(srv.sessions, s)
		if !s.signedIn.Load() {
			srv.countAnonymousLocked(s.who.Peer(), false)
		}
		srv.emptyLocked()
		srv.wg.Done()
	}
	srv.mu.Unlock()
}

// beginCall counts a POST call; endCall ends it.
func (srv *Server) beginCall() error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closed || srv.fullLocked() {
		return errFull
	}
	srv.calls++
	srv.wg.Add(1) // Close, which waits, has not begun
	return nil
}

func (srv *Server) endCall() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.calls--
	srv.emptyLocked()
	srv.wg.Done()
}

func (srv *Server) emptyLocked() {
	if srv.emptied != nil && len(srv.sessions) == 0 && srv.calls == 0 {
		close(srv.emptied)
		srv.emptied = nil
	}
}

func (srv *Server) countAnonymous(p chat.Peer, more bool) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.countAnonymousLocked(p, more)
}

func (srv *Server) countAnonymousLocked(p chat.Peer, more bool) {
	if more {
		srv.anonymous++
		srv.addresses[p.Addr]++
		return
	}
	srv.anonymous--
	srv.addresses[p.Addr]--
	if srv.addresses[p.Addr] <= 0 {
		delete(srv.addresses, p.Addr)
	}
}

func (srv *Server) all() []*session { return srv.appendAll(nil) }

func (srv *Server) appendAll(all []*session) []*session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	all = slices.Grow(all, len(srv.sessions))
	for s := range srv.sessions {
		all = append(all, s)
	}
	return all
}

// Drain lets the server run dry: it refuses new connections and requests, lets those under way
// finish, and closes each connection when nothing of it is left, telling it when to come back. If
// ctx ends before, what is left is cut off and ctx's error returned.
func (srv *Server) Drain(ctx context.Context) error {
	srv.draining.Store(true)
	srv.mu.Lock()
	srv.closed = true
	if srv.emptied == nil {
		srv.emptied = make(chan struct{})
	}
	empty := srv.emptied
	srv.emptyLocked()
	srv.mu.Unlock()
	for _, s := range srv.all() {
		s.mu.Lock()
		s.draining = true
		idle := s.idleLocked()
		s.mu.Unlock()
		if idle {
			s.closeForDrain()
		}
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		for _, s := range srv.all() {
			s.closeForDrain() // whatever it still waits for
			s.conn.hangUp()
		}
		return ctx.Err()
	}
}

// reconnectAfter spreads those who come back over time: the more there are, the longer.
func (srv *Server) reconnectAfter() time.Duration {
	srv.mu.Lock()
	n := len(srv.sessions)
	srv.mu.Unlock()
	spread := time.Second + time.Duration(n)*200*time.Microsecond
	return 100*time.Millisecond + rand.N(spread)
}

// Close cuts all connections, ends the Fanout, and waits until all goroutines have ended.
func (srv *Server) Close() {
	srv.draining.Store(true)
	srv.mu.Lock()
	srv.closed = true
	stop := srv.stop
	srv.stop = nil
	srv.mu.Unlock()
	if stop == nil {
		return
	}
	for _, s := range srv.all() {
		s.conn.hangUp()
	}
	srv.wg.Wait()
	close(stop)
	<-srv.stopped
	srv.crew.close()
	srv.fan.Close()
}

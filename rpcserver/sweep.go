package rpcserver

import (
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"golang.org/x/time/rate"
)

// assemblyTime is how long a message may take to arrive, from its first byte to its last.
const assemblyTime = 10 * time.Second

var pingFrame = []byte{final | opPing, 0}

// sweepTimes are the times that the sweeper watches; 0 means not at all.
type sweepTimes struct {
	auth, request, ping, pong time.Duration
}

func (srv *Server) sweepTimes() sweepTimes {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	l := &srv.limits
	return sweepTimes{auth: ms(l.AuthTimeoutMS), request: ms(l.RequestTimeoutMS), ping: ms(l.PingIntervalMS), pong: ms(l.PingTimeoutMS)}
}

// interval is how often to look: often enough for the shortest time, once a second at most seldom.
func (t sweepTimes) interval() time.Duration {
	interval := time.Second
	for _, d := range [...]time.Duration{t.auth, t.request, t.ping, t.pong} {
		if d > 0 {
			interval = min(interval, d/8)
		}
	}
	return max(interval, 2*time.Millisecond)
}

// sweep is the sweeper: one goroutine that watches the deadlines of all connections, and pings
// those that are silent. Close ends it.
func (srv *Server) sweep(stop <-chan struct{}) {
	defer close(srv.stopped)
	times := srv.sweepTimes()
	interval := times.interval()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	now, last := srv.clock.Load(), time.Now()
	var all []*session // kept from one to the next: a silent server makes nothing
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		// While the process stood still (stopped, its machine paused or starved) no peer could have been
		// heard: such time does not count.
		at := time.Now()
		now += int64(min(at.Sub(last), 2*interval))
		last = at
		srv.clock.Store(now)
		all = srv.appendAll(all)
		for _, s := range all {
			s.sweep(now, &times, interval)
		}
		if clear(all); cap(all) > 2*len(all)+64 { // many have gone
			all = nil
		}
		all = all[:0]
		srv.posts.sweep(time.Now())
	}
}

// sweep looks at one connection. Times are taken from the clock of the sweep before at most, so a
// deadline passes an interval late rather than early.
func (s *session) sweep(now int64, times *sweepTimes, interval time.Duration) {
	over := func(since int64, limit time.Duration) bool { return limit > 0 && now-since >= int64(limit+interval) }
	if s.isClosing() {
		if s.closed == 0 {
			s.closed = now
		} else if over(s.closed, 2*closeGrace) {
			s.conn.hangUp()
		}
		return
	}
	if times.request > 0 {
		s.expire(now, times.request+interval)
	}
	s.stream.controls.Store(0)
	reading := s.stream.reading.Load()
	if begun := s.conn.begun.Load(); reading && begun != 0 && over(begun, assemblyTime) {
		s.abuse()
		return
	}
	if !s.signedIn.Load() && over(s.anonymous.Load(), times.auth) {
		s.srv.stats.authCloses.Add(1)
		s.conn.shut(nil, int(api.CloseCodeAuthTimeout), api.CloseCodeAuthTimeout.String())
		return
	}
	alive := s.conn.alive.Swap(false)
	if !alive && reading && now-s.silent >= int64(dozeAfter) && !s.stream.dozing.Load() {
		s.conn.nudge()
	}
	switch {
	case alive || !reading: // what we do not read cannot be held against the peer
		s.silent, s.pinged = now, 0
	case s.pinged == 0 && times.ping > 0 && now-s.silent >= int64(times.ping):
		s.pinged = now
		_ = s.conn.send(pingFrame, push) // if the connection is gone its reader ends
	case s.pinged != 0 && over(s.pinged, times.pong):
		s.srv.stats.idleCloses.Add(1)
		s.conn.shut(nil, int(api.CloseCodeIdle), api.CloseCodeIdle.String())
	}
}

func (s *session) isClosing() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.conn.closing || s.conn.dead
}

// postLimits are the request rates of POST, by address.
type postLimits struct {
	mu        sync.Mutex
	byAddress map[string]*rate.Limiter
}

// allow tells how long addr has to wait before n more requests; 0: not at all. A batch of more than
// the burst, which would never be let through, costs the whole burst.
func (p *postLimits) allow(addr string, n int, now time.Time, limit rate.Limit, burst int) time.Duration {
	n = min(n, burst)
	p.mu.Lock()
	l := p.byAddress[addr]
	if l == nil {
		l = rate.NewLimiter(limit, burst)
		p.byAddress[addr] = l
	}
	p.mu.Unlock()
	if l.AllowN(now, n) {
		return 0
	}
	r := l.ReserveN(now, n)
	defer r.CancelAt(now)
	return r.DelayFrom(now)
}

// sweep forgets addresses that have been quiet.
func (p *postLimits) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, l := range p.byAddress {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(p.byAddress, addr)
		}
	}
}

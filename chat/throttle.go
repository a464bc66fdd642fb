package chat

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chatd-dev/chatd/api"
)

// throttle bounds password guesses: by address, and by account as tried from one address, so that
// a stranger cannot lock an account's owner out. An attempt is counted before the password is
// looked at: parallel guesses do not slip through.
type throttle struct {
	perMinute int // attempts from one address; 0: no bound
	now       func() time.Time

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
	guesses   map[guess]*guessCount
	swept     time.Time
}

type guess struct{ username, addr string }

type guessCount struct {
	failed int
	since  time.Time
}

const (
	guessWindow     = 15 * time.Minute
	guessMax        = 10
	guessMaxOnLocal = 100
	throttleEntries = 100_000
)

func newThrottle(perMinute int, now func() time.Time) *throttle {
	return &throttle{perMinute: perMinute, now: now, addresses: map[string]*rate.Limiter{}, guesses: map[guess]*guessCount{}, swept: now()}
}

// address counts an attempt from peer and refuses it when there were too many.
func (t *throttle) address(peer Peer) error {
	if t.perMinute == 0 || peer.Loopback {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepLocked()
	l := t.addresses[peer.Addr]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Minute/time.Duration(t.perMinute)), t.perMinute)
		t.addresses[peer.Addr] = l
	}
	r := l.ReserveN(t.now(), 1)
	if wait := r.DelayFrom(t.now()); wait > 0 {
		r.CancelAt(t.now())
		return api.Errorf(api.CodeRateLimited, "too many attempts from this address").WithRetryAfter(wait)
	}
	return nil
}

// guess counts an attempt on username from peer and refuses it when too many failed.
func (t *throttle) guess(username string, peer Peer) error {
	if t.perMinute == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepLocked()
	key := guess{username, peer.Addr}
	c := t.guesses[key]
	now := t.now()
	if c == nil || now.Sub(c.since) > guessWindow {
		c = &guessCount{since: now}
		t.guesses[key] = c
	}
	limit := guessMax
	if peer.Loopback {
		limit = guessMaxOnLocal
	}
	if c.failed >= limit {
		return api.Errorf(api.CodeRateLimited, "too many wrong passwords").WithRetryAfter(c.since.Add(guessWindow).Sub(now))
	}
	c.failed++
	return nil
}

// unjudged takes back a guess that was not looked at.
func (t *throttle) unjudged(username string, peer Peer) {
	t.mu.Lock()
	if c := t.guesses[guess{username, peer.Addr}]; c != nil && c.failed > 0 {
		c.failed--
	}
	t.mu.Unlock()
}

// right forgets the failures that came before a right password.
func (t *throttle) right(username string, peer Peer) {
	t.mu.Lock()
	delete(t.guesses, guess{username, peer.Addr})
	t.mu.Unlock()
}

// sweepLocked drops what has no say any more, each minute or when a flood of addresses fills the maps.
func (t *throttle) sweepLocked() {
	now := t.now()
	full := len(t.addresses)+len(t.guesses) > throttleEntries
	if !full && now.Sub(t.swept) < time.Minute {
		return
	}
	t.swept = now
	for k, l := range t.addresses {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(t.addresses, k)
		}
	}
	for k, c := range t.guesses {
		if now.Sub(c.since) > guessWindow {
			delete(t.guesses, k)
		}
	}
	if len(t.addresses)+len(t.guesses) > throttleEntries {
		clear(t.addresses)
		clear(t.guesses)
	}
}

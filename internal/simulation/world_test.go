package simulation

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/rpcserver"
)

// world is one run of a plan, in a bubble of fake time.
type world struct {
	t        *testing.T
	plan     *plan
	net      *network
	disk     *disk
	judge    *oracle.Oracle
	began    time.Time
	orders   chan order   // capacity 0
	clock    atomic.Int64 // nanoseconds that the server's clock is wrong by
	earliest int64        // of the times by that clock when a process started; the supervisor's
	leapt    atomic.Bool  // it has been, by more than a token lives
	rooms    map[string]api.RoomID
	serving  atomic.Pointer[chat.Service] // nil: nobody is
	tally    tally
	log      diary

	mu    sync.Mutex
	trace []string
	bad   []string
}

// tally counts what has happened, over all seeds: a simulation in which nothing happens proves nothing.
type tally struct {
	posts, events, replayed, connections, slow, idle, restarts, retries, purged atomic.Int64
}

func newWorld(t *testing.T, p *plan) *world {
	w := &world{
		t: t, plan: p, net: newNetwork(p), disk: newDisk(p.seed), judge: oracle.New(), began: time.Now(), orders: make(chan order),
		rooms: map[string]api.RoomID{},
	}
	w.log.w = w
	if p.has(slowReads) {
		w.disk.lag = time.Duration(1+p.seed%7*60) * time.Millisecond
	}
	return w
}

// now is the server's clock on the wall: it knows no monotonic time.
func (w *world) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.clock.Load())) }

// note keeps what happened, for who has to find out what went wrong.
func (w *world) note(who, format string, args ...any) {
	line := fmt.Sprintf("%10v %s: %s", time.Since(w.began).Round(time.Millisecond), who, fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, line)
}

// wrong notes what may not be.
func (w *world) wrong(who, format string, args ...any) {
	text := who + ": " + fmt.Sprintf(format, args...)
	w.note(who, "WRONG: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, text)
}

// report tells what was wrong, and fails the test if anything was.
func (w *world) report() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	if len(w.bad) > 0 {
		text = fmt.Sprintf("seed %d: %d things are wrong\n\t%s\n\nreplay: go test ./internal/simulation -seed %d -seeds 1\n\n%v\n%s",
			w.plan.seed, len(w.bad), strings.Join(w.bad[:min(len(w.bad), 8)], "\n\t"), w.plan.seed, w.plan, strings.Join(w.trace, "\n"))
		w.t.Error(text)
	} else if *verbose {
		w.t.Logf("%v\n%s", w.plan, strings.Join(w.trace, "\n"))
	}
	return text
}

func (w *world) count(s rpcserver.Stats) {
	w.tally.events.Add(s.Events)
	w.tally.replayed.Add(s.Replayed)
	w.tally.connections.Add(s.ConnectionsTotal)
	w.tally.slow.Add(s.SlowCloses)
	w.tally.idle.Add(s.IdleCloses)
	w.tally.restarts.Add(1)
}

// tokenLife is how long a token lives unused.
const tokenLife = 90 * 24 * time.Hour

// believe is called when a process starts: then, and only then, it believes the clock. If an earlier one
// believed a much earlier time, the tokens that it gave out have expired.
func (w *world) believe() {
	now := w.clock.Load()
	w.earliest = min(w.earliest, now)
	if now-w.earliest > int64(tokenLife/2) {
		w.leapt.Store(true)
	}
}

// nemesis deals the plan's strokes.
func (w *world) nemesis() {
	for _, s := range w.plan.strokes {
		time.Sleep(time.Until(w.began.Add(s.at)))
		w.note("nemesis", "%v", s)
		w.strike(s)
	}
}

func (w *world) strike(s stroke) {
	switch s.kind {
	case strokeCut:
		w.net.each(s.user, func(l *link) { l.breakOff(s.n%3 == 0, s.n%2 == 0) })
	case strokeStall:
		w.net.each(s.user, func(l *link) { l.hold(s.lasts, s.n%2 == 0) })
	case strokeBlack:
		w.net.each(s.user, (*link).blacken)
	case strokeCrash:
		w.orders <- order{how: byKill, hard: s.n%2 == 0, away: s.lasts}
	case strokeDrain:
		w.orders <- order{how: byDrain, away: s.lasts}
	case strokeTrap:
		fates := []trap{}
		if w.plan.has(crashes) {
			fates = append(fates, dieBefore, dieAfter)
		}
		if w.plan.has(brokenDisk) {
			fates = append(fates, breakBefore, breakAfter)
		}
		w.disk.set(func() { w.disk.trap = fates[s.n%len(fates)] })
	case strokeFull:
		w.disk.set(func() {
			if w.disk.full = s.n%2 == 0; !w.disk.full {
				w.disk.trap = fullWhenNumber
			}
		})
		time.AfterFunc(s.lasts, func() { w.disk.set(func() { w.disk.full = false }) })
	case strokeSlow:
		w.disk.set(func() { w.disk.slow = time.Duration(1+s.n*3) * time.Millisecond })
		time.AfterFunc(s.lasts, func() { w.disk.set(func() { w.disk.slow = 0 }) })
	case strokeLeap:
		const year = 365 * 24 * time.Hour
		to := []time.Duration{0, -10 * year, 10 * year, time.Hour, -time.Hour, -year}[s.n%6]
		w.clock.Store(int64(to))
	case strokePurge:
		w.purge(w.plan.rooms[s.n%len(w.plan.rooms)], int64(s.n%16))
	}
}

// purge lets the host, who is the administrator, remove all but the last messages of a room, if a server is there to do it. It goes
// on with that when it is started anew.
func (w *world) purge(room string, keep int64) {
	svc := w.serving.Load()
	if svc == nil {
		return
	}
	sess := svc.Connect(nil, chat.Peer{Loopback: true})
	defer sess.Close()
	_, err := sess.AuthLogin(w.t.Context(), &api.AuthLoginParams{Username: "host", Password: password("host")})
	if err == nil {
		_, err = sess.PurgeStart(w.t.Context(), &api.PurgeStartParams{Room: room, KeepMessages: &keep})
	}
	w.note("the host", "purges %s: %v", room, err)
}

// diary is where the server's log goes.
type diary struct{ w *world }

// Write implements io.Writer.
func (d *diary) Write(p []byte) (int, error) {
	d.w.note("log", "%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

func (t *tally) add(o *tally) {
	for i, n := range o.all() {
		t.all()[i].Add(n.Load())
	}
}

func (t *tally) all() []*atomic.Int64 {
	return []*atomic.Int64{&t.posts, &t.retries, &t.events, &t.replayed, &t.connections, &t.slow, &t.idle, &t.restarts, &t.purged}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d posts, %d retries answered, %d events delivered, %d replayed, %d connections, %d closed as slow, %d as gone, %d servers, %d events purged",
		t.posts.Load(), t.retries.Load(), t.events.Load(), t.replayed.Load(), t.connections.Load(), t.slow.Load(), t.idle.Load(), t.restarts.Load(), t.purged.Load())
}

// enough fails the test if too little has happened for it to mean anything.
func (t *tally) enough(test *testing.T) {
	for _, n := range t.all() {
		if n.Load() == 0 {
			test.Errorf("too little has happened: %v", t)
		}
	}
}

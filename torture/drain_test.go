package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What SIGTERM may take, by promise P9.
const drainLimit = 10 * time.Second

// drainWorld is a server under load: rooms[0] is busy, rooms[1] quiet.
type drainWorld struct {
	*killWorld
	rng    *rand.Rand
	users  []*chatclient.Client
	conns  int // altogether
	busy   int // followers of the busy room, without the SDK
	rate   int // posts a second, half of them by the SDK
	loads  int // up to now
	longed time.Duration
}

// P9: SIGTERM under load. Everybody is told, what is acknowledged stays, the exit status is 0 within the
// promised time, and the SDK's users notice nothing but a pause.
func TestDrainUnderLoad(t *testing.T) {
	rng := newRand(t)
	w := &drainWorld{killWorld: newKillWorld(t, 2, nil), rng: rng, conns: 200, busy: 20, rate: 500}
	switch {
	case *long:
		w.conns, w.busy = 1000, 50
	case rig.RaceEnabled():
		w.conns, w.rate = 100, 200
	}
	begin, total := time.Now(), scale(2, 20)
	for i := range 4 {
		w.users = append(w.users, w.dial(fmt.Sprintf("user%d", i)))
	}
	for i := range 10 {
		w.paced(fmt.Sprintf("sdk%d", i), w.rate/20)
		w.follow(fmt.Sprintf("follower%d", i), false, rng)
	}
	for range total {
		w.round()
		if w.broken.Load() {
			break
		}
	}
	for range total {
		w.twice()
	}
	// The SDK's followers have heard of every end but, perhaps, of those with a second signal.
	if heard := w.closings.Load(); heard < int64(10*total) {
		w.fail("10 followers heard of %d endings of %d", heard, total)
	}
	report := w.finish()
	if log := w.s.Stderr(); strings.Contains(log, "goroutine ") || strings.Contains(log, "panic") || strings.Contains(log, "DATA RACE") {
		w.fail("the server's log has a dump: %s", log)
	}
	if !t.Failed() {
		t.Logf("PROOF drain: %d times SIGTERM at %d posts a second and %d connections, %d times twice: exit status 0 after at most %v; "+
			"%d posts acknowledged, 0 lost, 0 doubled, %d events followed, %v", total, w.rate, w.conns, total, w.longed.Round(time.Millisecond),
			report.Acked, report.Followed, time.Since(begin).Round(time.Second))
	}
}

// paced is a writer of the SDK's that posts at so many a second, whatever happens to the server.
func (w *drainWorld) paced(user string, rate int) {
	c := w.dial(user)
	line, poster := w.o.Pipeline(w.rooms[0], user), c.NewPoster(w.rooms[0], 4096)
	n := 0
	var posts []*chatclient.Post
	var sends []*oracle.Send
	take := func(ctx context.Context) { // the answers that come before ctx ends
		for len(posts) > 0 {
			a, err := posts[0].Wait(ctx)
			switch {
			case err != nil && ctx.Err() != nil:
				return
			case err != nil:
				w.fail("%s: a post of the SDK's: %v", user, err)
				return
			}
			sends[0].Acked(a)
			posts, sends = posts[1:], sends[1:]
		}
	}
	w.flush = append(w.flush, poster.Flush)
	due := time.Now()
	w.write(func() {
		n++
		p := &api.MessagePostParams{Text: fmt.Sprintf("%s says %d", user, n), IdempotencyKey: fmt.Sprintf("%s-%d", user, n)}
		send := line.Sent(p.IdempotencyKey, p.Text)
		post, err := poster.PostMessage(w.ctx, p)
		if err != nil {
			w.fail("%s: a post of the SDK's: %v", user, err)
			return
		}
		posts, sends = append(posts, post), append(sends, send)
		due = due.Add(time.Second / time.Duration(rate))
		ctx, cancel := context.WithDeadline(w.ctx, due)
		defer cancel()
		take(ctx)
		<-ctx.Done()
	}, func() {
		ctx, cancel := context.WithTimeout(w.ctx, rig.Patience)
		defer cancel()
		if take(ctx); len(posts) > 0 {
			w.fail("%s: %d posts of the SDK's without an answer after %v", user, len(posts), rig.Patience)
		}
	})
}

// load connects who does not come back: followers of both rooms, and writers.
func (w *drainWorld) load() (stop func()) {
	var halt atomic.Bool
	var wg sync.WaitGroup
	const writers = 10
	w.loads++
	for i := range w.conns - 20 {
		user := w.users[i%len(w.users)]
		room := w.rooms[1]
		if i < w.busy {
			room = w.rooms[0]
		}
		b := w.bareDial(fmt.Sprintf("bare%d-%d", w.loads, i), user.Token(), api.MethodSyncOpen, fmt.Sprintf(`[[{"room":%q}]]`, room))
		wg.Go(b.read) // ends with the server
		if i < writers {
			wg.Go(func() { b.steady(w.rooms[0], fmt.Sprintf("user%d", i%len(w.users)), w.rate/20, &halt) })
		}
	}
	for i, user := range w.users {
		wg.Go(func() { // ends with the server
			w.curl(fmt.Sprintf("curl%d-%d", w.loads, i), w.rooms[0], fmt.Sprintf("user%d", i), user.Token())
		})
	}
	return func() {
		halt.Store(true)
		wg.Wait()
	}
}

// round ends the server by SIGTERM under load and starts it again.
func (w *drainWorld) round() {
	w.t.Helper()
	stop := w.load()
	time.Sleep(300*time.Millisecond + time.Duration(w.rng.IntN(int(200*time.Millisecond))))
	code, took := w.s.Term()
	stop()
	w.longed = max(w.longed, took)
	if code != 0 || took > drainLimit {
		w.fail("SIGTERM: exit status %d after %v", code, took)
	}
	if err := w.s.Restart(); err != nil {
		w.t.Fatal(err)
	}
	w.check()
}

// twice sends a second SIGTERM soon after the first: the server ends at once, and nothing is lost either.
func (w *drainWorld) twice() {
	w.t.Helper()
	time.Sleep(time.Duration(w.rng.IntN(int(100 * time.Millisecond))))
	begin := time.Now()
	for range 2 {
		_ = syscall.Kill(w.s.PID(), syscall.SIGTERM) // it may have ended
		time.Sleep(time.Duration(w.rng.IntN(int(3 * time.Millisecond))))
	}
	if code, took := w.s.Wait(), time.Since(begin); code != 0 && code != 1 || took > drainLimit {
		w.fail("SIGTERM twice: exit status %d after %v", code, took)
	}
	if err := w.s.Restart(); err != nil {
		w.t.Fatal(err)
	}
	w.check()
}

package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
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

// clockBed is what goes on while the clock is set.
type clockBed struct {
	*clockServer
	o     *oracle.Oracle
	room  streamRoom
	ada   *chatclient.Client
	token string // of ada, from the very beginning

	over    atomic.Bool
	posters sync.WaitGroup
	wg      sync.WaitGroup
	posts   atomic.Int64
	resumes atomic.Int64
}

const tenYears = 10 * 365 * 24 * time.Hour

// TestClock is P11: the wall clock is set by ten years, forward and back, again and again, while
// clients post, resume and log in. Nothing is decided by it: not the order, not who is signed in,
// not how long a limit lasts.
func TestClock(t *testing.T) {
	rng := newRand(t)
	steps := scale(24, 400)
	b := newClockBed(t)
	b.work(4, 8, rng)
	thanos := &chatclient.Options{Username: "thanos", Password: "i am groot", Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
	b.register("thanos")
	for range 10 { // as many as may be wrong
		if _, err := b.dial(thanos); !errors.Is(err, api.ErrUnauthenticated) {
			t.Fatalf("a wrong password: %v", err)
		}
	}
	say := newProgress(t)
	for i := range steps {
		b.skew.Store(int64([]time.Duration{-tenYears, tenYears, 0, tenYears, -tenYears}[i%5]))
		time.Sleep(time.Duration(20+rng.IntN(60)) * time.Millisecond)
		b.login("ada").Close()
		if _, err := b.dial(thanos); !limitedFor(err, 15*time.Minute) {
			t.Errorf("the clock at %v: the 11th wrong password: %v", b.now(), err)
		}
		if i%4 == 0 {
			b.burst()
		}
		if t.Failed() && i >= 4 { // every step has been made
			break
		}
		say.say("%d of %d steps, %d posts, %d resumes", i+1, steps, b.posts.Load(), b.resumes.Load())
	}
	b.finish()
	if years := b.yearsTold(); years < 3 && steps > 4 {
		t.Errorf("the events tell of %d years: the clock was not set", years)
	}
	streamProof(t, "clock: %d steps of ten or twenty years; %d posts, %d resumes, %d logins, a limit each time; none out of order, none signed out, none let through", steps, b.posts.Load(), b.resumes.Load(), steps)
}

// TestClockAcrossRestart is what a restart with another clock changes: logins, which end when the clock
// says so, and nothing else. Who has a password signs in again and goes on where they were.
func TestClockAcrossRestart(t *testing.T) {
	rng := newRand(t)
	b := newClockBed(t)
	b.work(2, 0, rng) // their clients have passwords
	followed := newStreamFollower(b.o, b.addr, b.token, "away", []streamRoom{b.room})
	told := []string{}
	for i := range scale(4, 40) {
		skew := []time.Duration{tenYears, 0, -tenYears, 0}[i%4]
		b.restart(skew)
		if err := b.wait(func() bool { return b.posts.Load() > int64(10*(i+1)) }); err != nil {
			t.Fatalf("posting, the clock set by %v: %v", skew, err)
		}
		// The first token is judged by the clock that the server started with.
		c, err := streamDial(b.addr, b.token)
		if err == nil {
			c.nc.Close()
		}
		var refused *streamRefused
		if expired := errors.As(err, &refused); expired != (skew > clockTTL) || err != nil && !expired {
			t.Errorf("the clock set by %v: the first token: %v", skew, err)
		} else if i < 4 {
			told = append(told, fmt.Sprintf("%+d years: expired %v", skew/(365*24*time.Hour), expired))
		}
		fresh := b.login("ada")
		followed.token = fresh.Token()
		got, err := fresh.RoomGet(t.Context(), &api.RoomGetParams{Room: b.room.name})
		if err != nil {
			t.Fatal(err)
		}
		if err := followed.followTo([]int64{int64(got.Room.Head.Seq)}); err != nil {
			t.Errorf("resume, the clock set by %v: %v", skew, err)
		}
		if t.Failed() {
			break
		}
	}
	b.finish()
	streamProof(t, "clock-restart: %d posts, %d events resumed; the first token, %v; after a login all went on where it was", b.posts.Load(), followed.events, told)
}

// TestFrozen is a process that stands still for longer than a message may take to arrive, as when its machine is
// paused, while messages are on their way: that was no fault of who sent them.
func TestFrozen(t *testing.T) {
	if !*long {
		t.Skip("takes 13 s of waiting: only with -long")
	}
	const peers, frozen = 200, 13 * time.Second
	w := newStreamWorld(t, 1)
	conns, rest := make([]*streamConn, peers), make([][]byte, peers)
	for i := range conns {
		c, err := streamDial(w.srv.Addr(), w.token(0))
		if err != nil {
			t.Fatal(err)
		}
		defer c.nc.Close()
		c.ask(api.MethodServerPing, "{}")
		conns[i], rest[i] = c, c.out[20:]
		c.out = c.out[:20]
		if err := c.flush(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(500 * time.Millisecond) // the server has seen the beginnings
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := syscall.Kill(w.srv.PID(), sig); err != nil {
			t.Fatal(err)
		}
		if sig == syscall.SIGCONT {
			break
		}
		for i, c := range conns {
			if _, err := c.nc.Write(rest[i]); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(frozen)
	}
	for i, c := range conns {
		if _, err := c.next(); err != nil {
			t.Errorf("peer %d: %v", i, err)
		}
	}
	streamProof(t, "frozen: %v of standing still cost none of %d peers in mid-message their connection", frozen, peers)
}

func newClockBed(t *testing.T) *clockBed {
	t.Helper()
	b := &clockBed{clockServer: newClockServer(t), o: oracle.New()}
	b.ada = b.register("ada")
	b.token = b.ada.Token()
	made, err := b.ada.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "hitchhikers"})
	if err != nil {
		t.Fatal(err)
	}
	b.room = streamRoom{made.Room.ID, "hitchhikers"}
	return b
}

// work lets posters post and followers resume until finish.
func (b *clockBed) work(posters, followers int, rng *rand.Rand) {
	b.t.Helper()
	for range posters {
		c := b.login("ada")
		b.posters.Go(func() { b.post(c) })
	}
	for i := range followers {
		f := newStreamFollower(b.o, b.addr, b.token, fmt.Sprintf("f%d", i), []streamRoom{b.room})
		mine := rand.New(rand.NewPCG(rng.Uint64(), 5))
		b.wg.Go(func() {
			for !b.over.Load() {
				nc, err := net.DialTimeout("tcp", b.addr, rig.Patience)
				if err == nil {
					before := f.opened
					err = f.follow(cutRandomly(nc, mine), b.over.Load)
					b.resumes.Add(int64(f.opened - before))
				}
				if brokenPromise(err) {
					b.t.Errorf("the clock at %v: %v", b.now(), err)
					return
				}
			}
			if err := f.followTo([]int64{b.head()}); err != nil {
				b.t.Error(err)
			}
			f.complete()
		})
	}
}

func (b *clockBed) post(c *chatclient.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	p := c.NewPoster(b.room.name, 8)
	line := b.o.Pipeline(b.room.name, "ada")
	for n := 0; !b.over.Load(); n++ {
		key, text := c.NewKey(), fmt.Sprintf("towel %d", n)
		send := line.Sent(key, text)
		post, err := p.PostMessage(ctx, &api.MessagePostParams{Text: text, IdempotencyKey: key})
		var res *api.MessagePostResult
		if err == nil {
			res, err = post.Wait(ctx)
		}
		if err != nil {
			b.t.Errorf("post with the clock at %v: %v", b.now(), err)
			return
		}
		send.Acked(res)
		b.posts.Add(1)
		time.Sleep(10 * time.Millisecond) // far below the rate
	}
}

// burst asks for more at once than a connection may.
func (b *clockBed) burst() {
	b.t.Helper()
	c, err := streamDial(b.addr, b.token)
	if err != nil {
		b.t.Errorf("the clock at %v: %v", b.now(), err)
		return
	}
	defer c.nc.Close()
	const asked = 2 * clockBurst
	for range asked {
		c.ask(api.MethodServerPing, "{}")
	}
	begin := time.Now()
	if err := c.flush(); err != nil {
		b.t.Error(err)
		return
	}
	answered := 0
	for range asked {
		m, err := c.next()
		if err != nil {
			b.t.Error(err)
			return
		}
		if m.refusal == nil {
			answered++
		} else if err := streamRefusal(m.refusal); !limitedFor(err, time.Minute) {
			b.t.Errorf("the clock at %v: %v", b.now(), err)
			return
		}
	}
	if most := clockBurst + int(time.Since(begin).Seconds()*clockRate) + 1; answered < clockBurst || answered > most {
		b.t.Errorf("the clock at %v: %d requests at once were answered; %d to %d were to be", b.now(), answered, clockBurst, most)
	}
}

// limitedFor tells whether err says to come back, and not too late.
func limitedFor(err error, most time.Duration) bool {
	var refused *api.Error
	return errors.As(err, &refused) && refused.Code == api.CodeRateLimited && refused.Data.RetryAfterMS != nil &&
		*refused.Data.RetryAfterMS > 0 && *refused.Data.RetryAfterMS <= most.Milliseconds()
}

// head is the end of the log, when nobody posts any more.
func (b *clockBed) head() int64 {
	b.posters.Wait()
	got, err := b.ada.RoomGet(context.Background(), &api.RoomGetParams{Room: b.room.name})
	if err != nil {
		b.t.Error(err)
		return 0
	}
	return int64(got.Room.Head.Seq)
}

func (b *clockBed) wait(done func() bool) error {
	for deadline := time.Now().Add(rig.Patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || b.t.Failed() {
			return errors.New("it did not happen")
		}
	}
	return nil
}

// finish ends the work and judges it.
func (b *clockBed) finish() {
	b.t.Helper()
	b.over.Store(true)
	b.posters.Wait()
	b.wg.Wait()
	if b.t.Failed() {
		return
	}
	if _, err := b.o.CheckRoom(context.Background(), b.ada, b.room.name); err != nil {
		b.t.Error(err)
	}
}

// yearsTold is how many different years the events have.
func (b *clockBed) yearsTold() int {
	years := map[int]bool{}
	for raw, err := range oracle.Log(context.Background(), b.ada, b.room.name) {
		var e api.Event
		if err == nil {
			err = e.UnmarshalJSON(raw)
		}
		if err != nil {
			b.t.Error(err)
			break
		}
		years[e.At.Time().Year()] = true
	}
	return len(years)
}

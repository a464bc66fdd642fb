package torture

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/rig"
)

// resumeTime is when TestResume ends with what it has, if a busy machine has not let it come to its goal.
func resumeTime() time.Duration {
	if *long {
		return 30 * time.Minute
	}
	return 10 * time.Second
}

// TestResume is P6: 200 followers whose connections are cut at random bytes in either direction,
// and a server that is killed now and then, while others post. A follower that comes back says no
// more than the number of the last event that it has.
func TestResume(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	goal := scale(4000, 1_000_000)
	const viaSDK, users, roomCount = 12, 6, 4
	followers := 200
	if rig.RaceEnabled() {
		followers = 60
	}
	w := newStreamWorld(t, users)
	var rooms []streamRoom
	for i := range roomCount {
		rooms = append(rooms, w.room(fmt.Sprintf("room%d", i)))
	}
	proxy := newStreamProxy(t, w.srv.Addr(), 30_000, rand.New(rand.NewPCG(rng.Uint64(), 1)))
	b := &resumeBed{streamWorld: w, proxy: proxy, rooms: rooms}
	begin := time.Now()
	b.postAll(4)
	for i := range followers {
		mine := []streamRoom{rooms[i%roomCount], rooms[(i+1)%roomCount]}
		if i < viaSDK {
			b.followBySDK(i, mine)
		} else {
			b.followRaw(i, mine, rand.New(rand.NewPCG(rng.Uint64(), 2)))
		}
	}
	say := newProgress(t)
	kills := 0
	for next := killPause(rng); b.resumes.Load() < int64(goal) && time.Since(begin) < resumeTime() && !t.Failed(); {
		if time.Sleep(10 * time.Millisecond); time.Since(begin) > next {
			w.srv.Kill()
			if err := w.srv.Restart(); err != nil {
				t.Fatal(err)
			}
			kills++
			next = time.Since(begin) + killPause(rng)
		}
		say.say("%d of %d resumes, %d kills, %v", b.resumes.Load(), goal, kills, time.Since(begin).Round(time.Second))
	}
	took := time.Since(begin)
	resumes, replays := b.resumes.Load(), b.replays.Load()
	b.end()
	report := w.check(rooms)
	streamProof(t, "resume: %d of %d resumes, %.0f a second, of %d followers, %d with something to replay, and %d connections that were cut before; %d more by the SDK, %d cuts by the proxy; %d kills; %d events in %d rooms, %d heard, none twice, none left out",
		resumes, goal, float64(resumes)/took.Seconds(), followers, replays, b.early.Load(), b.bySDK.Load(), proxy.count(), kills, report.Events, roomCount, report.Followed)
}

// killPause is the time between two kills.
func killPause(rng *rand.Rand) time.Duration {
	if *long {
		return 5*time.Second + time.Duration(rng.IntN(5000))*time.Millisecond
	}
	return time.Duration(1500+rng.IntN(1500)) * time.Millisecond
}

// TestResumeInBusyRoom is P6 where replaying meets what is published meanwhile: followers end and begin to
// follow a room, over and over, in which post follows post.
func TestResumeInBusyRoom(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	goal := int64(scale(1500, 40_000))
	const posters, followers = 3, 6
	w := newStreamWorld(t, 3)
	rooms := []streamRoom{w.room("busy")}
	begin := time.Now()
	var over atomic.Bool
	var resumes atomic.Int64
	var posting, following sync.WaitGroup
	for i := range posters {
		p := w.poster(i, fmt.Sprintf("p%d", i), 4, rooms)
		posting.Go(func() {
			if err := p.run(1<<40, func() bool { return !over.Load() }); err != nil {
				t.Error(err)
			}
		})
	}
	var all []*streamFollower
	for i := range followers {
		f := newStreamFollower(w.o, w.srv.Addr(), w.token(i), fmt.Sprintf("f%d", i), rooms)
		all = append(all, f)
		mine := rand.New(rand.NewPCG(rng.Uint64(), 6))
		following.Go(func() {
			err := f.followAgain(mine, func() bool { return resumes.Add(1) > goal || time.Since(begin) > resumeTime() })
			if err != nil {
				t.Error(err)
			}
		})
	}
	following.Wait()
	over.Store(true)
	posting.Wait()
	for _, f := range all {
		if err := f.followTo(w.heads(rooms)); err != nil {
			t.Error(err)
		}
		f.complete()
	}
	report := w.check(rooms)
	streamProof(t, "resume-in-busy-room: %d resumes of %d followers among %d posts in %v; %d events heard, none twice, none left out",
		min(resumes.Load(), goal), followers, report.Acked, time.Since(begin).Round(time.Millisecond), report.Followed)
}

// TestResumeFarBehind is P6 far behind: who was away for a million events gets every one of them,
// while the room and another go on. The server's memory does not grow by it.
func TestResumeFarBehind(t *testing.T) {
	newRand(t)
	behind := scale(20_000, 1_000_000)
	const posters, window, away = 8, 256, 3
	w := newStreamWorld(t, 3)
	busy, other := w.room("busy"), w.room("other")
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range posters {
		p := w.poster(i, fmt.Sprintf("fill%d", i), window, []streamRoom{busy})
		wg.Go(func() {
			defer p.conn.nc.Close()
			if err := p.run(behind/posters, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	filled := time.Since(begin)
	w.srv.Kill() // so that what filling took is not in the memory that is measured
	if err := w.srv.Restart(); err != nil {
		t.Fatal(err)
	}
	stop := w.listen(1, []streamRoom{other}) // it must not wait for the others' replay
	var over atomic.Bool
	live := func(n int, name string) {
		r := []streamRoom{busy, other}[n%2]
		p := w.poster(n, name, 4, []streamRoom{r})
		wg.Go(func() {
			more := func() bool { time.Sleep(time.Millisecond); return !over.Load() }
			if err := p.run(1<<40, more); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 4 {
		live(i, fmt.Sprintf("live%d", i))
	}
	time.Sleep(time.Second) // the server's memory comes to what live posting takes
	before, most := w.srv.RSS(), int64(0)
	since := time.Now()
	var late sync.WaitGroup
	var followers []*streamFollower
	for i := range away {
		f := newStreamFollower(w.o, w.srv.Addr(), w.token(i), fmt.Sprintf("away%d", i), []streamRoom{busy})
		followers = append(followers, f)
		late.Go(func() {
			if err := f.followTo([]int64{int64(behind)}); err != nil { // until it is live
				t.Error(err)
			}
		})
	}
	caughtUp := make(chan struct{})
	go func() { late.Wait(); close(caughtUp) }()
	for waiting := true; waiting; {
		select {
		case <-caughtUp:
			waiting = false
		case <-time.After(5 * time.Millisecond):
		}
		most = max(most, w.srv.RSS())
	}
	took := time.Since(since)
	over.Store(true)
	wg.Wait()
	stop()
	heads := w.heads([]streamRoom{busy})
	for _, f := range followers {
		if err := f.followTo(heads); err != nil {
			t.Error(err)
		}
		f.complete()
	}
	report := w.check([]streamRoom{busy, other})
	const bound = 32 << 20 // four readers of the store keep 4 MiB each; a page of replay is 64 KiB, a backlog 256 KiB; the rest is the collector's
	if grown := most - before; grown > bound && !rig.RaceEnabled() {
		t.Errorf("the server grew by %d KiB, from %d KiB, while %d followers were replayed %d events each", grown>>10, before>>10, away, behind)
	}
	streamProof(t, "resume-far-behind: %d followers resumed %d events behind in %v (%.0f events a second) while %d were posted; server memory %.1f MiB before, %.1f MiB at most; filled in %v; %d events heard",
		away, behind, took.Round(time.Millisecond), float64(away*behind)/took.Seconds(), report.Acked-int64(behind), float64(before)/(1<<20), float64(most)/(1<<20), filled.Round(time.Millisecond), report.Followed)
}

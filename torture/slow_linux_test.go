package torture

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

const (
	slowCloseTime = 10 * time.Second // P7: who takes nothing is closed within it
	slowMost      = 384 << 10        // P7: bytes that one of them costs, the kernel's included
	slowBacklog   = "128KiB"         // the collector of garbage may keep as much again
	slowFull      = 384 << 10        // bytes after which every buffer on the way to a peer is full: the backlog, and the kernel's of both sides
	slowNoise     = 4 << 20          // bytes that the process may grow by meanwhile for other reasons
	slowReceive   = 16 << 10
	slowTextBytes = 300
)

// slowRoom is a busy room half of whose followers stop reading.
type slowRoom struct {
	*loadRoom
	t       *testing.T
	server  *rig.Server
	owner   *chatclient.Client
	dialer  *loadDialer
	phase   atomic.Int32
	reading sync.WaitGroup
}

// Half of a busy room's followers stop reading, some of them nearly. The others do not notice; the
// stalled cost little, are closed with a code that says to resume, and miss nothing then (P7).
func TestSlowReaders(t *testing.T) {
	n, rate, base := 100, 400, 2*time.Second
	switch {
	case *long:
		n, base = 1000, 15*time.Second
	case rig.RaceEnabled():
		n, rate = 40, 200
	}
	n = loadConnections(t, n)
	s := rig.Start(t, &rig.Options{Env: []string{"CHATD_LIMITS_BACKLOG_BYTES=" + slowBacklog}})
	r := &slowRoom{loadRoom: loadNewRoom("busy"), t: t, server: s, owner: s.Dial(t, "ada", nil)}
	t.Cleanup(r.reading.Wait) // after the followers are closed
	r.dialer = &loadDialer{addr: s.Addr(), receive: slowReceive, buffer: 16 << 10}
	if _, err := r.owner.RoomCreate(t.Context(), &api.RoomCreateParams{Name: r.name}); err != nil {
		t.Fatal(err)
	}
	good, slow := r.follow(n-n/2), r.follow(n/2)
	stop := r.post(rate)
	defer stop()
	time.Sleep(base)
	before := s.MaxRSS() // garbage of the traffic included

	r.phase.Store(1)
	published := r.bytes.Load()
	for i, f := range slow {
		if i < max(3, len(slow)/20) {
			f.gulp.Store(1 << 10) // reads on, far too slowly
			f.stall(false)
			continue
		}
		f.stall(true)
	}
	cost := r.awaitClosed(slow, before, published)
	r.phase.Store(2)
	time.Sleep(base / 2)
	stop()

	head := api.Seq(r.newest.Load())
	for _, f := range good {
		f.await(t, "a good follower", head)
	}
	r.checkClosed(slow)
	r.resume(slow, head)
	if got := r.check(t, r.owner); got != head {
		t.Errorf("the log ends with %d, not %d", got, head)
	}
	r.report(good, rate, cost)
}

// follow makes n followers that read.
func (r *slowRoom) follow(n int) []*loadFollower {
	r.t.Helper()
	var list []*loadFollower
	for range n {
		f, err := loadFollow(r.dialer, r.owner.Token(), r.loadRoom, 0, &r.phase)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, f)
		r.start(f)
	}
	return list
}

// start lets f read; the test's end ends it.
func (r *slowRoom) start(f *loadFollower) {
	r.reading.Add(1)
	go func() { // ends with the connection
		defer r.reading.Done()
		f.run()
	}()
	r.t.Cleanup(func() {
		f.stalled.Store(false)
		f.wire.sock.Close()
	})
}

// post posts so many messages a second until stop is called.
func (r *slowRoom) post(rate int) (stop func()) {
	const posters = 8
	ctx, cancel := context.WithCancel(context.Background())
	var posting sync.WaitGroup
	for range posters {
		posting.Go(func() { // ends when stop is called
			tick := time.NewTicker(posters * time.Second / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				text := r.text(slowTextBytes)
				posted, err := r.owner.MessagePost(context.Background(), &api.MessagePostParams{Room: r.name, Text: text})
				if err == nil {
					err = r.posted(posted.Seq, text)
				}
				if err != nil {
					r.t.Errorf("post: %v", err)
					return
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		posting.Wait()
	})
}

// slowCost is what a stalled follower costs, at the worst moment.
type slowCost struct {
	resident, kernel, both int64
	full, last             time.Duration // after the stop: when all buffers had to be full, when the last was closed
}

// awaitClosed waits until the server has given up all of slow, and measures meanwhile.
func (r *slowRoom) awaitClosed(slow []*loadFollower, before, published int64) (cost slowCost) {
	begin, n := time.Now(), int64(len(slow))
	for {
		sockets := loadSockets(r.t, r.server.Addr())
		open, queued := 0, int64(0)
		for _, f := range slow {
			sock := sockets[f.wire.sock.LocalAddr().String()]
			queued += int64(sock.queued)
			if sock.open {
				open++
			}
		}
		resident := (r.server.RSS() - before) / n
		if both := resident + queued/n; both > cost.both {
			cost.resident, cost.kernel, cost.both = resident, queued/n, both
		}
		cost.last = time.Since(begin)
		if open == 0 {
			break
		}
		if cost.full == 0 && r.bytes.Load()-published > slowFull {
			cost.full = cost.last
		}
		if cost.full > 0 && cost.last > cost.full+slowCloseTime {
			r.t.Errorf("%d of %d that do not read are not closed %v after their buffers were full", open, n, slowCloseTime)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if cost.both > slowMost+slowNoise/n && !rig.RaceEnabled() { // the race detector multiplies memory
		r.t.Errorf("a stalled follower costs %d KiB, %d in the process and %d in the kernel: more than %d", cost.both>>10, cost.resident>>10, cost.kernel>>10, slowMost>>10)
	}
	return cost
}

// checkClosed lets the stalled read what was on the way to them: it has no hole and ends with the reason.
func (r *slowRoom) checkClosed(slow []*loadFollower) {
	r.t.Helper()
	bad := 0
	for _, f := range slow {
		f.gulp.Store(0)
		f.stall(false)
	}
	for i, f := range slow {
		select {
		case <-f.replies: // closed when run has ended
		case <-time.After(loadPatience):
			r.t.Fatalf("stalled follower %d is not closed", i)
		}
		if api.CloseCode(f.code) == api.CloseCodeSlowConsumer && api.CloseCode(f.code).Resume() && strings.Contains(f.closing, `"`+string(api.CloseReasonSlowConsumer)+`"`) {
			continue
		}
		if bad++; bad <= 3 {
			r.t.Errorf("stalled follower %d ended at seq %d with code %d, %q: %v; want %d and its notice", i, f.next.Load()-1, f.code, f.closing, f.err, api.CloseCodeSlowConsumer)
		}
	}
	if bad > 0 {
		r.t.Errorf("%d of %d stalled followers were not told to resume", bad, len(slow))
	}
}

// resume lets the stalled come back for what they missed.
func (r *slowRoom) resume(slow []*loadFollower, head api.Seq) {
	r.t.Helper()
	var back []*loadFollower
	for _, f := range slow {
		again, err := loadFollow(r.dialer, r.owner.Token(), r.loadRoom, api.Seq(f.next.Load()-1), &r.phase)
		if err != nil {
			r.t.Fatal(err)
		}
		r.start(again)
		back = append(back, again)
	}
	for _, f := range back {
		f.await(r.t, "who came back", head)
	}
}

func (r *slowRoom) report(good []*loadFollower, rate int, cost slowCost) {
	var times [3]loadTimes
	for _, f := range good {
		for i := range times {
			times[i].merge(&f.times[i])
		}
	}
	alone, beside := times[0].at(0.99), times[1].at(0.99)
	after := times[2].at(0.99)
	ratio := float64(beside) / float64(max(alone, after, time.Microsecond)) // the machine is not equally fast before and after
	r.t.Logf("PROOF slow-readers: %d followers, %d of them stalled, %d events/s of %d bytes; p99 all reading %v, half stalled %v, after %v (%.2f times the worse of the others); each stalled costs at most %d KiB (%d in the process, %d in the kernel); all closed %v after they stopped, buffers had to be full at %v; nothing lost in %d events",
		2*len(good), len(good), rate, slowTextBytes, alone, beside, after, ratio, cost.both>>10, cost.resident>>10, cost.kernel>>10, cost.last.Round(time.Millisecond), cost.full.Round(time.Millisecond), r.newest.Load())
	if *long && ratio > 1.5 && beside > 100*time.Millisecond {
		r.t.Errorf("others' p99 is %v, %.2f times what it is without stalled ones", beside, ratio)
	}
}

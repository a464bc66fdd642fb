package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/disks"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// diskRecovery is how long posts may go on being refused when the disk is well again (P12).
const diskRecovery = 5 * time.Second

// P12: a small file system is full, time and again, while posts come in.
func TestFullDisk(t *testing.T) {
	size := "12m"
	if *long { // what is posted stays
		size = "256m"
	}
	dir := disks.Tmpfs(t, size)
	d := newDiskTrouble(t, &rig.Options{Dir: dir + "/data"})
	ballast := dir + "/ballast"
	d.run("fulldisk", func() { disks.Fill(t, ballast) }, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// P12: a file system is read-only for a while: each change of a file fails with EROFS. The kernel does not make one read-only
// for somebody's asking while files on it are open for writing; it does so by itself, see TestDiskGivesUp, and then not
// the other way round.
func TestReadOnlyDisk(t *testing.T) {
	if !diskTracing {
		t.Skip("no tracer for this processor")
	}
	mark := filepath.Join(t.TempDir(), "read-only")
	wrap, _ := diskWrap(t, t.TempDir(), &diskPlan{Group: "change", At: 1, Fault: "EROFS", While: mark})
	d := newDiskTrouble(t, &rig.Options{Wrap: wrap})
	d.run("readonly", func() {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := os.Remove(mark); err != nil {
			t.Fatal(err)
		}
	})
}

// diskTrouble is a server with users who go on while its disk comes and goes.
type diskTrouble struct {
	*testing.T
	s       *rig.Server
	o       *oracle.Oracle
	writers []*diskWriter
	patient *chatclient.Client // posts by a Poster, and leaves it all to the SDK
	stream  *oracle.Stream     // of a follower

	refused int
	slowest time.Duration // to come back
	poster  time.Duration
}

func newDiskTrouble(t *testing.T, opts *rig.Options) *diskTrouble {
	t.Helper()
	d := &diskTrouble{T: t, s: rig.Start(t, opts)}
	d.o, d.writers = diskBegin(t, d.s)
	d.patient = d.s.Dial(t, "cyd", restless())
	if _, err := d.patient.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "room"}); err != nil {
		t.Fatal(err)
	}
	d.follow()
	return d
}

// follow follows the room, to the test's end.
func (d *diskTrouble) follow() {
	d.Helper()
	c := d.s.Dial(d.T, "dan", restless())
	sub, err := c.Follow(d.Context(), &chatclient.FollowOptions{Joined: true})
	if err != nil {
		d.Fatal(err)
	}
	follow := true
	if _, err := c.RoomJoin(d.Context(), &api.RoomJoinParams{Room: "room", Follow: &follow, After: chatclient.After(0)}); err != nil {
		d.Fatal(err)
	}
	d.stream = d.o.Follower("dan", "room", -1)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	d.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() { // ends with ctx
		defer close(ended)
		for n, err := range sub.Events(ctx) {
			if err != nil {
				return
			}
			if e, ok := n.(*chatclient.EventReceived); ok {
				d.stream.Event(e.Raw)
			}
		}
	}()
}

// run makes trouble and ends it, again and again; then it checks all that anybody was told.
func (d *diskTrouble) run(name string, begin, end func()) {
	d.Helper()
	started, p := time.Now(), newProgress(d)
	rounds := scale(2, 100)
	text := strings.Repeat("x", 3000)
	for round := range rounds {
		d.post(text)
		begin()
		posts := d.patience(round)
		d.untilRefused(text)
		d.wantReads()
		end()
		d.recover(posts)
		p.say("round %d of %d: %d posts refused, back after %v at most", round+1, rounds, d.refused, d.slowest)
		if d.Failed() {
			return
		}
	}
	d.post(text)
	d.check()
	if !d.Failed() {
		totals := d.o.Totals()
		d.Logf("PROOF %s: %d times: %d posts acknowledged, %d refused as unavailable, reads and followers went on, posts were taken again after %v at most, "+
			"by the SDK's own retries after %v; 0 lost, %v", name, rounds, totals.Acked, d.refused, d.slowest.Round(time.Millisecond), d.poster.Round(time.Millisecond),
			time.Since(started).Round(time.Second))
	}
}

func (d *diskTrouble) post(text string) {
	d.Helper()
	for _, w := range d.writers {
		if err := w.post(w.make(20, text)); err != nil || len(w.open) > 0 {
			d.Fatalf("the disk is well, and of %s's posts %d are not taken, %v", w.user, len(w.open), err)
		}
	}
}

// diskPatient is a post of the Poster.
type diskPatient struct {
	post *chatclient.Post
	send *oracle.Send
}

// patience lets the Poster begin.
func (d *diskTrouble) patience(round int) (posts []diskPatient) {
	d.Helper()
	poster := d.patient.NewPoster("room", 0)
	for i := range 20 {
		m := &api.MessagePostParams{Text: fmt.Sprintf("patient-%d-%d%s", round, i, strings.Repeat("x", 3000)), IdempotencyKey: fmt.Sprintf("cyd-%d-%d", round, i)}
		send := d.o.Sent("room", "cyd", m.IdempotencyKey, m.Text)
		post, err := poster.PostMessage(d.Context(), m)
		if err != nil {
			d.Fatal(err)
		}
		posts = append(posts, diskPatient{post, send})
	}
	return posts
}

// untilRefused posts until nobody's posts are taken.
func (d *diskTrouble) untilRefused(text string) {
	d.Helper()
	for _, w := range d.writers {
		before := w.refused
		for range 500 {
			if err := w.post(w.make(10, text)); err != nil {
				d.Fatalf("while the disk takes nothing %s hears: %v", w.user, err)
			}
			if w.refused >= before+20 {
				break
			}
		}
		if w.refused < before+20 {
			d.Fatalf("%s posts what it likes: this proves nothing", w.user)
		}
		d.refused += w.refused - before
	}
}

// wantReads checks that everything but writing works: history, rooms, members, and a new connection that follows.
func (d *diskTrouble) wantReads() {
	d.Helper()
	for _, w := range d.writers {
		if err := w.reads(); err != nil {
			d.Errorf("a read while nothing can be written: %v", err)
		}
	}
	reader := &diskReader{d.writers[0].conn}
	if _, err := oracle.Told(d.Context(), reader, "room"); err != nil {
		d.Errorf("a read while nothing can be written: %v", err)
	}
	newcomer := &diskWriter{token: d.writers[1].token}
	if err := newcomer.dial(d.s); err != nil {
		d.Errorf("a new connection while nothing can be written: %v", err)
		return
	}
	defer newcomer.hangUp()
	if err := newcomer.conn.call(api.MethodSyncOpen, `{"rooms":[{"room":"room","after":0}]}`, nil); err != nil {
		d.Errorf("following while nothing can be written: %v", err)
	}
}

// recover waits until everything that was refused is taken.
func (d *diskTrouble) recover(posts []diskPatient) {
	d.Helper()
	begin := time.Now()
	for _, w := range d.writers {
		for len(w.open) > 0 {
			if err := w.again(); err != nil {
				d.Fatalf("the disk is well again, and %s hears: %v", w.user, err)
			}
			if took := time.Since(begin); took > diskRecovery {
				d.Fatalf("the disk is well again, and after %v %d posts are still refused", took, len(w.open))
			}
		}
	}
	d.slowest = max(d.slowest, time.Since(begin))
	ctx, cancel := context.WithTimeout(d.Context(), rig.Patience)
	defer cancel()
	for _, p := range posts {
		a, err := p.post.Wait(ctx)
		if err != nil {
			d.Fatalf("the disk is well again, and the Poster does not come through: %v", err)
		}
		p.send.Acked(a)
	}
	d.poster = max(d.poster, time.Since(begin))
}

// check looks at the log, and again after a kill.
func (d *diskTrouble) check() {
	d.Helper()
	reader := &diskReader{d.writers[0].conn}
	told, err := oracle.Told(d.Context(), reader, "room")
	if err != nil {
		d.Fatal(err)
	}
	for end := time.Now().Add(diskPatience); d.stream.Last() < int64(told.Head.Seq) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	d.stream.Complete()
	if _, err := d.o.CheckRoom(d.Context(), reader, "room"); err != nil {
		d.Error(err)
	}
	d.s.Kill()
	if err := d.s.Restart(); err != nil {
		d.Fatal(err)
	}
	diskSettle(d, d.s, d.o, "room", d.writers)
	d.s.Kill()
	diskIntact(d, d.s.Dir())
}

package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// killWorld is a server with writers and followers who go on whatever happens to it.
type killWorld struct {
	t     *testing.T
	s     *rig.Server
	o     *oracle.Oracle
	judge *chatclient.Client
	rooms []string
	ids   map[string]api.RoomID

	ctx       context.Context // ends with the world
	cancel    context.CancelFunc
	ending    chan struct{} // closed when writers are to finish
	writers   sync.WaitGroup
	followers sync.WaitGroup
	broken    atomic.Bool  // the test has failed
	closings  atomic.Int64 // that followers heard of: the server said that it goes down
	gate      sync.RWMutex // writers hold it while they post; who has it locked, and has flushed, has quiet
	flush     []func(context.Context) error

	mu      sync.Mutex
	streams map[string][]*oracle.Stream // by room
}

// newKillWorld starts a server and makes rooms. finish ends it.
func newKillWorld(t *testing.T, rooms int, opts *rig.Options) *killWorld {
	t.Helper()
	w := &killWorld{
		t: t, s: rig.Start(t, opts), o: oracle.New(), ids: make(map[string]api.RoomID),
		ending: make(chan struct{}), streams: make(map[string][]*oracle.Stream),
	}
	w.ctx, w.cancel = context.WithCancel(t.Context())
	w.judge = w.dial("judge")
	for i := range rooms {
		name := fmt.Sprintf("room%d", i)
		got, err := w.judge.RoomCreate(w.ctx, &api.RoomCreateParams{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		w.rooms = append(w.rooms, name)
		w.ids[name] = got.Room.ID
	}
	return w
}

// restless are options of a client that comes back fast.
func restless() *chatclient.Options {
	return &chatclient.Options{MinBackoff: 2 * time.Millisecond, MaxBackoff: 20 * time.Millisecond}
}

// dial connects a user, who joins every room.
func (w *killWorld) dial(user string) *chatclient.Client {
	w.t.Helper()
	c := w.s.Dial(w.t, user, restless())
	follow := false
	for _, room := range w.rooms {
		if _, err := c.RoomJoin(w.ctx, &api.RoomJoinParams{Room: room, Follow: &follow}); err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

// fail is t.Errorf, and ends the world's patience.
func (w *killWorld) fail(format string, args ...any) {
	w.t.Helper()
	if w.ctx.Err() == nil {
		w.broken.Store(true)
		w.t.Errorf(format, args...)
	}
}

// write runs a writer until the world's end: step after step, none while the gate is closed; then last.
func (w *killWorld) write(step, last func()) {
	w.writers.Go(func() { // ends with ending
		for {
			select {
			case <-w.ending:
				last()
				return
			default:
			}
			w.gate.RLock()
			step()
			w.gate.RUnlock()
		}
	})
}

// pipeline is a writer with many posts in flight, in order, through the SDK's Poster.
func (w *killWorld) pipeline(user, room string, rng *rand.Rand) {
	c := w.dial(user)
	line, poster := w.o.Pipeline(room, user), c.NewPoster(room, 0)
	n := 0
	w.write(func() {
		ctx, cancel := context.WithTimeout(w.ctx, rig.Patience)
		defer cancel()
		posts := make([]*chatclient.Post, 1+rng.IntN(64))
		sends := make([]*oracle.Send, len(posts))
		for i := range posts {
			n++
			p := &api.MessagePostParams{Text: fmt.Sprintf("%s says %d", user, n), IdempotencyKey: fmt.Sprintf("%s-%s-%d", user, room, n)}
			sends[i] = line.Sent(p.IdempotencyKey, p.Text)
			var err error
			if posts[i], err = poster.PostMessage(ctx, p); err != nil {
				w.fail("%s: a pipelined post: %v", user, err)
				return
			}
		}
		for i, post := range posts {
			a, err := post.Wait(ctx)
			if err != nil {
				w.fail("%s: no answer to a pipelined post: %v", user, err)
				return
			}
			sends[i].Acked(a)
		}
	}, func() {})
}

// pending is a post that may be sent again.
type pending struct {
	params api.MessagePostParams
	send   *oracle.Send
}

// hasty is a writer that does not wait long for an answer: it takes some posts up again, under
// their keys, while others stay unknown for ever; now and then it repeats what it knows.
func (w *killWorld) hasty(user string, rng *rand.Rand) {
	c := w.dial(user)
	var open, done []*pending
	n := 0
	try := func(p *pending, patience time.Duration) bool {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		defer cancel()
		a, err := c.MessagePost(ctx, &p.params)
		switch {
		case err == nil:
			p.send.Acked(a)
			return true
		case errors.As(err, new(*chatclient.ConnectionError)) && patience < rig.Patience:
		default:
			w.fail("%s: a post: %v", user, err)
		}
		return false
	}
	w.write(func() {
		var p *pending
		switch {
		case len(open) > 0 && rng.IntN(3) == 0:
			i := rng.IntN(len(open))
			p = open[i]
			open = slices.Delete(open, i, i+1)
		case len(done) > 0 && rng.IntN(20) == 0:
			p = done[rng.IntN(len(done))]
		default:
			n++
			room := w.rooms[rng.IntN(len(w.rooms))]
			p = &pending{params: api.MessagePostParams{Room: room, Text: fmt.Sprintf("%s says %d", user, n), IdempotencyKey: fmt.Sprintf("%s-%d", user, n)}}
			p.send = w.o.Sent(room, user, p.params.IdempotencyKey, p.params.Text)
		}
		switch {
		case try(p, time.Duration(rng.IntN(int(30*time.Millisecond)))):
			if done = append(done, p); len(done) > 1000 {
				done = done[500:]
			}
		case rng.IntN(2) == 0:
			open = append(open, p)
		}
	}, func() {
		for _, p := range open {
			try(p, rig.Patience)
		}
	})
}

// keyless is a writer without keys, whose posts are sent once.
func (w *killWorld) keyless(user string, rng *rand.Rand) {
	c := w.dial(user)
	n := 0
	w.write(func() {
		n++
		room := w.rooms[rng.IntN(len(w.rooms))]
		text := fmt.Sprintf("%s says %d", user, n)
		send := w.o.Sent(room, user, "", text)
		ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
		defer cancel()
		raw, err := c.CallRaw(ctx, api.MethodMessagePost, json.RawMessage(fmt.Sprintf(`[%q,%q]`, room, text)))
		var lost *chatclient.ConnectionError
		switch {
		case errors.As(err, &lost) && !lost.MayHaveBeenSent:
			send.Refused(err)
		case errors.As(err, &lost):
		case err != nil:
			w.fail("%s: a post without a key: %v", user, err)
		default:
			a := new(api.MessagePostResult)
			if err := json.Unmarshal(raw, a); err != nil {
				w.fail("%s: %v", user, err)
				return
			}
			send.Acked(a)
		}
	}, func() {})
}

// follow follows every room from its first event. A fickle follower lets go every few events and follows anew
// where it stood; the other leaves all to the SDK.
func (w *killWorld) follow(user string, fickle bool, rng *rand.Rand) {
	c := w.dial(user)
	streams := make(map[api.RoomID]*oracle.Stream)
	w.mu.Lock()
	for name, id := range w.ids {
		streams[id] = w.o.Follower(user, name, 0)
		w.streams[name] = append(w.streams[name], streams[id])
	}
	w.mu.Unlock()
	w.followers.Go(func() { // ends with ctx
		for w.ctx.Err() == nil {
			ctx, cancel := w.ctx, context.CancelFunc(func() {})
			if fickle {
				ctx, cancel = context.WithTimeout(w.ctx, time.Duration(rng.IntN(int(200*time.Millisecond))))
			}
			err := w.followOnce(ctx, c, streams)
			cancel()
			if err != nil && ctx.Err() == nil {
				w.fail("%s: following ended: %v", user, err)
				return
			}
		}
	})
}

func (w *killWorld) followOnce(ctx context.Context, c *chatclient.Client, streams map[api.RoomID]*oracle.Stream) error {
	var rooms []chatclient.RoomPosition
	for id, s := range streams {
		rooms = append(rooms, chatclient.RoomPosition{Room: string(id), After: chatclient.After(api.Seq(s.Last()))})
	}
	sub, err := c.Follow(ctx, &chatclient.FollowOptions{Rooms: rooms})
	if err != nil {
		return err
	}
	defer sub.Close()
	for n, err := range sub.Events(ctx) {
		switch n := n.(type) {
		case *chatclient.EventReceived:
			streams[n.RoomID].Event(n.Raw)
		case *chatclient.Gap:
			streams[n.RoomID].Gap(int64(n.From), int64(n.To))
			return fmt.Errorf("a gap in %s: %d..%d (%s)", n.RoomID, n.From, n.To, n.Reason)
		case *chatclient.Reset:
			return fmt.Errorf("a reset of %s", n.RoomID)
		case *chatclient.Closing:
			if n.Reason != api.CloseReasonDraining || !n.Return {
				return fmt.Errorf("closing: %+v", n)
			}
			w.closings.Add(1)
		case *chatclient.Unfollowed:
			return fmt.Errorf("%s is not followed any more: %w", n.RoomID, n.Err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check waits for quiet, and for the followers, and judges all that was done up to now.
func (w *killWorld) check() *oracle.Report {
	w.t.Helper()
	w.gate.Lock()
	defer w.gate.Unlock()
	ctx, cancel := context.WithTimeout(w.ctx, 2*rig.Patience)
	defer cancel()
	for _, flush := range w.flush {
		if err := flush(ctx); err != nil {
			w.fail("writers do not come to rest: %v", err)
		}
	}
	for _, room := range w.rooms {
		told, err := w.judge.RoomGet(ctx, &api.RoomGetParams{Room: room})
		if err != nil {
			w.fail("room.get: %v", err)
			break
		}
		for _, s := range w.streams[room] {
			for s.Last() < int64(told.Room.Head.Seq) && ctx.Err() == nil && !w.broken.Load() {
				time.Sleep(time.Millisecond)
			}
			s.Complete()
		}
	}
	report, err := w.o.CheckAll(ctx, w.judge)
	if err != nil {
		w.fail("%v", err)
	}
	return report
}

// finish lets the writers end, judges all and stops the server.
func (w *killWorld) finish() *oracle.Report {
	w.t.Helper()
	close(w.ending)
	w.writers.Wait()
	report := w.check()
	w.cancel()
	w.followers.Wait()
	w.s.Kill()
	return report
}

// kill ends the server and starts it again; some starts are killed as well.
func (w *killWorld) kill(rng *rand.Rand) (starts int) {
	w.t.Helper()
	w.s.Kill()
	for {
		starts++
		if rng.IntN(8) > 0 {
			if err := w.s.Restart(); err != nil {
				w.t.Fatal(err)
			}
			return starts
		}
		w.killStart(time.Duration(rng.IntN(int(60 * time.Millisecond))))
	}
}

// killStart starts the server and kills it after a while, ready or not.
func (w *killWorld) killStart(after time.Duration) {
	before := w.s.PID()
	started := make(chan struct{})
	go func() { // ends with the process
		defer close(started)
		_ = w.s.Restart() // it may be killed before it is ready
	}()
	for w.s.PID() == before {
		time.Sleep(100 * time.Microsecond)
	}
	time.Sleep(after)
	w.s.Kill()
	<-started
}

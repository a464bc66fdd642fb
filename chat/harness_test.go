package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fanout is the smallest transport: it delivers at once, in order, to the ports that follow.
type fanout struct {
	mu        sync.Mutex
	followers map[api.RoomID]map[*port]follower
}

type follower struct {
	after   api.Seq
	signals bool
}

func (f *fanout) Publish(room api.RoomID, seq api.Seq, record []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, fl := range f.followers[room] {
		if seq > fl.after {
			p.deliver(record)
		}
	}
}

func (f *fanout) Signal(room api.RoomID, msg []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, fl := range f.followers[room] {
		if fl.signals {
			p.Notify(msg)
		}
	}
}

// port records what a connection would have been sent.
type port struct {
	fan *fanout

	mu      sync.Mutex
	changed *sync.Cond
	events  []api.Event // replayed and live
	notes   []string    // other notifications, as sent
	queued  int
	closed  []api.CloseCode
	stall   chan struct{} // if set, Replay waits for it
}

func (p *port) deliver(record []byte) {
	var ev api.Event
	if err := json.Unmarshal(record, &ev); err != nil {
		panic(err)
	}
	p.mu.Lock()
	p.events = append(p.events, ev)
	p.changed.Broadcast()
	p.mu.Unlock()
}

func (p *port) Queued() {
	p.mu.Lock()
	p.queued++
	p.changed.Broadcast()
	p.mu.Unlock()
}

func (p *port) Replay(ctx context.Context, records [][]byte) error {
	if p.stall != nil {
		select {
		case <-p.stall:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, r := range records {
		p.deliver(r)
	}
	return nil
}

func (p *port) Notify(msg []byte) {
	p.mu.Lock()
	p.notes = append(p.notes, string(msg))
	p.changed.Broadcast()
	p.mu.Unlock()
}

func (p *port) Follow(room api.RoomID, after api.Seq, signals bool) {
	p.fan.mu.Lock()
	defer p.fan.mu.Unlock()
	if p.fan.followers[room] == nil {
		p.fan.followers[room] = map[*port]follower{}
	}
	p.fan.followers[room][p] = follower{after, signals}
}

func (p *port) Signals(room api.RoomID, on bool) {
	p.fan.mu.Lock()
	defer p.fan.mu.Unlock()
	if f, ok := p.fan.followers[room][p]; ok {
		f.signals = on
		p.fan.followers[room][p] = f
	}
}

func (p *port) Unfollow(room api.RoomID) {
	p.fan.mu.Lock()
	defer p.fan.mu.Unlock()
	delete(p.fan.followers[room], p)
}

func (p *port) Close(code api.CloseCode, _ api.CloseReason, _ time.Duration) {
	p.mu.Lock()
	p.closed = append(p.closed, code)
	p.changed.Broadcast()
	p.mu.Unlock()
}

// await waits until cond holds; the test's own deadline ends a wait that never does.
func (p *port) await(cond func(p *port) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !cond(p) {
		p.changed.Wait()
	}
}

func (p *port) awaitNote(note string) {
	p.await(func(p *port) bool {
		for _, n := range p.notes {
			if n == note {
				return true
			}
		}
		return false
	})
}

func (p *port) awaitEvents(n int) []api.Event {
	p.await(func(p *port) bool { return len(p.events) >= n })
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]api.Event(nil), p.events...)
}

// world is a service on a memory store, with cheap hashes.
type world struct {
	t     testing.TB
	svc   *chat.Service
	store chat.Store
	fan   *fanout
}

func newWorld(t testing.TB, opts *chat.Options) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), fan: &fanout{followers: map[api.RoomID]map[*port]follower{}}}
	w.start(opts)
	return w
}

func (w *world) start(opts *chat.Options) {
	o := chat.Options{Registration: api.RegistrationOpen}
	if opts != nil {
		o = *opts
	}
	o.Fanout, o.HashTime, o.HashMemoryKiB = w.fan, 1, 64
	w.svc = chat.New(w.store, &o)
	w.t.Cleanup(w.svc.Close)
}

type client struct {
	*chat.Session
	w    *world
	port *port
}

func (w *world) connect() *client {
	p := &port{fan: w.fan}
	p.changed = sync.NewCond(&p.mu)
	c := &client{Session: w.svc.Connect(p, chat.Peer{Addr: "127.0.0.1", Loopback: true}), w: w, port: p}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) user(name string) *client {
	w.t.Helper()
	c := w.connect()
	_, err := c.AuthRegister(w.t.Context(), &api.AuthRegisterParams{Username: name, Password: "password of " + name})
	if err != nil {
		w.t.Fatalf("register %s: %v", name, err)
	}
	return c
}

// login signs the user in anew and gives the token.
func (c *client) login(name string) string {
	c.w.t.Helper()
	res, err := c.AuthLogin(c.w.t.Context(), &api.AuthLoginParams{Username: name, Password: "password of " + name})
	if err != nil {
		c.w.t.Fatalf("login %s: %v", name, err)
	}
	return res.Token
}

func (c *client) create(name string) api.RoomID {
	c.w.t.Helper()
	res, err := c.RoomCreate(c.w.t.Context(), &api.RoomCreateParams{Name: name})
	if err != nil {
		c.w.t.Fatalf("create %s: %v", name, err)
	}
	return res.Room.ID
}

func (c *client) join(name string) *api.RoomJoinResult {
	c.w.t.Helper()
	res, err := c.RoomJoin(c.w.t.Context(), &api.RoomJoinParams{Room: name})
	if err != nil {
		c.w.t.Fatalf("join %s: %v", name, err)
	}
	c.Replied()
	return res
}

func (c *client) post(room, text string) *api.MessagePostResult {
	c.w.t.Helper()
	res, err := c.MessagePost(c.w.t.Context(), &api.MessagePostParams{Room: room, Text: text})
	if err != nil {
		c.w.t.Fatalf("post: %v", err)
	}
	return res
}

func (c *client) open(p *api.SyncOpenParams) *api.SyncOpenResult {
	c.w.t.Helper()
	res, err := c.SyncOpen(c.w.t.Context(), p)
	if err != nil {
		c.w.t.Fatalf("sync.open: %v", err)
	}
	c.Replied()
	return res
}

func wantCode(t testing.TB, err error, code api.Code, field string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Data.Field != field {
		t.Errorf("error %v (%+v), want code %d, field %q", err, e, code, field)
	}
}

func caughtUp(room api.RoomID, seq api.Seq) string {
	return string(api.AppendRoomCaughtUp(nil, &api.RoomCaughtUpParams{RoomID: room, Seq: seq}))
}

// wantDense checks that events are from..to of one room, each once and in order.
func wantDense(t testing.TB, events []api.Event, from, to api.Seq) {
	t.Helper()
	if len(events) != int(to-from+1) {
		t.Errorf("%d events, want %d..%d", len(events), from, to)
	}
	for i, ev := range events {
		if ev.Seq != from+api.Seq(i) {
			t.Fatalf("event %d has seq %d, want %d", i, ev.Seq, from+api.Seq(i))
		}
	}
}

func ptr[T any](v T) *T { return &v }

func texts(events []api.Event) []string {
	var out []string
	for _, ev := range events {
		var m api.MessagePosted
		if ev.Type == api.EventTypeMessagePosted && json.Unmarshal(ev.Data, &m) == nil {
			out = append(out, m.Text)
		} else {
			out = append(out, fmt.Sprintf("(%s)", ev.Type))
		}
	}
	return out
}

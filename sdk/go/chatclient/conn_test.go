package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

func TestIDsStartAtOne(t *testing.T) {
	f := newFake(t)
	var ids []string
	f.on(func(_ *peer, r *req) bool { ids = append(ids, string(r.ID)); return false })
	c := f.dial(nil)
	if _, err := c.ServerPing(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ids, " "); got != "1 2" { // server.info, server.ping
		t.Errorf("ids %s", got)
	}
}

// An error with id null is about no call; jsonrpc2.Conn takes it for the answer to call 0.
func TestNullIDResolvesNoCall(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method == api.MethodServerPing {
			p.send(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`)
			p.send(`{"jsonrpc":"2.0","id":0,"result":{}}`)
			p.send(`{"jsonrpc":"2.0","id":"1","result":{}}`)
			p.send(`{"jsonrpc":"2.0","id":99,"result":{}}`)
			p.send(`{"jsonrpc":"2.0","id":-2,"result":{}}`)
		}
		return false
	})
	log := new(logTo)
	c := f.dial(&Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	pong, err := c.ServerPing(t.Context(), nil)
	if err != nil || pong.At.String() != "2026-11-22T09:30:00.000Z" {
		t.Errorf("got %v, %v", pong, err)
	}
	if !strings.Contains(log.String(), "parse error") {
		t.Errorf("the fault was not logged: %s", log)
	}
}

// Whatever spelling of JSON-RPC a server prefers is understood; what is not JSON-RPC is passed over.
func TestForeignSpellings(t *testing.T) {
	for _, reply := range []string{
		`{"id":%s,"jsonrpc":"2.0","result":{"at":"2026-11-22T09:30:00.000Z"}}`,
		"\n {\"jsonrpc\" : \"2.0\", \"id\" : %s, \"result\" : {\"at\":\"2026-11-22T09:30:00.000Z\"} }\n",
		`[{"jsonrpc":"2.0","method":"who","params":[]},{"jsonrpc":"2.0","id":%s,"result":{"at":"2026-11-22T09:30:00.000Z"}}]`,
		`{"jsonrpc":"2.0","id":%s,"error":null,"result":{"at":"2026-11-22T09:30:00.000Z"}}`,
		`{"jsonrpc":"2.0","id":%s,"result":{"at":"2026-11-22T09:30:00.000Z","more":[1,{"x":"}"}]},"meta":{}}`,
	} {
		f := newFake(t)
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodServerPing {
				return false
			}
			for _, noise := range []string{``, `{`, `[]`, `[1]`, `1`, `null`, `{}`, `{"jsonrpc":"2.0","method":"x"}`, `{"jsonrpc":"2.0","method":"x","params":{}`} {
				p.send(noise)
			}
			p.send(fmt.Sprintf(reply, r.ID))
			return true
		})
		if pong, err := f.dial(nil).ServerPing(t.Context(), nil); err != nil || pong.At == 0 {
			t.Errorf("%s: %v, %v", reply, pong, err)
		}
	}
}

func TestErrorsPassThrough(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodRoomGet {
			return false
		}
		p.fail(r, api.Errorf(api.CodeNotFound, "").WithField("room"))
		return true
	})
	_, err := f.dial(nil).RoomGet(t.Context(), &api.RoomGetParams{Room: "nowhere"})
	var e *api.Error
	if !errors.Is(err, api.ErrNotFound) || errors.Is(err, api.ErrConflict) || !errors.As(err, &e) || e.Data.Field != "room" {
		t.Errorf("got %v", err)
	}
}

// A result far beyond the library's 32 KiB arrives.
func TestLongResult(t *testing.T) {
	f := newFake(t)
	doc := `{"text":"` + strings.Repeat("ж", 1<<20) + `"}`
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodRPCDiscover {
			return false
		}
		p.result(r, doc)
		return true
	})
	got, err := f.dial(nil).RPCDiscover(t.Context(), nil)
	if err != nil || string(got) != doc {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// One beyond all measure costs the connection once, not for ever.
func TestEndlessResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodRPCDiscover {
				return false
			}
			p.result(r, `"`+strings.Repeat("x", readLimit)+`"`)
			return true
		})
		c := f.dial(nil)
		var lost *ConnectionError
		if _, err := c.RPCDiscover(t.Context(), nil); !errors.As(err, &lost) {
			t.Errorf("got %v", err)
		}
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

// A call's context ends the call and nothing else: not the connection, and nothing is kept.
func TestCancelledCallIsForgotten(t *testing.T) {
	f := newFake(t)
	asked := make(chan *req, 1)
	f.on(func(_ *peer, r *req) bool {
		if r.Method != api.MethodRoomGet {
			return false
		}
		asked <- r
		return true
	})
	c := f.dial(nil)
	for range 100 { // more than the limit in flight
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := c.RoomGet(ctx, &api.RoomGetParams{Room: "r"})
			failed <- err
		}()
		r := <-asked
		cancel()
		err := <-failed
		var lost *ConnectionError
		if !errors.As(err, &lost) || !lost.MayHaveBeenSent || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		f.peer(1).result(r, `{}`) // late
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := c.link.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if len(conn.pending) != 0 || conn.given != 0 || len(conn.slots) != 0 || len(f.all()) != 1 {
		t.Errorf("%d calls kept, %d slots, %d given up, %d connections", len(conn.pending), len(conn.slots), conn.given, len(f.all()))
	}
}

// A request that still waits to be written when its context ends is never sent.
func TestCancelBeforeWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		gate := make(chan struct{})
		var seen atomic.Int64
		f.on(func(_ *peer, r *req) bool {
			if r.Method == api.MethodRoomGet {
				seen.Add(1)
			}
			return false
		})
		var held *gatedConn
		f.ln.wrap = func(c net.Conn) net.Conn { held = &gatedConn{Conn: c}; return held }
		c := f.dial(nil)
		held.gate.Store(&gate)
		var wg sync.WaitGroup
		wg.Go(func() { c.ServerPing(t.Context(), nil) }) // its write waits at the gate
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := c.RoomGet(ctx, &api.RoomGetParams{Room: "r"})
			var lost *ConnectionError
			if !errors.As(err, &lost) || lost.MayHaveBeenSent {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		synctest.Wait()
		if n := seen.Load(); n != 0 {
			t.Errorf("sent %d times", n)
		}
	})
}

// gatedConn holds writes up until its gate, if it has one, is closed.
type gatedConn struct {
	net.Conn
	gate   atomic.Pointer[chan struct{}]
	writes atomic.Int64
}

func (c *gatedConn) Write(p []byte) (int, error) {
	if gate := c.gate.Load(); gate != nil {
		<-*gate
	}
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Calls that wait together are written together.
func TestWritesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var held *gatedConn
		f.ln.wrap = func(c net.Conn) net.Conn { held = &gatedConn{Conn: c}; return held }
		c := f.dial(nil)
		gate := make(chan struct{})
		held.gate.Store(&gate)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if _, err := c.ServerPing(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := held.writes.Load()
		close(gate)
		wg.Wait()
		if n := held.writes.Load() - before; n > 2 {
			t.Errorf("30 calls took %d writes", n)
		}
	})
}

// The server is never sent more at once than it says it reads, cancelled calls included.
func TestInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.limits.MaxInFlight = 4
		var mu sync.Mutex
		open, most := 0, 0
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodRoomGet {
				return false
			}
			mu.Lock()
			open++
			most = max(most, open)
			mu.Unlock()
			go func() {
				time.Sleep(time.Millisecond)
				mu.Lock()
				open--
				mu.Unlock()
				p.result(r, `{}`)
			}()
			return true
		})
		c := f.dial(nil)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%3 == 0 {
					time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
				}
				c.RoomGet(ctx, &api.RoomGetParams{Room: "r"})
			})
		}
		wg.Wait()
		if most > 4 {
			t.Errorf("%d at once", most)
		}
	})
}

// Who waits for a slot gets it after the answer that frees it was heard.
func TestAnswerBeforeSlot(t *testing.T) {
	f := newFake(t)
	conn, err := f.dial(nil).link.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := make(chan int, 1)
	if _, err := conn.start(api.MethodServerPing, nil, true, func(json.RawMessage, error) { held <- len(conn.slots) }); err != nil {
		t.Fatal(err)
	}
	if n := <-held; n != 1 {
		t.Errorf("%d slots held", n)
	}
}

// When writing fails, what the server said last is still read: answers, and why it closed.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var broken atomic.Bool
		f.ln.wrap = func(c net.Conn) net.Conn { return &deafConn{Conn: c, broken: &broken} }
		asked := make(chan *req, 1)
		f.on(func(_ *peer, r *req) bool {
			if r.Method != api.MethodRoomCreate {
				return false
			}
			asked <- r
			return true
		})
		c := f.dial(nil)
		created := make(chan error, 1)
		go func() { _, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "r"}); created <- err }()
		r := <-asked
		broken.Store(true)
		listed := make(chan error, 1)
		go func() { _, err := c.RoomList(t.Context(), nil); listed <- err }()
		synctest.Wait()
		f.peer(1).result(r, `{"room":{"id":"room_1"}}`)
		go f.peer(1).ws.Close(4501, "")
		if err := <-created; err != nil {
			t.Error(err)
		}
		var s *SessionError
		if err := <-listed; !errors.As(err, &s) || s.Code != 4501 {
			t.Error(err)
		}
	})
}

// deafConn fails to write once it is broken, and reads on.
type deafConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(p)
}

func TestCallsAfterClose(t *testing.T) {
	f := newFake(t)
	c := f.dial(nil)
	c.Close()
	c.Close()
	if _, err := c.ServerPing(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Follow(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		asked := make(chan *req, 1)
		f.on(func(_ *peer, r *req) bool {
			if r.Method != api.MethodRoomGet {
				return false
			}
			asked <- r
			return true
		})
		c := f.dial(nil)
		called, down := make(chan error, 1), make(chan error, 1)
		go func() { _, err := c.RoomGet(t.Context(), &api.RoomGetParams{Room: "r"}); called <- err }()
		r := <-asked
		go func() { down <- c.Shutdown(within(t, 10*time.Second)) }()
		synctest.Wait()
		select {
		case err := <-down:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		f.peer(1).result(r, `{"room":{"id":"room_1"}}`)
		if err := <-called; err != nil {
			t.Error(err)
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(_ *peer, r *req) bool { return r.Method == api.MethodRoomGet })
		c := f.dial(nil)
		called := make(chan error, 1)
		go func() { _, err := c.RoomGet(context.Background(), &api.RoomGetParams{Room: "r"}); called <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-called; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestParamsMustBeJSON(t *testing.T) {
	f := newFake(t)
	c := f.dial(nil)
	for _, p := range []string{"{", "1", `"x"`, "{}{}", "{\"a\":\"\xff\"}", " "} {
		if _, err := c.CallRaw(t.Context(), "x.y", json.RawMessage(p)); err == nil {
			t.Errorf("%q was sent", p)
		}
	}
	for _, p := range []any{nil, json.RawMessage(nil), json.RawMessage("null"), []int{1}, map[string]any{"a": 1}, json.RawMessage(` {"a":1} `)} {
		if err := c.Call(t.Context(), "x.y", p, nil); !errors.Is(err, api.ErrMethodNotFound) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if err := c.Call(t.Context(), "x.y", func() {}, nil); err == nil {
		t.Error("a function was sent")
	}
}

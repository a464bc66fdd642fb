package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

const posted = `{"room_id":"room_1","seq":3,"msg_no":1,"at":"2026-11-22T09:30:00.000Z","duplicate":false}`

// What happens to a call whose connection is lost after it was sent depends on what the contract says of it.
func TestLostAfterSending(t *testing.T) {
	for _, c := range []struct {
		name   string
		call   func(ctx context.Context, c *Client) error
		resent bool
	}{
		{"natural", func(ctx context.Context, c *Client) error { _, err := c.RoomList(ctx, nil); return err }, true},
		{"keyed", func(ctx context.Context, c *Client) error {
			_, err := c.MessagePost(ctx, &api.MessagePostParams{Room: "r"})
			return err
		}, true},
		{"keyed, raw", func(ctx context.Context, c *Client) error {
			return c.Call(ctx, "message.post", map[string]any{"room": "r", "text": "x"}, nil)
		}, true},
		{"keyed, raw, own key by position", func(ctx context.Context, c *Client) error {
			return c.Call(ctx, "message.post", []any{"r", "x", "k1"}, nil)
		}, true},
		{"no key by position", func(ctx context.Context, c *Client) error {
			return c.Call(ctx, "message.post", []any{"r", "x"}, nil)
		}, false},
		{"key null", func(ctx context.Context, c *Client) error {
			return c.Call(ctx, "message.post", json.RawMessage(`{"room":"r","text":"x","idempotency_key":null}`), nil)
		}, false},
		{"none", func(ctx context.Context, c *Client) error {
			_, err := c.RoomCreate(ctx, &api.RoomCreateParams{Name: "r"})
			return err
		}, false},
		{"unknown", func(ctx context.Context, c *Client) error { return c.Call(ctx, "bot.dance", nil, nil) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			var first, second string
			f.on(func(p *peer, r *req) bool {
				if r.Method == api.MethodServerInfo {
					return false
				}
				if p.n == 1 {
					first = string(r.Params)
					p.drop()
				} else {
					second = string(r.Params)
					p.result(r, `{}`)
				}
				return true
			})
			err := c.call(t.Context(), f.dial(nil))
			var lost *ConnectionError
			switch {
			case c.resent && (err != nil || first != second):
				t.Errorf("got %v; sent %s, then %s", err, first, second)
			case !c.resent && (!errors.As(err, &lost) || !lost.MayHaveBeenSent || second != ""):
				t.Errorf("got %v; sent %s, then %s", err, first, second)
			}
			if c.resent && strings.Contains(first, "text") && !strings.Contains(first, "idempotency_key") && first[0] == '{' {
				t.Errorf("sent without a key: %s", first)
			}
		})
	}
}

// A call made while the connection is away was certainly not sent: it waits, whatever its method.
func TestWaitsForTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodRoomCreate {
				return false
			}
			p.result(r, `{"room":{"id":"room_9"}}`)
			return true
		})
		c := f.dial(&Options{MinBackoff: time.Minute})
		f.peer(1).drop()
		synctest.Wait()
		got, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "r"})
		if err != nil || got.Room.ID != "room_9" || len(f.all()) != 2 {
			t.Errorf("got %v, %v", got, err)
		}

		// And gives up with its context, saying that nothing was sent.
		f.peer(2).drop()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = c.RoomCreate(ctx, &api.RoomCreateParams{Name: "r"})
		var lost *ConnectionError
		if !errors.As(err, &lost) || lost.MayHaveBeenSent || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(_ *peer, r *req) bool { return r.Method == api.MethodRoomList })
		c := f.dial(&Options{CallTimeout: 7 * time.Second})
		start := time.Now()
		_, err := c.RoomList(t.Context(), nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestTemporaryRefusals(t *testing.T) {
	refusal := func(code api.Code, wait time.Duration) *api.Error {
		e := api.Errorf(code, "")
		if wait > 0 {
			e = e.WithRetryAfter(wait)
		}
		return e
	}
	natural := func(ctx context.Context, c *Client) error { _, err := c.RoomList(ctx, nil); return err }
	keyed := func(ctx context.Context, c *Client) error {
		_, err := c.MessagePost(ctx, &api.MessagePostParams{Room: "r"})
		return err
	}
	none := func(ctx context.Context, c *Client) error {
		_, err := c.RoomCreate(ctx, &api.RoomCreateParams{Name: "r"})
		return err
	}
	for _, c := range []struct {
		name  string
		e     *api.Error
		call  func(ctx context.Context, c *Client) error
		again bool
		least time.Duration
	}{
		{"too fast", refusal(api.CodeRateLimited, 3*time.Second), natural, true, 9 * time.Second},
		{"too fast, none", refusal(api.CodeRateLimited, time.Second), none, true, 3 * time.Second},
		{"unavailable", refusal(api.CodeUnavailable, 0), natural, true, 0},
		{"unavailable, keyed", refusal(api.CodeUnavailable, 0), keyed, true, 0},
		{"unavailable, none", refusal(api.CodeUnavailable, 0), none, false, 0}, // may have taken effect
		{"draining", refusal(api.CodeDraining, 0), none, true, 0},
		{"internal", refusal(api.CodeInternalError, 0), natural, false, 0},
		{"not found", refusal(api.CodeNotFound, 0), natural, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				calls := 0
				f.on(func(p *peer, r *req) bool {
					if r.Method == api.MethodServerInfo {
						return false
					}
					if calls++; calls <= 3 {
						p.fail(r, c.e)
					} else {
						p.result(r, `{}`)
					}
					return true
				})
				start := time.Now()
				waits := 0 // one call, one goroutine
				err := c.call(t.Context(), f.dial(&Options{OnWait: func(refusal *api.Error, in time.Duration) {
					if waits++; !errors.Is(refusal, c.e) || in < c.least/3 {
						t.Errorf("OnWait heard %v, %v", refusal, in)
					}
				}}))
				if c.again && waits != 3 || !c.again && waits != 0 {
					t.Errorf("OnWait called %d times", waits)
				}
				switch {
				case c.again && (err != nil || calls != 4 || time.Since(start) < c.least):
					t.Errorf("%v after %d calls, %v", err, calls, time.Since(start))
				case !c.again && (!errors.Is(err, c.e) || calls != 1):
					t.Errorf("%v after %d calls", err, calls)
				}
			})
		})
	}
}

// Who runs out of time while the server refuses learns both.
func TestRefusedUntilTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodRoomList {
				return false
			}
			p.fail(r, api.Errorf(api.CodeUnavailable, ""))
			return true
		})
		c := f.dial(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.RoomList(ctx, nil); !errors.Is(err, api.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Nobody waits for an answer that cannot come in time.
func TestWaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodRoomList {
				return false
			}
			p.fail(r, api.Errorf(api.CodeRateLimited, "slow mode").WithRetryAfter(time.Hour))
			return true
		})
		c := f.dial(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := c.RoomList(ctx, nil); !errors.Is(err, api.ErrRateLimited) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// A message over the server's limit would cost the connection, for ever anew: it is refused here.
func TestTooLarge(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		p.result(r, posted)
		return true
	})
	c := f.dial(&Options{Token: "t"})
	long := strings.Repeat("x", 65536)
	if _, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "r", Text: long}); !errors.Is(err, api.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := c.NewPoster("r", 0).Post(t.Context(), long); !errors.Is(err, api.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "r", Text: long[:60000]}); err != nil || len(f.all()) != 1 {
		t.Errorf("got %v", err)
	}
}

// A call that made the server close the connection is not sent again.
func TestClosedForFault(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodRoomList {
			return false
		}
		go p.ws.Close(websocket.StatusMessageTooBig, "")
		return true
	})
	c := f.dial(nil)
	_, err := c.RoomList(t.Context(), nil)
	var lost *ConnectionError
	if !errors.As(err, &lost) || !lost.MayHaveBeenSent {
		t.Errorf("got %v", err)
	}
	if _, err := c.ServerPing(t.Context(), nil); err != nil { // on the next connection
		t.Error(err)
	}
}

func TestNoReconnect(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodRoomList {
			return false
		}
		p.drop()
		return true
	})
	c := f.dial(&Options{NoReconnect: true})
	_, err := c.RoomList(t.Context(), nil)
	var lost *ConnectionError
	if !errors.As(err, &lost) || !lost.MayHaveBeenSent {
		t.Errorf("got %v", err)
	}
	<-c.Done()
	if _, err = c.RoomList(t.Context(), nil); !errors.As(err, &lost) || lost.MayHaveBeenSent {
		t.Errorf("got %v", err)
	}
}

func TestKeys(t *testing.T) {
	a, b := &Client{keys: newKeys()}, &Client{keys: newKeys()}
	seen := map[string]bool{}
	for range 1000 {
		for _, k := range []string{a.NewKey(), b.NewKey()} {
			if seen[k] || len(k) > 128 || strings.ContainsAny(k, " \n") {
				t.Fatalf("key %q", k)
			}
			seen[k] = true
		}
	}
}

package chatclient

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// More rooms than one sync.open takes, resumed in new logs, with the connection lost in the midst of it: every room is told
// of the reset, none goes on from a number of the old logs.
func TestEpochChangesInTheMidst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const n = openAtOnce + 50
		var rooms []RoomPosition
		for i := range n {
			id := api.RoomID(fmt.Sprintf("room_%03d", i))
			w.rooms[id] = nil
			w.post(id, 3)
			rooms = append(rooms, RoomPosition{Room: string(id)})
		}
		c := w.f.dial(nil)
		s := follow(t, c, &FollowOptions{Rooms: rooms})
		for range n {
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if o := w.openings(); len(o) != 2 || len(o[0].Rooms.List) != openAtOnce {
			t.Fatalf("%d openings", len(o))
		}
		w.mu.Lock()
		w.f.epoch = "epoch_2"
		w.mu.Unlock()
		opens := 0
		w.f.on(func(p *peer, r *req) bool {
			if r.Method == api.MethodSyncOpen {
				if opens++; opens == 2 {
					p.drop()
					return true
				}
			}
			return w.handle(p, r)
		})
		w.f.peer(1).drop()
		reset := map[api.RoomID]bool{}
		for len(reset) < n {
			got, err := s.Next(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			switch r := got.(type) {
			case *Reset:
				reset[r.RoomID] = true
			case *Gap, *EventReceived:
				t.Fatal(show(got))
			}
		}
	})
}

// What the connection followed before does not get in the way of a position, nor of word that the replay is over.
func TestFollowedBefore(t *testing.T) {
	for _, o := range []FollowOptions{
		{Joined: true, Rooms: []RoomPosition{{Room: "lobby", After: After(0)}}},
		{Rooms: []RoomPosition{{Room: "lobby", After: After(0)}}},
		{Joined: true},
		{Rooms: []RoomPosition{{Room: "lobby"}}},
	} {
		w := newWorld(t, lobby)
		w.post(lobby, 3)
		c := w.f.dial(nil)
		w.mu.Lock()
		w.follow(w.f.peer(1), lobby, 3) // as room.join does
		w.mu.Unlock()
		w.f.on(func(p *peer, r *req) bool {
			if r.Method == api.MethodSyncClose || r.Method == api.MethodSyncOpen {
				w.post(lobby, 1) // live, between the request and its answer
			}
			return w.handle(p, r)
		})
		s := follow(t, c, &o)
		w.f.on(w.handle)
		w.post(lobby, 1)
		w.mu.Lock()
		end := w.head(lobby).Seq
		w.mu.Unlock()
		var last api.Seq
		caughtUp := false
		for last < end {
			n, err := s.Next(within(t, 10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			switch n := n.(type) {
			case *EventReceived:
				if last > 0 && n.Seq != last+1 || last == 0 && len(o.Rooms) > 0 && o.Rooms[0].After != nil && n.Seq != 1 {
					t.Fatalf("%d after %d", n.Seq, last)
				}
				last = n.Seq
			case *CaughtUp:
				caughtUp = true
			default:
				t.Fatal(show(n))
			}
		}
		if !caughtUp {
			t.Error("not caught up")
		}
	}
}

// A consumer that takes nothing while the connection is lost again and again costs no memory.
func TestStuckConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby, attic)
		s := follow(t, w.f.dial(&Options{EventBuffer: 8, MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Joined: true})
		for i := range 50 {
			w.f.peer(i + 1).drop()
			synctest.Wait()
			w.post(lobby, 1)
		}
		s.mu.Lock()
		held := len(s.buffer.items)
		s.mu.Unlock()
		if held > 8+3 {
			t.Errorf("%d kept", held)
		}
		var last api.Seq
		for last < 50 {
			n, err := s.Next(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := n.(*EventReceived); ok {
				if e.Seq != last+1 {
					t.Fatalf("%d after %d", e.Seq, last)
				}
				last = e.Seq
			}
		}
	})
}

// Nobody takes anything before Follow has returned: a full buffer does not keep it from beginning again.
func TestFullBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby)
		w.post(lobby, 5)
		w.f.on(func(p *peer, r *req) bool {
			if p.n == 1 && r.Method == api.MethodSyncOpen && params[api.SyncOpenParams](t, r).Rooms.Joined {
				p.drop()
				return true
			}
			return w.handle(p, r)
		})
		s := follow(t, w.f.dial(&Options{EventBuffer: 2, MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Joined: true, Rooms: []RoomPosition{{Room: "lobby", After: After(0)}}})
		expect(t, s, "lobby:1", "lobby:2")
		for n := ""; n != "lobby:5"; {
			got, err := s.Next(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			n = show(got)
		}
	})
}

// What the caller does to the connection beneath a Subscription does not starve it.
func TestMeddling(t *testing.T) {
	w := newWorld(t, lobby)
	c := w.f.dial(&Options{Token: "t"})
	s := follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s, "lobby caught up 0")
	if _, err := c.SyncClose(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "lobby caught up 0")
	w.post(lobby, 1)
	expect(t, s, "lobby:1")

	// Who signs out follows nothing any more, and is told.
	signedOut := false
	w.f.on(func(p *peer, r *req) bool {
		switch {
		case r.Method == api.MethodAuthLogout:
			signedOut = true
			p.result(r, `{"session_id":"session_1"}`)
		case signedOut && r.Method == api.MethodSyncOpen:
			p.fail(r, api.Errorf(api.CodeUnauthenticated, ""))
		default:
			return w.handle(p, r)
		}
		return true
	})
	if _, err := c.AuthLogout(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(within(t, 10*time.Second)); !errors.Is(err, api.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}

// A server that says it closes and does not is left.
func TestClosingThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby)
		c := w.f.dial(nil)
		start := time.Now()
		w.f.peer(1).closing("draining", 0)
		synctest.Wait()
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != closingFor {
			t.Errorf("left after %v", d)
		}
	})
}

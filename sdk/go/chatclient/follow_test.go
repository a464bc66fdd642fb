package chatclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const lobby, attic, cellar = api.RoomID("room_lobby"), api.RoomID("room_attic"), api.RoomID("room_cellar")

// expect reads notifications and compares them, in order, with want.
func expect(t *testing.T, s *Subscription, want ...string) {
	t.Helper()
	for i, w := range want {
		n, err := s.Next(within(t, 10*time.Second))
		if err != nil {
			t.Fatalf("notification %d, instead of %q: %v", i, w, err)
		}
		if got := show(n); got != w {
			t.Fatalf("notification %d is %q, want %q", i, got, w)
		}
	}
}

// expectAll is expect where rooms may come in any order.
func expectAll(t *testing.T, s *Subscription, want ...string) {
	t.Helper()
	var got []string
	for range want {
		n, err := s.Next(within(t, 10*time.Second))
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, show(n))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func follow(t *testing.T, c *Client, o *FollowOptions) *Subscription {
	t.Helper()
	s, err := c.Follow(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFollowFrom(t *testing.T) {
	for _, c := range []struct {
		name string
		o    FollowOptions
		want []string
	}{
		{"the head", FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}}, []string{"lobby caught up 5", "lobby:6"}},
		{"a position", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(3)}}}, []string{"lobby:4", "lobby:5", "lobby caught up 5", "lobby:6"}},
		{"a position, by id", FollowOptions{Rooms: []RoomPosition{{Room: "room_lobby", After: After(4)}}}, []string{"lobby:5", "lobby caught up 5", "lobby:6"}},
		{"the beginning", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(0)}}}, []string{"lobby:1", "lobby:2", "lobby:3", "lobby:4", "lobby:5", "lobby caught up 5", "lobby:6"}},
		{"a count", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", History: 1}}}, []string{"lobby:5", "lobby caught up 5", "lobby:6"}},
		{"a count beyond the beginning", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", History: 99}}, MaxReplay: 99}, []string{"lobby:1", "lobby:2", "lobby:3", "lobby:4", "lobby:5", "lobby caught up 5", "lobby:6"}},
		{"a bounded replay", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(1)}}, MaxReplay: 2}, []string{"lobby gap 2-3 limited", "lobby:4", "lobby:5", "lobby caught up 5", "lobby:6"}},
		{"another log", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(3)}}, Epoch: "epoch_0"}, []string{"lobby reset 5 epoch_1", "lobby caught up 5", "lobby:6"}},
		{"beyond the head", FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(9)}}}, []string{"lobby reset 5 epoch_1", "lobby caught up 5", "lobby:6"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, lobby)
			w.post(lobby, 5)
			s := follow(t, w.f.dial(nil), &c.o)
			expect(t, s, c.want[:len(c.want)-1]...)
			w.post(lobby, 1)
			expect(t, s, c.want[len(c.want)-1])
			if s.Epoch() != "epoch_1" || s.Position(lobby) != 6 || len(s.Rooms()) != 1 || s.Rooms()[0].Name != "lobby" {
				t.Errorf("epoch %s, position %d, rooms %v", s.Epoch(), s.Position(lobby), s.Rooms())
			}
		})
	}
}

// Two rooms, cuts at any moment: every event once, in order, and positions that another Follow can go on from.
func TestFollowThroughCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby, attic)
		c := w.f.dial(&Options{Token: "t", MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
		s := follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(0)}, {Room: "attic", After: After(0)}}})
		const n = 3000
		done := make(chan struct{})
		go func() {
			defer close(done)
			rng := rand.New(rand.NewPCG(7, 7))
			for range n {
				w.post(lobby, 1)
				w.post(attic, 1)
				if rng.IntN(30) == 0 {
					all := w.f.all()
					all[len(all)-1].drop()
				}
				if rng.IntN(10) == 0 {
					time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
				}
			}
		}()
		last := map[api.RoomID]api.Seq{}
		reconnected := 0
		for got, err := range s.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			switch n := got.(type) {
			case *EventReceived:
				if n.Seq != last[n.RoomID]+1 {
					t.Fatalf("%s after %d", show(n), last[n.RoomID])
				}
				last[n.RoomID] = n.Seq
				if s.Position(n.RoomID) != n.Seq {
					t.Fatalf("position %d at %d", s.Position(n.RoomID), n.Seq)
				}
			case *Reconnected:
				reconnected++
			case *CaughtUp:
			default:
				t.Fatal(show(n))
			}
			if last[lobby] == n && last[attic] == n {
				break
			}
		}
		<-done
		if reconnected < 10 {
			t.Errorf("reconnected %d times", reconnected)
		}
		positions := s.Positions()
		if want := []RoomPosition{{Room: "room_attic", After: After(n)}, {Room: "room_lobby", After: After(n)}}; !reflect.DeepEqual(positions, want) {
			t.Errorf("positions %v", positions)
		}
		s.Close()
		synctest.Wait()
		w.post(lobby, 1)
		s = follow(t, c, &FollowOptions{Rooms: positions, Epoch: s.Epoch()})
		expect(t, s, "attic caught up 3000", fmt.Sprintf("lobby:%d", n+1))
	})
}

// A consumer far slower than the rooms: memory stays bounded, calls are answered meanwhile, also those
// that the consumer itself makes, and no event is lost.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby)
		const limit, n = 16, 300
		c := w.f.dial(&Options{EventBuffer: limit, MinBackoff: 1, MaxBackoff: 1})
		s := follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
		go func() {
			for i := range n {
				w.post(lobby, 1)
				if i == n/2 {
					w.f.peer(1).drop()
				}
			}
		}()
		var last api.Seq
		for got, err := range s.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			e, ok := got.(*EventReceived)
			if !ok {
				continue
			}
			if e.Seq != last+1 {
				t.Fatalf("%d after %d", e.Seq, last)
			}
			if last = e.Seq; last == n {
				break
			}
			if last%7 == 0 {
				time.Sleep(time.Second)
			}
			if _, err := c.ServerPing(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			if held := len(s.buffer.items); held > limit+8 { // caught up, reconnected and the like are extra
				t.Fatalf("%d kept", held)
			}
			s.mu.Unlock()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closes < 10 {
			t.Errorf("the server was told to stop %d times", w.closes)
		}
	})
}

// Records are bounded in bytes too.
func TestBufferBytes(t *testing.T) {
	b := buffer{limit: 100}
	if !b.put(&Reconnected{}, 2*maxEventBytes) {
		t.Fatal("one record must fit, whatever its size")
	}
	if b.put(&Reconnected{}, 1) || !b.full {
		t.Fatal("took more")
	}
	if _, relieved := b.take(); !relieved || b.bytes != 0 || !b.put(&Reconnected{}, 1) {
		t.Fatal("not relieved")
	}
}

// A number that is missing is asked for again; only what does not come then is a gap.
func TestMissingEvents(t *testing.T) {
	w := newWorld(t, lobby)
	w.post(lobby, 2)
	s := follow(t, w.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s, "lobby caught up 2")
	once := true
	w.mu.Lock()
	w.hide = func(_ api.RoomID, seq api.Seq) bool {
		hidden := once && seq == 3
		once = once && !hidden
		return hidden
	}
	w.mu.Unlock()
	w.post(lobby, 2)
	expect(t, s, "lobby:3", "lobby:4", "lobby caught up 4")
	w.mu.Lock()
	w.hide = func(_ api.RoomID, seq api.Seq) bool { return seq == 6 }
	w.mu.Unlock()
	w.post(lobby, 2) // 6 is missing but not missed yet
	expect(t, s, "lobby:5")
	w.post(lobby, 1)
	expect(t, s, "lobby gap 6-7 missing", "lobby caught up 7")
	w.post(lobby, 1)
	expect(t, s, "lobby:8")
}

// What comes twice is dropped, what is broken is asked for again, what is unknown is passed over.
func TestStrangeNotifications(t *testing.T) {
	w := newWorld(t, lobby, attic)
	s := follow(t, w.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}, Signals: true})
	expect(t, s, "lobby caught up 0")
	p := w.f.peer(1)
	w.post(lobby, 2)
	w.mu.Lock()
	for _, msg := range []string{
		`{"jsonrpc":"2.0","method":"room.event","params":` + w.rooms[lobby][0] + `}`,
		`{"jsonrpc":"2.0","method":"room.event","params":` + w.rooms[lobby][1] + `}`,
		`{"jsonrpc":"2.0","method":"room.event","params":` + record(attic, 5, api.EventTypeMessagePosted, `{}`) + `}`,
		`{"jsonrpc":"2.0","method":"room.caught_up","params":{"room_id":"room_attic","seq":3}}`,
		`{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":"room_attic","from":1,"to":3,"reason":"limited"}}`,
		`{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":"room_lobby","from":1,"to":2,"reason":"limited"}}`,
		`{"jsonrpc":"2.0","method":"room.painted","params":{"room_id":"room_lobby"}}`,
		`{"jsonrpc":"2.0","method":"room.signal","params":{"type":"presence","state":"online","user_id":"user_2","username":"thanos"}}`,
		thanosIs,
		`{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":"room_lobby","from":3,"to":5,"reason":"retention"}}`,
	} {
		p.send(msg)
	}
	w.rooms[lobby] = append(w.rooms[lobby], "", "", "") // 3 to 5
	w.mu.Unlock()
	w.add(lobby, "lobby.painted", `{"colour":"red"}`)
	expect(t, s, "lobby:1", "lobby:2", "thanos online", `thanos in lobby is "Inevitable"`, "lobby gap 3-5 retention", "lobby:6 lobby.painted")
	p.send(`{"jsonrpc":"2.0","method":"room.event","params":{"room_id":7}}`)
	w.post(lobby, 1)
	n, err := s.Next(within(t, 10*time.Second))
	for err == nil && show(n) == "lobby caught up 6" { // depends on which came first
		n, err = s.Next(within(t, 10*time.Second))
	}
	if err != nil || show(n) != "lobby:7" {
		t.Errorf("got %v, %v", n, err)
	}
}

// Where a room begins is told when that changes, also while the connection was away, and what does not come of it.
func TestTruncated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby)
		w.post(lobby, 8)
		w.first[lobby] = 6
		s := follow(t, w.f.dial(&Options{MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby", After: After(2)}}, Signals: true})
		expect(t, s, "lobby begins at 6", "lobby gap 3-5 retention", "lobby:6", "lobby:7", "lobby:8", "lobby caught up 8")
		for _, first := range []string{"6", "8", "7", "8"} {
			w.f.peer(1).send(`{"jsonrpc":"2.0","method":"room.truncated","params":{"room_id":"room_lobby","first_seq":` + first + `}}`)
		}
		w.post(lobby, 1)
		expect(t, s, "lobby begins at 8", "lobby:9")
		w.mu.Lock()
		w.first[lobby] = 8
		w.mu.Unlock()
		w.f.peer(1).drop()
		expect(t, s, "reconnected", "lobby caught up 9")
		w.mu.Lock()
		w.first[lobby] = 10
		w.mu.Unlock()
		w.f.peer(2).drop()
		expect(t, s, "reconnected", "lobby begins at 10", "lobby caught up 9")
	})
}

const thanosIs = `{"jsonrpc":"2.0","method":"user.updated","params":{"room_id":"room_lobby","user":{"id":"user_2","username":"thanos","display_name":"Inevitable","admin":false,"created_at":"2026-11-22T09:30:00.000Z"}}}`

func TestNoSignalsUnlessAsked(t *testing.T) {
	w := newWorld(t, lobby)
	s := follow(t, w.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	w.f.peer(1).send(`{"jsonrpc":"2.0","method":"room.signal","params":{"type":"presence","state":"online","user_id":"user_2","username":"thanos"}}`)
	w.f.peer(1).send(thanosIs)
	w.post(lobby, 1)
	expect(t, s, "lobby caught up 0", "lobby:1")
	if o := w.openings()[0]; o.Signals == nil || *o.Signals {
		t.Errorf("asked for %+v", o)
	}
}

const added = `{"jsonrpc":"2.0","method":"account.event","params":{"type":"room.added","room_id":"room_%d"}}`

// Events of the account come to who asks for them; after a lost connection it is said that some may be missing.
func TestAccountEvents(t *testing.T) {
	w := newWorld(t, lobby)
	c := w.f.dial(&Options{Token: "t", MinBackoff: 1, MaxBackoff: 1})
	s := follow(t, c, &FollowOptions{Account: true})
	w.f.peer(1).send(fmt.Sprintf(added, 1))
	w.f.peer(1).send(`{"jsonrpc":"2.0","method":"account.event","params":{"type":"moon.full"}}`)
	expect(t, s, "account room.added room_1", "account moon.full ")
	w.f.peer(1).drop()
	expect(t, s, "account gap")
	w.f.peer(2).send(fmt.Sprintf(added, 2))
	expect(t, s, "account room.added room_2")
	s.Close()

	s = follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	w.f.peer(2).send(fmt.Sprintf(added, 3))
	w.post(lobby, 1)
	expect(t, s, "lobby caught up 0", "lobby:1")
}

// Who is too slow for them is told so, once they have taken some.
func TestAccountEventsOfASlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := follow(t, w.f.dial(&Options{EventBuffer: 4}), &FollowOptions{Account: true})
		for i := range 10 {
			w.f.peer(1).send(fmt.Sprintf(added, i))
		}
		synctest.Wait()
		expect(t, s, "account room.added room_0", "account room.added room_1", "account room.added room_2", "account room.added room_3", "account gap")
		w.f.peer(1).send(fmt.Sprintf(added, 10))
		expect(t, s, "account room.added room_10")
	})
}

// All joined rooms: those there are, one joined elsewhere, one left, one joined again, one joined while away.
func TestFollowJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby, attic, cellar)
		w.absent[attic], w.absent[cellar] = true, true
		w.post(lobby, 3)
		w.post(attic, 4)
		w.post(cellar, 5)
		c := w.f.dial(&Options{Token: "t", MinBackoff: 1, MaxBackoff: 1})
		s := follow(t, c, &FollowOptions{Joined: true, Rooms: []RoomPosition{{Room: "lobby", After: After(1)}, {Room: "room_cellar", After: After(1)}}})
		expectAll(t, s, "unfollowed room_cellar", "lobby:2", "lobby:3", "lobby caught up 3")
		w.join(attic)
		w.post(attic, 1)
		expect(t, s, "attic:5 member.joined", "attic caught up 5", "attic:6")
		w.leave(attic)
		w.post(attic, 3) // not for us
		expect(t, s, "attic:7 member.left, the last")
		if s.Position(attic) != 0 || len(s.Rooms()) != 1 {
			t.Errorf("left, and yet: %d, %v", s.Position(attic), s.Rooms())
		}
		w.f.peer(1).drop()
		w.f.peer(2)
		expect(t, s, "reconnected", "lobby caught up 3")
		synctest.Wait()
		w.join(attic)
		w.post(attic, 1)
		expect(t, s, "attic:11 member.joined", "attic caught up 11", "attic:12")
		w.mu.Lock()
		delete(w.absent, cellar) // before who comes back may ask
		w.mu.Unlock()
		w.f.peer(2).drop()
		w.f.peer(3)
		synctest.Wait()
		w.post(cellar, 1)
		expectAll(t, s, "reconnected", "lobby caught up 3", "attic caught up 12", "cellar caught up 5", "cellar:6")
	})
}

// Who is removed or banned is out, as who leaves, and everybody of a room that is deleted; a ban of somebody else, or of a stranger, is only an event.
func TestFollowUntilRemoved(t *testing.T) {
	for _, by := range []struct {
		kind api.EventType
		data string
		out  bool
	}{
		{api.EventTypeMemberRemoved, `{"user_id":"user_1","username":"groot"}`, true},
		{api.EventTypeMemberBanned, `{"user_id":"user_1","username":"groot","removed":true}`, true},
		{api.EventTypeRoomDeleted, `{}`, true},
		{api.EventTypeMemberBanned, `{"user_id":"user_2","username":"hulk","removed":true}`, false},
		{api.EventTypeMemberRemoved, `{"user_id":"user_2","username":"hulk"}`, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lobby, attic)
			c := w.f.dial(&Options{Token: "t", MinBackoff: 1, MaxBackoff: 1})
			s := follow(t, c, &FollowOptions{Joined: true})
			expectAll(t, s, "lobby caught up 0", "attic caught up 0")
			w.end(attic, by.kind, by.data)
			last := map[bool]string{true: ", the last"}[by.out]
			expect(t, s, "attic:1 "+string(by.kind)+last)
			if out := len(s.Rooms()) == 1; out != by.out {
				t.Errorf("%s %s: out %t", by.kind, by.data, out)
			}
		})
	}
}

// Who leaves a room and comes back hears of it from where they came back, also when the connection is lost before
// anything happens in it.
func TestJoinedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, attic)
		w.post(attic, 3)
		s := follow(t, w.f.dial(&Options{Token: "t", MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Joined: true, Rooms: []RoomPosition{{Room: "attic", After: After(2)}}})
		expect(t, s, "attic:3", "attic caught up 3")
		w.leave(attic)
		expect(t, s, "attic:4 member.left, the last")
		w.post(attic, 1) // not for us
		w.mu.Lock()
		delete(w.absent, attic)
		w.follow(w.f.peer(1), attic, 5) // as room.join does
		w.mu.Unlock()
		expect(t, s, "attic caught up 5")
		w.mu.Lock() // the client does not get further than its connection meanwhile
		w.f.peer(1).drop()
		w.addLocked(attic, record(attic, 6, api.EventTypeMessagePosted, `{"msg_no":6,"text":"line 6"}`))
		w.mu.Unlock()
		w.f.peer(2)
		expect(t, s, "reconnected", "attic:6", "attic caught up 6")
		w.leave(attic)
		expect(t, s, "attic:7 member.left, the last")
		w.f.peer(2).drop()
		w.mu.Lock()
		delete(w.absent, attic) // joined by another program
		w.mu.Unlock()
		w.f.peer(3)
		expect(t, s, "reconnected", "attic caught up 7")
	})
}

// A room that was deleted and is given back, by an import, goes on where its log ends now.
func TestRoomGivenBack(t *testing.T) {
	w := newWorld(t, lobby)
	w.post(lobby, 5)
	s := follow(t, w.f.dial(nil), &FollowOptions{Joined: true})
	expect(t, s, "lobby caught up 5")
	w.end(lobby, api.EventTypeRoomDeleted, `{}`)
	expect(t, s, "lobby:6 room.deleted, the last")
	w.mu.Lock()
	delete(w.absent, lobby)
	w.rooms[lobby] = w.rooms[lobby][:4]
	for p := range w.joined {
		w.follow(p, lobby, 4)
	}
	w.mu.Unlock()
	expect(t, s, "lobby caught up 4")
	w.post(lobby, 3)
	expect(t, s, "lobby:5", "lobby:6", "lobby:7")
}

// A room that is joined while "joined" is answered begins with the join, though the answer tells a later head.
func TestJoinedInBetween(t *testing.T) {
	w := newWorld(t, lobby)
	w.post(lobby, 5)
	w.f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodSyncOpen {
			return w.handle(p, r)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		as := api.SyncedRoom{RoomID: lobby, Name: "lobby", Status: api.FollowStatusLive, Head: w.head(lobby)}
		p.result(r, string((&api.SyncOpenResult{Epoch: "epoch_1", Rooms: []api.SyncedRoom{as}}).AppendJSON(nil)))
		w.follow(p, lobby, 3)
		return true
	})
	s := follow(t, w.f.dial(nil), &FollowOptions{Joined: true})
	expect(t, s, "lobby:4", "lobby:5", "lobby caught up 5")
}

func TestFollowErrors(t *testing.T) {
	w := newWorld(t, lobby, attic)
	c := w.f.dial(nil)
	w.absent[attic] = true
	for _, o := range []FollowOptions{
		{Rooms: []RoomPosition{{Room: "attic"}}},
		{Rooms: []RoomPosition{{Room: "lobby"}, {Room: "attic"}}},
		{Rooms: []RoomPosition{{Room: "attic", History: 5}}},
	} {
		if _, err := c.Follow(t.Context(), &o); !errors.Is(err, api.ErrNotFound) || !strings.Contains(err.Error(), "attic") {
			t.Errorf("got %v", err)
		}
	}
	s := follow(t, c, nil)
	if _, err := c.Follow(t.Context(), nil); !errors.Is(err, ErrFollowing) {
		t.Errorf("got %v", err)
	}
	s.Close()
	s.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrUnsubscribed) {
		t.Errorf("got %v", err)
	}
	for n, err := range s.Events(t.Context()) {
		t.Errorf("after Close: %v, %v", n, err)
	}
	s = follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s, "lobby caught up 0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range s.Events(ctx) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
	w.post(lobby, 1)
	expect(t, s, "lobby:1") // goes on where it was
	c.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Follow gives up with its context, and the client may follow anew.
func TestFollowTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby)
		w.f.on(func(_ *peer, r *req) bool { return r.Method == api.MethodSyncOpen })
		c := w.f.dial(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Follow(ctx, &FollowOptions{Joined: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.f.on(w.handle)
		follow(t, c, &FollowOptions{Joined: true})
	})
}

// A room that is gone when the connection comes back is announced; the others go on.
func TestRoomGoneMeanwhile(t *testing.T) {
	w := newWorld(t, lobby, attic)
	s := follow(t, w.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}, {Room: "attic"}}})
	expect(t, s, "lobby caught up 0", "attic caught up 0")
	w.mu.Lock()
	w.absent[attic] = true
	w.mu.Unlock()
	w.f.peer(1).drop()
	expectAll(t, s, "reconnected", "unfollowed room_attic", "lobby caught up 0")
	w.post(lobby, 1)
	expect(t, s, "lobby:1")
}

// The logs are others after a restart: every room says so.
func TestEpochChanges(t *testing.T) {
	w := newWorld(t, lobby)
	w.post(lobby, 5)
	s := follow(t, w.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s, "lobby caught up 5")
	w.mu.Lock()
	w.f.epoch, w.rooms[lobby] = "epoch_2", w.rooms[lobby][:2]
	w.mu.Unlock()
	w.f.peer(1).drop()
	expect(t, s, "reconnected", "lobby reset 2 epoch_2", "lobby caught up 2")
	w.post(lobby, 1)
	expect(t, s, "lobby:3")
	if s.Epoch() != "epoch_2" || s.Position(lobby) != 3 {
		t.Errorf("epoch %s, position %d", s.Epoch(), s.Position(lobby))
	}
}

// What is in the buffer is handed out before the end; the end comes as an error.
func TestSessionEndsWhileFollowing(t *testing.T) {
	w := newWorld(t, lobby)
	c := w.f.dial(nil)
	s := follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s, "lobby caught up 0")
	w.post(lobby, 2)
	w.f.peer(1).closing("revoked", -1)
	w.f.peer(1).drop()
	<-c.Done()
	expect(t, s, "lobby:1", "lobby:2", "closing revoked false 0s")
	if _, err := s.Next(t.Context()); !errors.As(err, new(*SessionError)) {
		t.Errorf("got %v", err)
	}
	w2 := newWorld(t, lobby)
	s2 := follow(t, w2.f.dial(nil), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	expect(t, s2, "lobby caught up 0")
	w2.f.peer(1).closing("draining", 20)
	w2.f.peer(1).drop()
	expect(t, s2, "closing draining true 20ms", "reconnected", "lobby caught up 0")
}

func TestHandlers(t *testing.T) {
	w := newWorld(t, lobby)
	c := w.f.dial(nil)
	var got []string
	c.OnNotification(func(n Notification) { got = append(got, show(n)) })
	c.OnMessagePosted(func(e *api.Event, m *api.MessagePosted) { got = append(got, fmt.Sprint(e.Seq, m.Text)) })
	s := follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	c.OnMemberJoined(func(e *api.Event, m *api.MemberJoined) {
		got = append(got, m.Username)
		s.Close()
	})
	w.post(lobby, 1)
	w.add(lobby, api.EventTypeMemberJoined, `{"user_id":"user_3","username":"hulk","role":"member"}`)
	if err := s.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if all := strings.Join(got, ", "); all != "lobby caught up 0, lobby:1, 1line 1, lobby:2 member.joined, hulk" {
		t.Error(all)
	}
	// Data that is not what the type promises ends Run with an error rather than with silence.
	s = follow(t, c, &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}}})
	w.add(lobby, api.EventTypeMessagePosted, `{"msg_no":"x"}`)
	if err := s.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

package chatclient_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

// listen reads events of a room until the message "end" and checks their numbers; it returns the texts.
func listen(t *testing.T, s *chatclient.Subscription) (texts []string, reconnected int) {
	var last api.Seq
	for got, err := range s.Events(deadline(t, 2*time.Minute)) {
		if err != nil {
			t.Error(err)
			return texts, reconnected
		}
		switch n := got.(type) {
		case *chatclient.EventReceived:
			if last != 0 && n.Seq != last+1 {
				t.Errorf("event %d after %d", n.Seq, last)
				return texts, reconnected
			}
			last = n.Seq
			payload, err := n.Payload()
			if err != nil {
				t.Error(err)
			}
			m, ok := payload.(*api.MessagePosted)
			if !ok {
				continue
			}
			if m.Text == "end" {
				return texts, reconnected
			}
			texts = append(texts, m.Text)
		case *chatclient.Reconnected:
			reconnected++
		case *chatclient.CaughtUp, *chatclient.Closing:
		default:
			t.Errorf("%#v", n)
		}
	}
	return texts, reconnected
}

// checkTexts wants "0", "1", "2" … up to n.
func checkTexts(t *testing.T, what string, texts []string, n int) {
	t.Helper()
	if len(texts) != n {
		t.Errorf("%s: %d lines, want %d", what, len(texts), n)
	}
	for i, text := range texts {
		if text != fmt.Sprint(i) {
			t.Fatalf("%s: line %d is %q", what, i, text)
		}
	}
}

// Two hundred connections of who posts are cut at random bytes, on the way up or down: every line is in the
// room once and in order, and a follower who suffers as many cuts hears every event once and in order.
func TestCutAtRandomBytes(t *testing.T) {
	srv := start("", memory.New())
	t.Cleanup(srv.stop)
	above, below := newProxy(t, srv.addr), newProxy(t, srv.addr)
	groot, thanos := register(t, above.addr, "groot", nil), register(t, below.addr, "thanos", nil)
	room, err := groot.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"})
	if err != nil {
		t.Fatal(err)
	}
	follow := false
	if _, err := thanos.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby", Follow: &follow}); err != nil {
		t.Fatal(err)
	}
	sub, err := thanos.Follow(t.Context(), &chatclient.FollowOptions{Rooms: []chatclient.RoomPosition{{Room: string(room.Room.ID), After: chatclient.After(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	const cuts = 200
	above.cut(cuts, true)
	below.cut(cuts, false) // a follower sends next to nothing
	above.cutNow()
	below.cutNow()
	var wg sync.WaitGroup
	var heard []string
	var reconnected int
	wg.Go(func() { heard, reconnected = listen(t, sub) })
	p := groot.NewPoster("lobby", 0)
	n := 0
	for above.left()+below.left() > 0 {
		if _, err := p.Post(deadline(t, time.Minute), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		n++
	}
	end, err := p.Post(t.Context(), "end")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(deadline(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := end.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	checkTexts(t, "heard", heard, n)
	texts := history(t, groot, "lobby")
	checkTexts(t, "kept", texts[:len(texts)-1], n)
	if reconnected < cuts/4 { // a connection that is cut before it could resume does not count
		t.Errorf("reconnected %d times", reconnected)
	}
	t.Logf("%d lines, the follower reconnected %d times", n, reconnected)
}

// The server goes down and comes back three times while 20,000 lines are posted and heard.
func TestServerRestarts(t *testing.T) {
	store := memory.New()
	patient := limits
	patient.BacklogBytes = 0 // on a busy machine a listener is late, is disconnected for it and comes back: one time more than there are restarts
	srv := startLimited("", store, patient)
	groot, thanos := register(t, srv.addr, "groot", nil), register(t, srv.addr, "thanos", nil)
	if _, err := groot.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		t.Fatal(err)
	}
	if _, err := thanos.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	sub, err := thanos.Follow(t.Context(), &chatclient.FollowOptions{Joined: true})
	if err != nil {
		t.Fatal(err)
	}
	lines := 20000
	if testing.Short() {
		lines = 2000
	}
	var wg sync.WaitGroup
	var heard []string
	var reconnected int
	wg.Go(func() { heard, reconnected = listen(t, sub) })
	p := groot.NewPoster("lobby", 0)
	for n := range lines {
		if n > 0 && n%(lines/4) == 0 {
			srv.stop()
			srv = startLimited(srv.addr, store, patient)
		}
		if _, err := p.Post(deadline(t, time.Minute), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { srv.stop() }()
	if _, err := p.Post(t.Context(), "end"); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(deadline(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	checkTexts(t, "heard", heard, lines)
	texts := history(t, groot, "lobby")
	checkTexts(t, "kept", texts[:len(texts)-1], lines)
	if reconnected != 3 {
		t.Errorf("reconnected %d times", reconnected)
	}
}

// A server that drains says when to come back: no call fails, and none takes effect twice.
func TestDrain(t *testing.T) {
	store := memory.New()
	srv := start("", store)
	c := register(t, srv.addr, "groot", nil)
	if _, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	n := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.MessagePost(deadline(t, time.Minute), &api.MessagePostParams{Room: "lobby", Text: fmt.Sprint(n)}); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	})
	for range 3 {
		if err := srv.rpc.Drain(deadline(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
		srv.stop()
		srv = start(srv.addr, store)
		if _, err := c.ServerPing(deadline(t, time.Minute), nil); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	checkTexts(t, "kept", history(t, c, "lobby"), n)
	srv.stop()
}

// What the server refuses is typed, and so is a session that was ended elsewhere.
func TestRefusals(t *testing.T) {
	srv := start("", memory.New())
	t.Cleanup(srv.stop)
	c := register(t, srv.addr, "groot", nil)
	_, err := c.RoomGet(t.Context(), &api.RoomGetParams{Room: "nowhere"})
	if !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if err := c.Call(t.Context(), "room.get", map[string]any{"room": 7}, nil); !errors.Is(err, api.ErrInvalidParams) {
		t.Error(err)
	}
	other, err := chatclient.Dial(t.Context(), "http://"+srv.addr+"/", &chatclient.Options{Token: c.Token(), HandshakeToken: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.UserID() != c.UserID() || c.UserID() == "" {
		t.Errorf("%q, %q", other.UserID(), c.UserID())
	}
	if _, err := c.AuthLogout(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	<-other.Done()
	var s *chatclient.SessionError
	if err := other.Err(); !errors.As(err, &s) || s.Code != api.CloseCodeRevoked {
		t.Error(err)
	}
	if _, err := chatclient.Dial(t.Context(), srv.addr, &chatclient.Options{Username: "groot", Password: "i am thanos"}); !errors.Is(err, api.ErrUnauthenticated) {
		t.Error(err)
	}
}

package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) says(p *api.PresenceSetParams) {
	c.w.t.Helper()
	if _, err := c.PresenceSet(c.w.t.Context(), p); err != nil {
		c.w.t.Fatalf("presence.set: %v", err)
	}
	synctest.Wait() // it is told one by one
}

// sees is what presence.get gives, in short.
func (c *client) sees(p *api.PresenceGetParams) string {
	c.w.t.Helper()
	res, err := c.PresenceGet(c.w.t.Context(), p)
	if err != nil {
		c.w.t.Fatalf("presence.get: %v", err)
	}
	s := ""
	for _, who := range res.Presences {
		s += fmt.Sprintf("%s %s %q; ", who.Username, who.State, who.Text)
	}
	if n := res.Counts; n != nil {
		s += fmt.Sprintf("%d online, %d away, %d dnd, %d offline", n.Online, n.Away, n.Dnd, n.Offline)
	}
	return s
}

func TestPresenceIsSaid(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, hulk *client, _ func(string)) {
		heard := func(want string) {
			t.Helper()
			if got := groot.signalled(api.SignalTypePresence); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		groot.signalled(api.SignalTypePresence) // that they came, if it was told after they had joined
		lobby := &api.PresenceGetParams{Room: "lobby"}
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceOnline}) // as before: nothing to tell
		heard("")
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceAway, Text: "lunch"})
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceAway, Text: "lunch"})
		heard("hulk away")
		if got := groot.sees(lobby); got != `groot online ""; hulk away "lunch"; 1 online, 1 away, 0 dnd, 0 offline` {
			t.Error(got)
		}

		// What is said later does not end when what was said before would have.
		soon, later := api.TimestampOf(time.Now().Add(time.Minute)), api.TimestampOf(time.Now().Add(time.Hour))
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceDnd, Until: &soon})
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceDnd, Text: "SMASHING", Until: &later})
		heard("hulk dnd, hulk dnd")
		time.Sleep(2 * time.Minute)
		heard("")

		// It outlives the connection, whose end it does not hide.
		hulk.signOutAndIn(func() {
			heard("hulk offline")
			if got := groot.sees(lobby); got != `groot online ""; hulk offline "SMASHING"; 1 online, 0 away, 0 dnd, 1 offline` {
				t.Error(got)
			}
		})
		heard("hulk dnd")
		time.Sleep(time.Hour)
		heard("hulk online")
		if got := hulk.sees(&api.PresenceGetParams{}); got != `hulk online ""; ` {
			t.Error(got)
		}
	})
}

// signOutAndIn does something while the user has no connection.
func (c *client) signOutAndIn(meanwhile func()) {
	c.w.t.Helper()
	ctx := c.w.t.Context()
	other := c.w.connect()
	login := other.login("hulk")
	other.Close()
	if _, err := c.AuthLogout(ctx, &api.AuthLogoutParams{}); err != nil {
		c.w.t.Fatal(err)
	}
	meanwhile()
	if err := c.Authenticate(ctx, login); err != nil {
		c.w.t.Fatal(err)
	}
}

func TestPresenceRules(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, hulk *client, _ func(string)) {
		ctx := t.Context()
		now := api.TimestampOf(time.Now())
		_, err := hulk.PresenceSet(ctx, &api.PresenceSetParams{State: api.PresenceChoiceAway, Until: &now})
		wantCode(t, err, api.CodeInvalidParams, "until")
		_, err = hulk.PresenceGet(ctx, &api.PresenceGetParams{Room: "lobby", Users: []string{"groot"}})
		wantCode(t, err, api.CodeInvalidParams, "users")

		// Who shares no room with somebody does not learn whether they are there, nor whether they exist.
		stranger := w.user("stranger")
		_, err = stranger.PresenceGet(ctx, &api.PresenceGetParams{Room: "lobby"})
		wantCode(t, err, api.CodePermissionDenied, "room")
		asked := &api.PresenceGetParams{Users: []string{"hulk", "nobody", "stranger", "groot"}}
		if got := stranger.sees(asked); got != `stranger online ""; ` {
			t.Error(got)
		}
		if got := groot.sees(asked); got != `hulk online ""; groot online ""; ` {
			t.Error(got)
		}

		// Nor does a token for another room.
		groot.create("den")
		made, err := groot.TokenCreate(ctx, &api.TokenCreateParams{Name: "elsewhere", Rooms: []string{"den"}})
		if err != nil {
			t.Fatal(err)
		}
		bound := w.connect()
		if err := bound.Authenticate(ctx, made.Secret); err != nil {
			t.Fatal(err)
		}
		if got := bound.sees(asked); got != `groot online ""; ` {
			t.Error(got)
		}
		_, err = bound.PresenceGet(ctx, &api.PresenceGetParams{Room: "lobby"})
		wantCode(t, err, api.CodeNotFound, "room")

		for i := range 40 {
			if _, err = hulk.PresenceSet(ctx, &api.PresenceSetParams{State: api.PresenceChoiceAway, Text: fmt.Sprint(i)}); err != nil {
				break
			}
		}
		wantCode(t, err, api.CodeRateLimited, "")

		// Who is no more says nothing.
		if _, err := hulk.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of hulk"}); err != nil {
			t.Fatal(err)
		}
		groot.signalled(api.SignalTypePresence)
		if got := groot.sees(&api.PresenceGetParams{Room: "lobby"}); got != `groot online ""; 1 online, 0 away, 0 dnd, 0 offline` {
			t.Error(got)
		}
		stranger.Close()
		bound.Close()
	})
}

func TestLargeRoomsHaveCountsOnly(t *testing.T) {
	typing(t, &chat.Options{Registration: api.RegistrationOpen, PresenceMembers: 1}, func(_ *testing.T, _ *world, groot, hulk *client, _ func(string)) {
		lobby := &api.PresenceGetParams{Room: "lobby"}
		if got := groot.sees(lobby); got != "2 online, 0 away, 0 dnd, 0 offline" {
			t.Error(got)
		}
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceDnd})
		if got := groot.signalled(api.SignalTypePresence); got != "" {
			t.Errorf("heard %s", got)
		}
		time.Sleep(10 * time.Second)
		if got := groot.sees(lobby); got != "1 online, 0 away, 1 dnd, 0 offline" {
			t.Error(got)
		}
		time.Sleep(2 * time.Minute) // forgotten, and counted anew
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceAway})
		if got := groot.sees(lobby); got != "1 online, 1 away, 0 dnd, 0 offline" {
			t.Error(got)
		}
	})
}

// slowly is a store that takes a second to list members.
type slowly struct {
	chat.Store
	listed atomic.Int64
}

func (s *slowly) ListMembers(ctx context.Context, room api.RoomID, afterName string, limit int) ([]*chat.Membership, error) {
	s.listed.Add(1)
	time.Sleep(time.Second)
	return s.Store.ListMembers(ctx, room, afterName, limit)
}

// However many ask at once how many are there in a large room, they are counted once.
func TestLargeRoomsAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		s := &slowly{Store: w.store}
		w.store = s
		w.start(&chat.Options{Registration: api.RegistrationOpen, PresenceMembers: 1})
		groot, hulk := w.user("groot"), w.user("hulk")
		groot.create("lobby")
		hulk.join("lobby")
		s.listed.Store(0)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := groot.sees(&api.PresenceGetParams{Room: "lobby"}); got != "2 online, 0 away, 0 dnd, 0 offline" {
					t.Error(got)
				}
			})
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := hulk.PresenceGet(gone, &api.PresenceGetParams{Room: "lobby"}); err == nil {
			t.Error("who has gone is answered")
		}
		wg.Wait()
		if n := s.listed.Load(); n != 1 {
			t.Errorf("counted %d times", n)
		}
		groot.Close()
		hulk.Close()
		w.svc.Close()
	})
}

// A signal says all that presence.get does.
func TestPresenceSignals(t *testing.T) {
	typing(t, nil, func(t *testing.T, _ *world, groot, hulk *client, _ func(string)) {
		groot.signalled(api.SignalTypePresence)
		until := api.TimestampOf(time.Now().Add(time.Hour))
		hulk.says(&api.PresenceSetParams{State: api.PresenceChoiceDnd, Text: "SMASHING", Until: &until})
		groot.port.mu.Lock()
		notes := groot.port.notes
		groot.port.mu.Unlock()
		var n struct{ Params api.RoomSignalParams }
		if len(notes) != 1 || json.Unmarshal([]byte(notes[0]), &n) != nil || n.Params.Text != "SMASHING" || n.Params.Until == nil || *n.Params.Until != until || n.Params.RoomID == "" {
			t.Errorf("%q", notes)
		}
	})
}

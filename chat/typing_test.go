package chat_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// signalled are the signals of a kind that have come to c since it was last asked.
func (c *client) signalled(kind api.SignalType) string {
	synctest.Wait()
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	var out []string
	for _, note := range c.port.notes {
		var n struct{ Params api.RoomSignalParams }
		if !strings.Contains(note, `"room.signal"`) || json.Unmarshal([]byte(note), &n) != nil || n.Params.Type != kind {
			continue
		}
		s := fmt.Sprint(n.Params.Username, " ", n.Params.State)
		if n.Params.Thread != nil {
			s += fmt.Sprint(" ", *n.Params.Thread)
		}
		out = append(out, s)
	}
	c.port.notes = nil
	return strings.Join(out, ", ")
}

func (c *client) types(room string, typing bool, thread ...api.Seq) {
	c.w.t.Helper()
	synctest.Wait() // a post is answered before it is handed out
	p := &api.TypingSetParams{Room: room, Typing: typing}
	if len(thread) > 0 {
		p.Thread = &thread[0]
	}
	if _, err := c.TypingSet(c.w.t.Context(), p); err != nil {
		c.w.t.Fatalf("typing.set: %v", err)
	}
}

// typing is a lobby in which groot listens to hulk.
func typing(t *testing.T, opts *chat.Options, play func(t *testing.T, w *world, groot, hulk *client, heard func(want string))) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, opts)
		groot, hulk := w.user("groot"), w.user("hulk")
		groot.create("lobby")
		groot.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
		hulk.join("lobby")
		synctest.Wait() // groot follows by now
		heard := func(want string) {
			t.Helper()
			if got := groot.signalled(api.SignalTypeTyping); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		play(t, w, groot, hulk, heard)
		groot.Close()
		hulk.Close()
		w.svc.Close()
	})
}

func TestTypingIsCoalesced(t *testing.T) {
	typing(t, nil, func(_ *testing.T, _ *world, _, hulk *client, heard func(string)) {
		for range 5 {
			hulk.types("lobby", true)
		}
		heard("hulk started")
		time.Sleep(3 * time.Second)
		hulk.types("lobby", true)
		heard("hulk started")
		hulk.types("lobby", false)
		hulk.types("lobby", false)
		heard("hulk stopped")
		hulk.types("lobby", true)
		heard("hulk started")
		time.Sleep(8 * time.Second) // it has ended by itself: there is nothing to stop
		hulk.types("lobby", false)
		heard("")
		hulk.types("lobby", true)
		heard("hulk started")
	})
}

func TestTypingEnds(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, hulk *client, heard func(string)) {
		root := groot.post("lobby", "shall we?").Seq
		hulk.types("lobby", true)
		hulk.types("lobby", true, root)
		heard(fmt.Sprint("hulk started, hulk started ", root))

		hulk.post("lobby", "smash") // which tells it; the answer under the message is another one
		hulk.types("lobby", false)
		heard("")
		hulk.types("lobby", true)
		hulk.types("lobby", true, root)
		heard("hulk started")
		if _, err := hulk.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "smash", Thread: &root}); err != nil {
			t.Fatal(err)
		}
		hulk.types("lobby", true, root)
		heard(fmt.Sprint("hulk started ", root))

		if _, err := hulk.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
			t.Fatal(err)
		}
		hulk.join("lobby")
		hulk.types("lobby", true)
		heard("hulk started")

		other := w.connect()
		if err := other.Authenticate(t.Context(), other.login("hulk")); err != nil {
			t.Fatal(err)
		}
		hulk.Close() // one of two
		heard("")
		other.Close()
		heard("hulk stopped")
	})
}

func TestTypingRules(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, hulk *client, heard func(string)) {
		ctx := t.Context()
		root := groot.post("lobby", "shall we?").Seq
		answer, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "or not?", Thread: &root})
		if err != nil {
			t.Fatal(err)
		}
		gone := groot.post("lobby", "oh").Seq
		if _, err := groot.MessageDelete(ctx, &api.MessageDeleteParams{Room: "lobby", Seq: gone}); err != nil {
			t.Fatal(err)
		}
		_, err = hulk.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true, Thread: ptr(api.Seq(1))})
		wantCode(t, err, api.CodeNotFound, "thread")
		_, err = hulk.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true, Thread: &gone})
		wantCode(t, err, api.CodeNotFound, "thread")
		_, err = hulk.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true, Thread: &answer.Seq})
		wantCode(t, err, api.CodeFailedPrecondition, "thread")

		stranger := w.user("stranger")
		_, err = stranger.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodePermissionDenied, "room")
		_, err = stranger.TypingSet(ctx, &api.TypingSetParams{Room: "nowhere", Typing: true})
		wantCode(t, err, api.CodeNotFound, "room")
		heard("")
		stranger.Close()

		for range 10 {
			hulk.types("lobby", true)
			hulk.types("lobby", false)
		}
		_, err = hulk.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodeRateLimited, "")
		time.Sleep(time.Second)
		hulk.types("lobby", true)
		time.Sleep(2 * time.Minute) // what has no say is dropped, and all is as before
		groot.signalled(api.SignalTypeTyping)
		hulk.types("lobby", true)
		heard("hulk started")
	})
}

func TestNobodyIsShownTypingInLargeRooms(t *testing.T) {
	typing(t, &chat.Options{Registration: api.RegistrationOpen, PresenceMembers: 1}, func(t *testing.T, _ *world, _, hulk *client, heard func(string)) {
		res, err := hulk.TypingSet(t.Context(), &api.TypingSetParams{Room: "lobby", Typing: true})
		if err != nil || res.Shown {
			t.Errorf("%+v, %v", res, err)
		}
		heard("")
	})
}

// Who may not say anything is not seen typing, and may stop all the same.
func TestTypingOfWhoMayNotPost(t *testing.T) {
	typing(t, nil, func(t *testing.T, _ *world, groot, hulk *client, heard func(string)) {
		ctx := t.Context()
		hulk.types("lobby", true)
		heard("hulk started")
		if _, err := groot.MemberMute(ctx, &api.MemberMuteParams{Room: "lobby", User: "hulk"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		_, err := hulk.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodePermissionDenied, "room")
		hulk.types("lobby", false)
		heard("hulk stopped")
		if _, err := groot.RoomArchive(ctx, &api.RoomArchiveParams{Room: "lobby"}); err != nil {
			t.Fatal(err)
		}
		_, err = groot.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodeFailedPrecondition, "room")
		heard("")
	})
}

// Who was removed is not shown typing any more, whatever they were before.
func TestTypingEndsWithRemoval(t *testing.T) {
	typing(t, nil, func(t *testing.T, _ *world, groot, hulk *client, heard func(string)) {
		hulk.types("lobby", true)
		heard("hulk started")
		if _, err := groot.MemberRemove(t.Context(), &api.MemberRemoveParams{Room: "lobby", User: "hulk"}); err != nil {
			t.Fatal(err)
		}
		_, err := hulk.TypingSet(t.Context(), &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodePermissionDenied, "room")
		heard("")
	})
}

// A token for other rooms does not let anybody be seen typing here.
func TestTypingHeedsTheTokensRooms(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, _, hulk *client, heard func(string)) {
		hulk.create("den")
		made, err := hulk.TokenCreate(t.Context(), &api.TokenCreateParams{Name: "elsewhere", Rooms: []string{"den"}})
		if err != nil {
			t.Fatal(err)
		}
		bound := w.connect()
		if err := bound.Authenticate(t.Context(), made.Secret); err != nil {
			t.Fatal(err)
		}
		_, err = bound.TypingSet(t.Context(), &api.TypingSetParams{Room: "lobby", Typing: true})
		wantCode(t, err, api.CodeNotFound, "room")
		heard("")
		bound.Close()
	})
}

// Signals are switched for one room or for all, those too that are followed later or about to be.
func TestSignalsAreSwitched(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, hulk *client, heard func(string)) {
		ctx := t.Context()
		update := func(on bool, rooms ...string) []api.RoomID {
			t.Helper()
			return must[*api.SyncUpdateResult](t)(groot.SyncUpdate(ctx, &api.SyncUpdateParams{Signals: on, Rooms: rooms})).Rooms
		}
		hear := func(room, want string) {
			t.Helper()
			hulk.types(room, true)
			heard(want)
			hulk.types(room, false)
			synctest.Wait()
			groot.port.mu.Lock()
			groot.port.notes = nil
			groot.port.mu.Unlock()
			time.Sleep(time.Minute) // rates
		}
		lobby, attic := groot.room(t, "lobby").ID, groot.create("attic")
		groot.Replied()
		hulk.join("attic")
		hear("lobby", "hulk started")
		if got := update(false, "lobby"); !slices.Equal(got, []api.RoomID{lobby}) {
			t.Errorf("updated %v", got)
		}
		hear("lobby", "")
		hear("attic", "hulk started")
		if got := update(false); len(got) != 2 {
			t.Errorf("updated %v", got)
		}
		hear("attic", "")
		update(true, string(attic))
		hear("attic", "hulk started")
		hear("lobby", "")
		groot.create("cellar") // followed while they are off
		groot.Replied()
		hulk.join("cellar")
		hear("cellar", "")
		update(true)
		hear("cellar", "hulk started")
		hear("lobby", "hulk started")
		if _, err := groot.SyncClose(ctx, &api.SyncCloseParams{Rooms: []string{"lobby"}}); err != nil {
			t.Fatal(err)
		}
		if got := update(true, "lobby"); len(got) > 0 {
			t.Errorf("updated %v, which is not followed", got)
		}
		after := api.Seq(0)
		groot.port.stall = make(chan struct{})
		groot.open(&api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: "lobby", After: &after}}}})
		if got := update(false, "lobby"); len(got) != 1 {
			t.Errorf("updated %v: it is being replayed", got)
		}
		close(groot.port.stall)
		hear("lobby", "")
		_, err := groot.SyncUpdate(ctx, &api.SyncUpdateParams{Signals: true, Rooms: []string{"lobby", "nowhere"}})
		wantCode(t, err, api.CodeNotFound, "rooms[1]")
	})
}

package chat_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
)

func (c *client) update(t testing.TB, p api.RoomUpdateParams) (*api.RoomUpdateResult, error) {
	t.Helper()
	if p.Room == "" {
		p.Room = "lobby"
	}
	return c.RoomUpdate(t.Context(), &p)
}

func TestRoomUpdate(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, stranger := crew(t, w)
	res := must[*api.RoomUpdateResult](t)(moderator.update(t, api.RoomUpdateParams{Title: "The lobby", Topic: "all", SlowModeMS: ptr(int64(5000)), ReadOnly: ptr(true)}))
	got := must[*api.RoomGetResult](t)(moderator.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"})).Room
	if d := cmp.Diff(got, res.Room); d != "" || !res.Changed || *res.Seq != got.Head.Seq || got.Title != "The lobby" || *got.SlowModeMS != 5000 || !got.ReadOnly || got.Role != api.RoleModerator {
		t.Errorf("%s\n%+v", d, res)
	}
	// The same again changes nothing; the event tells what has changed and no more.
	if res := must[*api.RoomUpdateResult](t)(moderator.update(t, api.RoomUpdateParams{Title: "The lobby", ReadOnly: ptr(true)})); res.Changed || res.Seq != nil || res.Room.Head != got.Head {
		t.Errorf("again: %+v", res)
	}
	must[*api.RoomUpdateResult](t)(moderator.update(t, api.RoomUpdateParams{Title: "The lobby", Clear: []api.RoomField{api.RoomFieldTopic}, SlowModeMS: ptr(int64(0))}))
	events := owner.history(t, "lobby")
	payload, err := events[len(events)-1].Payload()
	if d := cmp.Diff(&api.RoomUpdated{Cleared: []api.RoomField{api.RoomFieldTopic}, SlowModeMS: ptr(int64(0))}, payload); d != "" || err != nil {
		t.Error(d, err)
	}

	for _, c := range []struct {
		who   *client
		p     api.RoomUpdateParams
		code  api.Code
		field string
	}{
		{member, api.RoomUpdateParams{Title: "mine"}, api.CodePermissionDenied, "room"},
		{member, api.RoomUpdateParams{Title: "The lobby"}, api.CodePermissionDenied, "room"}, // also what is so already
		{stranger, api.RoomUpdateParams{Title: "mine"}, api.CodePermissionDenied, "room"},
		{moderator, api.RoomUpdateParams{Name: "hall"}, api.CodePermissionDenied, "room"},
		{moderator, api.RoomUpdateParams{Visibility: api.VisibilityPrivate}, api.CodePermissionDenied, "room"},
		{owner, api.RoomUpdateParams{Name: "room_01kb1z3c8efyvs6tjv5vz0q7xn"}, api.CodeInvalidParams, "name"},
		{owner, api.RoomUpdateParams{Title: "a", Clear: []api.RoomField{api.RoomFieldTitle}}, api.CodeInvalidParams, "clear"},
		{owner, api.RoomUpdateParams{Room: "nowhere", Title: "a"}, api.CodeNotFound, "room"},
	} {
		_, err := c.who.update(t, c.p)
		wantCode(t, err, c.code, c.field)
	}
}

// A room's name is another's when it is free, for those too who knew it before.
func TestRename(t *testing.T) {
	w := newWorld(t, nil)
	owner, _, member, _ := crew(t, w)
	owner.create("attic")
	_, err := owner.update(t, api.RoomUpdateParams{Name: "attic"})
	wantCode(t, err, api.CodeAlreadyExists, "name")
	member.post("lobby", "its name is known now")
	must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{Name: "hall"}))
	wantCode(t, member.tryPost(t, "lobby", "nobody there"), api.CodeNotFound, "room")
	if err := member.tryPost(t, "hall", "here"); err != nil {
		t.Error(err)
	}
	member.create("lobby")
	if res := member.post("lobby", "another"); res.MsgNo != 1 {
		t.Errorf("posted to the old room: %+v", res)
	}
	// One that becomes private is not there any more for strangers, by name or id.
	stranger := w.user("passer-by")
	id := must[*api.RoomGetResult](t)(stranger.RoomGet(t.Context(), &api.RoomGetParams{Room: "hall"})).Room.ID
	must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{Room: "hall", Visibility: api.VisibilityPrivate}))
	for _, ref := range []string{"hall", string(id)} {
		wantCode(t, stranger.tryPost(t, ref, "x"), api.CodeNotFound, "room")
		wantCode(t, stranger.tryJoin(t, ref), api.CodeNotFound, "room")
	}
}

// A name that was read before it changed is not kept.
func TestNameReadBeforeItChanged(t *testing.T) {
	w, store := newHookedWorld(t)
	owner := w.user("owner")
	owner.create("lobby")
	renamed := false
	hook := func() {
		renamed = true
		must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{Room: string(owner.get(t, "lobby")), Name: "hall"}))
	}
	passer := w.user("passer-by")
	store.roomName = hook
	if _, err := passer.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"}); err != nil || !renamed {
		t.Fatal(err, renamed)
	}
	_, err := owner.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "x"})
	wantCode(t, err, api.CodeNotFound, "room")
}

func (c *client) get(t testing.TB, room string) api.RoomID {
	t.Helper()
	return must[*api.RoomGetResult](t)(c.RoomGet(t.Context(), &api.RoomGetParams{Room: room})).Room.ID
}

// In a read-only room only moderators and owners speak; others may still react, and take back what they said.
func TestReadOnlyRoom(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, _ := crew(t, w)
	seq := member.post("lobby", "hi").Seq
	must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{ReadOnly: ptr(true)}))
	wantCode(t, member.tryPost(t, "lobby", "hi"), api.CodePermissionDenied, "room")
	_, err := member.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "hi", Thread: &seq})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = member.edit(t, seq, "ho")
	wantCode(t, err, api.CodePermissionDenied, "room")
	must[*api.ReactionAddResult](t)(member.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: seq, Emoji: "👍"}))
	must[*api.MessageDeleteResult](t)(member.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: seq}))
	moderator.post("lobby", "news")
	must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{ReadOnly: ptr(false)}))
	member.post("lobby", "hi")
}

func TestSlowMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		owner, moderator, member, stranger := crew(t, w)
		defer func() {
			for _, c := range []*client{owner, moderator, member, stranger} {
				c.Close()
			}
			w.svc.Close()
		}()
		must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{SlowModeMS: ptr(int64(10_000))}))
		wantWait := func(want time.Duration) {
			t.Helper()
			err := member.tryPost(t, "lobby", "hi")
			wantCode(t, err, api.CodeRateLimited, "room")
			var e *api.Error
			if errors.As(err, &e) && (e.Data.RetryAfterMS == nil || *e.Data.RetryAfterMS != want.Milliseconds()) {
				t.Errorf("%+v, want a wait of %v", e.Data, want)
			}
		}
		keyed := &api.MessagePostParams{Room: "lobby", Text: "first", IdempotencyKey: "k"}
		first := must[*api.MessagePostResult](t)(member.MessagePost(t.Context(), keyed))
		wantWait(10 * time.Second)
		time.Sleep(4 * time.Second)
		wantWait(6 * time.Second)
		if again := must[*api.MessagePostResult](t)(member.MessagePost(t.Context(), keyed)); !again.Duplicate || again.Seq != first.Seq {
			t.Errorf("a retry: %+v", again)
		}
		// A post that is refused for another reason costs no wait; leaving does not help.
		_, err := stranger.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "x"})
		wantCode(t, err, api.CodePermissionDenied, "room")
		member.leave(t, "lobby")
		if err := member.tryJoin(t, "lobby"); err != nil {
			t.Fatal(err)
		}
		wantWait(6 * time.Second)
		for range 3 {
			moderator.post("lobby", "at once")
			owner.post("lobby", "at once")
		}
		time.Sleep(6 * time.Second)
		_, err = member.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "x", ReplyTo: ptr(api.Seq(1))})
		wantCode(t, err, api.CodeNotFound, "reply_to")
		member.post("lobby", "second")
		wantWait(10 * time.Second)
		// A wait from a time when the room was slower does not count.
		must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{SlowModeMS: ptr(int64(1000))}))
		member.post("lobby", "third")
		wantWait(time.Second)
		must[*api.RoomUpdateResult](t)(owner.update(t, api.RoomUpdateParams{SlowModeMS: ptr(int64(0))}))
		member.post("lobby", "fourth")
		member.post("lobby", "fifth")
	})
}

// An archived room is read and not written, whoever one is; it is listed only if that is asked for.
func TestArchive(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, stranger := crew(t, w)
	seq := member.post("lobby", "hi").Seq
	archive := func(c *client) (*api.RoomArchiveResult, error) {
		return c.RoomArchive(t.Context(), &api.RoomArchiveParams{Room: "lobby", Reason: "done"})
	}
	_, err := archive(moderator)
	wantCode(t, err, api.CodePermissionDenied, "room")
	if res := must[*api.RoomArchiveResult](t)(archive(owner)); !res.Archived || res.Seq == nil {
		t.Errorf("%+v", res)
	}
	if res := must[*api.RoomArchiveResult](t)(archive(owner)); res.Archived || res.Seq != nil {
		t.Errorf("again: %+v", res)
	}
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"post": func() error { return owner.tryPost(t, "lobby", "hi") },
		"edit": func() error { _, err := member.edit(t, seq, "ho"); return err },
		"react": func() error {
			_, err := owner.ReactionAdd(ctx, &api.ReactionAddParams{Room: "lobby", Seq: seq, Emoji: "x"})
			return err
		},
		"unreact": func() error {
			_, err := owner.ReactionRemove(ctx, &api.ReactionRemoveParams{Room: "lobby", Seq: seq, Emoji: "x"})
			return err
		},
		"pin": func() error { _, err := owner.PinAdd(ctx, &api.PinAddParams{Room: "lobby", Seq: seq}); return err },
		"unpin": func() error {
			_, err := owner.PinRemove(ctx, &api.PinRemoveParams{Room: "lobby", Seq: seq})
			return err
		},
		"update": func() error { _, err := owner.update(t, api.RoomUpdateParams{Title: "new"}); return err },
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, do(), api.CodeFailedPrecondition, "room") })
	}
	// Who comes may read; a message may be taken back.
	stranger.join("lobby")
	if m := stranger.message(t, "lobby", seq); m.Text != "hi" {
		t.Errorf("%+v", m)
	}
	must[*api.MessageDeleteResult](t)(member.MessageDelete(ctx, &api.MessageDeleteParams{Room: "lobby", Seq: seq}))
	for _, p := range []*api.RoomListParams{{}, {Joined: ptr(true)}} {
		if res := must[*api.RoomListResult](t)(owner.RoomList(ctx, p)); len(res.Rooms) != 0 {
			t.Errorf("listed: %+v", res)
		}
		p.Archived = ptr(true)
		if res := must[*api.RoomListResult](t)(owner.RoomList(ctx, p)); len(res.Rooms) != 1 || res.Rooms[0].ArchivedAt == nil {
			t.Errorf("not listed: %+v", res)
		}
	}
	// Who follows what they are in hears of its opening.
	if res := member.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}}); len(res.Rooms) != 1 {
		t.Errorf("followed: %+v", res)
	}
	for _, unarchived := range []bool{true, false} {
		res := must[*api.RoomUnarchiveResult](t)(owner.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: "lobby"}))
		if res.Unarchived != unarchived {
			t.Errorf("%+v", res)
		}
	}
	member.post("lobby", "again")
}

package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) deleteRoom(t testing.TB, room string) (*api.RoomDeleteResult, error) {
	t.Helper()
	return c.RoomDelete(t.Context(), &api.RoomDeleteParams{Room: room, Reason: "all said"})
}

// awaitRemoved waits until the connection has been told that its user is out of a room.
func (c *client) awaitRemoved(room api.RoomID) {
	c.port.awaitNote(string(api.AppendAccountEvent(nil, &api.AccountEventParams{Type: api.AccountEventTypeRoomRemoved, RoomID: room})))
}

// awaitType waits for an event of a type.
func (c *client) awaitType(kind api.EventType) api.Event {
	var found api.Event
	c.port.await(func(p *port) bool {
		for _, e := range p.events {
			if e.Type == kind {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func TestRoomDelete(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, stranger := crew(t, w)
	room := must[*api.RoomGetResult](t)(owner.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"})).Room.ID
	phone := member.twin(t) // follows nothing
	for _, c := range []*client{moderator, member} {
		_, err := c.deleteRoom(t, "lobby")
		wantCode(t, err, api.CodePermissionDenied, "room")
	}
	_, err := stranger.deleteRoom(t, "lobby")
	wantCode(t, err, api.CodePermissionDenied, "room")
	if _, err := member.TypingSet(t.Context(), &api.TypingSetParams{Room: "lobby", Typing: true}); err != nil {
		t.Fatal(err)
	}
	head := owner.post("lobby", "the last word").Seq
	res, err := owner.deleteRoom(t, string(room))
	if err != nil || res.RoomID != room || res.Seq != head+1 {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, c := range []*client{moderator, member} {
		ev := c.awaitType(api.EventTypeRoomDeleted)
		payload, err := ev.Payload()
		if d := cmp.Diff(&api.RoomDeleted{Reason: "all said"}, payload); d != "" || err != nil || ev.Seq != res.Seq {
			t.Errorf("%+v: %s %v", ev, d, err)
		}
	}
	for _, c := range []*client{owner, moderator, member, phone} {
		c.awaitRemoved(room)
	}
	if slices.Contains(stranger.port.accountTypes(), "room.removed") {
		t.Error("a stranger is told")
	}

	// For everybody it is to the byte as a room that never was.
	for name, act := range map[string]func(c *client, ref string) error{
		"get": func(c *client, ref string) error {
			return second(c.RoomGet(t.Context(), &api.RoomGetParams{Room: ref}))
		},
		"join":   func(c *client, ref string) error { return c.tryJoin(t, ref) },
		"post":   func(c *client, ref string) error { return c.tryPost(t, ref, "anybody here?") },
		"delete": func(c *client, ref string) error { return second(c.deleteRoom(t, ref)) },
		"invite": func(c *client, ref string) error { return second(c.invite(t, ref, "stranger")) },
		"members": func(c *client, ref string) error {
			return second(c.MemberList(t.Context(), &api.MemberListParams{Room: ref}))
		},
		"history": func(c *client, ref string) error {
			return second(c.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: ref}))
		},
		"leave": func(c *client, ref string) error {
			return second(c.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: ref}))
		},
		"typing": func(c *client, ref string) error {
			return second(c.TypingSet(t.Context(), &api.TypingSetParams{Room: ref, Typing: true}))
		},
		"read": func(c *client, ref string) error {
			return second(c.ReadMark(t.Context(), &api.ReadMarkParams{Room: ref}))
		},
		"open": func(c *client, ref string) error {
			return second(c.SyncOpen(t.Context(), &api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: ref, After: ptr(api.Seq(1))})}))
		},
		"close": func(c *client, ref string) error {
			return second(c.SyncClose(t.Context(), &api.SyncCloseParams{Rooms: []string{ref}}))
		},
	} {
		for who, c := range map[string]*client{"owner": owner, "member": member, "stranger": stranger} {
			for ref, never := range map[string]string{"lobby": "nowhere", string(room): "room_01kb1z3c8efyvs6tjv5vz0q7xn"} {
				got, want := act(c, ref), act(c, never)
				if got == nil || want == nil || got.Error() != want.Error() {
					t.Errorf("%s %s by %s: %v; of one that never was: %v", name, ref, who, got, want)
				}
			}
		}
	}
	if rooms, err := member.RoomList(t.Context(), &api.RoomListParams{Archived: ptr(true)}); err != nil || len(rooms.Rooms) > 0 {
		t.Errorf("%+v, %v", rooms, err)
	}

	// Its name is free; who made another room of it has nothing of the old one.
	if id := stranger.create("lobby"); id == room || len(stranger.history(t, "lobby")) != 2 {
		t.Errorf("%v", stranger.history(t, "lobby"))
	}
	wantCode(t, member.tryPost(t, "lobby", "hi"), api.CodePermissionDenied, "room")
	log, err := w.store.ListAudit(t.Context(), &chat.AuditQuery{Action: api.MethodRoomDelete, Limit: 9})
	if err != nil || len(log) != 1 || log[0].ActorName != "owner" || log[0].Subject != string(room) || log[0].SubjectName != "lobby" || log[0].Detail != "all said" {
		t.Errorf("%+v, %v", log, err)
	}
}

// Who replays a room when it is deleted is told what does not come any more, and that the room is gone; who has left
// before is not.
func TestRoomDeletedWhileReplaying(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		w, h := newHookedWorld(t)
		groot, thanos := w.user("groot"), w.user("thanos")
		room := groot.create("lobby")
		thanos.join("lobby") // 3
		for range 3 {
			groot.post("lobby", "for members") // 4 to 6
		}
		c := thanos.twin(t)
		h.history = func() {
			if leaves {
				thanos.leave(t, "lobby") // 7
			}
			if _, err := groot.deleteRoom(t, "lobby"); err != nil { // 7 or 8
				t.Error(err)
			}
		}
		c.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(1))})})
		gap := api.Gap{From: 2, To: 6}
		if leaves {
			gap.To = 7
		}
		c.port.awaitNote(string(api.AppendSyncGap(nil, &api.SyncGapParams{RoomID: room, From: gap.From, To: gap.To, Reason: api.GapReasonDeleted})))
		if !leaves {
			if ev := c.awaitType(api.EventTypeRoomDeleted); ev.Seq != 7 {
				t.Errorf("%+v", ev)
			}
		}
		c.Close()
		if n := len(c.port.awaitEvents(0)); leaves && n > 0 || len(c.port.closed) > 0 {
			t.Errorf("%d events, closed %v", n, c.port.closed)
		}
	}
}

// A room that is deleted between two looks of a call is not there.
func TestRoomDeletedBetweenLooks(t *testing.T) {
	for name, call := range map[string]func(c *client, room string) error{
		"members": func(c *client, room string) error {
			return second(c.MemberList(t.Context(), &api.MemberListParams{Room: room}))
		},
		"presence": func(c *client, room string) error {
			return second(c.PresenceGet(t.Context(), &api.PresenceGetParams{Room: room}))
		},
		"leave": func(c *client, room string) error {
			return second(c.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: room}))
		},
	} {
		w, h := newHookedWorld(t)
		groot, thanos := w.user("groot"), w.user("thanos")
		room := string(groot.create("lobby"))
		thanos.join("lobby")
		h.roomByID = func() {
			if _, err := groot.deleteRoom(t, room); err != nil {
				t.Error(err)
			}
		}
		if err := call(thanos, room); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A room that is deleted when somebody has just begun to follow it ends for them with its last event.
func TestRoomDeletedWhileOpening(t *testing.T) {
	w, h := newHookedWorld(t)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := groot.create("lobby")
	thanos.join("lobby")
	c := thanos.twin(t)
	h.roomByID = func() {
		if _, err := groot.deleteRoom(t, "lobby"); err != nil {
			t.Error(err)
		}
	}
	c.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: string(room)})})
	if ev := c.awaitType(api.EventTypeRoomDeleted); ev.Seq != 4 {
		t.Errorf("%+v", ev)
	}
	c.Close()
	if len(c.port.closed) > 0 {
		t.Errorf("closed: %v", c.port.closed)
	}
}

// What is posted while a room is deleted is before its end, or refused.
func TestPostsRaceWithDelete(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	room := groot.create("lobby")
	var people []*client
	for i := range 4 {
		c := w.user(fmt.Sprint("u", i))
		c.join("lobby")
		people = append(people, c)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	last := api.Seq(0)
	for _, c := range people {
		wg.Go(func() {
			for i := 0; ; i++ {
				res, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: string(room), Text: "x"})
				if err != nil {
					if !errors.Is(err, api.ErrNotFound) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				last = max(last, res.Seq)
				mu.Unlock()
			}
		})
	}
	people[0].port.awaitEvents(50)
	res, err := groot.deleteRoom(t, "lobby")
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if last >= res.Seq {
		t.Errorf("%d after the end at %d", last, res.Seq)
	}
	for _, c := range people {
		if ev := c.awaitType(api.EventTypeRoomDeleted); ev.Seq != res.Seq {
			t.Errorf("%+v", ev)
		}
		if events := c.port.awaitEvents(0); events[len(events)-1].Seq != res.Seq {
			t.Errorf("%+v after the end", events[len(events)-1])
		}
	}
}

// What a server's administrator does in a room beyond their role there is written down, once; what others do is not.
func TestAdministratorsActsAreWrittenDown(t *testing.T) {
	w := newWorld(t, nil)
	admin, owner := w.user("admin"), w.user("owner")
	owner.create("lobby")
	for _, name := range []string{"one", "two"} {
		w.user(name).join("lobby")
	}
	admin.join("lobby")
	ctx := t.Context()
	must[*api.MemberRemoveResult](t)(owner.MemberRemove(ctx, &api.MemberRemoveParams{Room: "lobby", User: "two"}))
	must[*api.MemberInviteResult](t)(admin.invite(t, "lobby", "two")) // any member may
	must[*api.MemberBanResult](t)(admin.ban(t, api.MemberBanParams{User: "one", Reason: "the ad"}))
	must[*api.MemberBanResult](t)(admin.ban(t, api.MemberBanParams{User: "one", Reason: "the ad"})) // nothing changes
	must[*api.MemberRemoveResult](t)(admin.MemberRemove(ctx, &api.MemberRemoveParams{Room: "lobby", User: "two"}))
	must[*api.RoomArchiveResult](t)(admin.RoomArchive(ctx, &api.RoomArchiveParams{Room: "lobby"}))
	must[*api.RoomUnarchiveResult](t)(owner.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: "lobby"}))
	must[*api.MemberSetRoleResult](t)(admin.setRole(t, "admin", api.RoleOwner))
	must[*api.RoomArchiveResult](t)(admin.RoomArchive(ctx, &api.RoomArchiveParams{Room: "lobby"})) // an owner by now
	must[*api.RoomDeleteResult](t)(admin.deleteRoom(t, "lobby"))
	var got []string
	log, err := w.store.ListAudit(ctx, &chat.AuditQuery{Limit: 99})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range log {
		if strings.HasPrefix(r.Action, "member.") || strings.HasPrefix(r.Action, "room.") {
			_, why, _ := strings.Cut(r.Detail, ": ")
			got = append(got, fmt.Sprintf("%s %s %s %s", r.ActorName, r.Action, r.SubjectName, why))
		}
	}
	slices.Reverse(got)
	want := []string{"admin member.ban one the ad", "admin member.remove two ", "admin room.archive lobby ", "admin member.set_role admin ", "admin room.delete lobby "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// hesitant is a store that erases when it is let.
type hesitant struct {
	chat.Store
	let    atomic.Bool
	asked  chan struct{}    // 1 deep: it was not let
	erased chan chat.Erased // as deep as a test needs
}

func (s *hesitant) Erase(ctx context.Context) (*chat.Erased, error) {
	if !s.let.Load() {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		return nil, chat.ErrUnavailable
	}
	step, err := s.Store.Erase(ctx)
	if step != nil {
		s.erased <- *step
	}
	return step, err
}

// What could not be erased is erased after a restart.
func TestErasingGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t, nil)
	store := &hesitant{Store: w.store, asked: make(chan struct{}, 1), erased: make(chan chat.Erased, 9)}
	w.store = store
	w.start(nil)
	groot := w.user("groot")
	room := groot.create("lobby")
	<-store.asked
	if _, err := groot.deleteRoom(t, "lobby"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Head(t.Context(), room); !errors.Is(err, chat.ErrNotFound) {
		t.Error(err)
	}
	w.svc.Close()
	store.let.Store(true)
	w.start(nil)
	if got := <-store.erased; got.Room != room || !slices.Equal(got.Members, []api.UserID{groot.UserID()}) {
		t.Errorf("%+v", got)
	}
}

// Who is given a deleted room back before it is erased is not told, after that, that they are none of it.
func TestGivenBackBeforeItIsErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		store := &hesitant{Store: w.store, asked: make(chan struct{}, 1), erased: make(chan chat.Erased, 9)}
		w.store = store
		w.start(nil)
		ada, bob, cy := w.user("ada"), w.user("bob"), w.user("cy")
		ada.create("lobby")
		bob.join("lobby")
		header, lines := ada.export(1000, "lobby")
		cy.join("lobby")
		must[*api.RoomDeleteResult](t)(ada.deleteRoom(t, "lobby"))
		ada.bring(header, lines, 1000)
		store.let.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		for c, want := range map[*client][]string{bob: {"room.added", "room.added"}, cy: {"room.added", "room.removed"}} {
			if got := c.port.accountTypes(); !slices.Equal(got, want) {
				t.Errorf("%s was told %v, want %v", c.name(), got, want)
			}
		}
		if got := (<-store.erased).Members; len(got) != 3 {
			t.Errorf("erased: %v", got)
		}
	})
}

package chat_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

func (c *client) direct(t testing.TB, users ...string) *api.DmOpenResult {
	t.Helper()
	return must[*api.DmOpenResult](t)(c.DmOpen(t.Context(), &api.DmOpenParams{Users: users}))
}

func usernames(r *api.Room) []string {
	var names []string
	for _, u := range r.Users {
		names = append(names, u.Username)
	}
	slices.Sort(names)
	return names
}

func TestDirectRoom(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot, thanos, hulk := w.user("admin"), w.user("groot"), w.user("thanos"), w.user("hulk")
	thanos.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	res := groot.direct(t, "thanos")
	room := string(res.Room.ID)
	if !res.Opened || res.Room.Visibility != api.VisibilityDirect || res.Room.Name != room || res.Room.Role != api.RoleMember || res.Room.MemberCount != 2 || !slices.Equal(usernames(&res.Room), []string{"groot", "thanos"}) {
		t.Fatalf("%+v", res)
	}
	// The other side is told, follows it, and opens the same.
	if added := thanos.port.account(); len(added) != 1 || added[0].Type != api.AccountEventTypeRoomAdded || added[0].RoomID != res.Room.ID || !slices.Equal(usernames(added[0].Room), []string{"groot", "thanos"}) {
		t.Errorf("%+v", added)
	}
	groot.post(room, "only you")
	ev := thanos.awaitType(api.EventTypeMessagePosted)
	if ev.RoomID != res.Room.ID {
		t.Errorf("%+v", ev)
	}
	for _, again := range []*api.DmOpenResult{thanos.direct(t, "groot"), groot.direct(t, "thanos", "thanos"), groot.direct(t, string(thanos.UserID()), "groot")} {
		if again.Opened || again.Room.ID != res.Room.ID {
			t.Errorf("again: %+v", again)
		}
	}
	list := must[*api.RoomListResult](t)(thanos.RoomList(ctx, &api.RoomListParams{Joined: ptr(true)})).Rooms
	if len(list) != 1 || list[0].Read.Unread != 1 || !slices.Equal(usernames(&list[0]), []string{"groot", "thanos"}) {
		t.Errorf("%+v", list)
	}
	if v := must[*api.RoomGetResult](t)(thanos.RoomGet(ctx, &api.RoomGetParams{Room: room})); v.Room.Read.Unread != 1 {
		t.Errorf("%+v", v.Room)
	}

	// For others, an administrator too, it is not there.
	for _, c := range []*client{hulk, admin} {
		wantCode(t, c.tryJoin(t, room), api.CodeNotFound, "room")
		wantCode(t, c.tryPost(t, room, "hi"), api.CodeNotFound, "room")
		_, err := c.deleteRoom(t, room)
		wantCode(t, err, api.CodeNotFound, "room")
		if rooms := must[*api.RoomListResult](t)(c.RoomList(ctx, &api.RoomListParams{})).Rooms; len(rooms) > 0 {
			t.Errorf("%+v", rooms)
		}
	}

	// Other people, another room; with oneself, for notes.
	if three := groot.direct(t, "thanos", "hulk"); three.Room.ID == res.Room.ID || three.Room.MemberCount != 3 {
		t.Errorf("%+v", three)
	}
	notes := groot.direct(t, "groot")
	if !notes.Opened || notes.Room.MemberCount != 1 || groot.direct(t, "groot").Room.ID != notes.Room.ID {
		t.Errorf("%+v", notes)
	}
	_, err := groot.DmOpen(ctx, &api.DmOpenParams{Users: []string{"thanos", "nobody"}})
	wantCode(t, err, api.CodeNotFound, "users[1]")
	var crowd []string
	for i := range 10 {
		name := fmt.Sprint("u", i)
		w.user(name)
		crowd = append(crowd, name)
	}
	_, err = groot.DmOpen(ctx, &api.DmOpenParams{Users: crowd})
	wantCode(t, err, api.CodeInvalidParams, "users")
	if ten := groot.direct(t, crowd[:9]...); ten.Room.MemberCount != 10 {
		t.Errorf("%+v", ten)
	}
	_, err = groot.RoomCreate(ctx, &api.RoomCreateParams{Name: "mine", Visibility: api.VisibilityDirect})
	wantCode(t, err, api.CodeInvalidParams, "visibility")
	groot.create("lobby")
	_, err = groot.update(t, api.RoomUpdateParams{Visibility: api.VisibilityDirect})
	wantCode(t, err, api.CodeInvalidParams, "visibility")
}

// There is nothing in a direct room but talking: not for its people, nor for an administrator among them.
func TestDirectRoomHasNoRoles(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot := w.user("admin"), w.user("groot")
	w.user("hulk")
	room := string(admin.direct(t, "groot").Room.ID)
	said := groot.post(room, "hello").Seq
	for _, c := range []*client{admin, groot} {
		other := "groot"
		if c == groot {
			other = "admin"
		}
		for name, err := range map[string]error{
			"leave":     second(c.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})),
			"invite":    second(c.invite(t, room, "hulk")),
			"link":      second(c.InviteCreate(ctx, &api.InviteCreateParams{Room: room})),
			"remove":    second(c.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: other})),
			"ban":       second(c.MemberBan(ctx, &api.MemberBanParams{Room: room, User: other})),
			"unban":     second(c.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: other})),
			"bans":      second(c.MemberListBans(ctx, &api.MemberListBansParams{Room: room})),
			"mute":      second(c.MemberMute(ctx, &api.MemberMuteParams{Room: room, User: other})),
			"unmute":    second(c.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: room, User: other})),
			"role":      second(c.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: other, Role: api.RoleOwner})),
			"update":    second(c.RoomUpdate(ctx, &api.RoomUpdateParams{Room: room, Topic: "us"})),
			"rename":    second(c.RoomUpdate(ctx, &api.RoomUpdateParams{Room: room, Name: "us"})),
			"archive":   second(c.RoomArchive(ctx, &api.RoomArchiveParams{Room: room})),
			"unarchive": second(c.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})),
			"delete":    second(c.deleteRoom(t, room)),
		} {
			t.Run(name, func(t *testing.T) { wantCode(t, err, api.CodeFailedPrecondition, "room") })
		}
	}
	_, err := admin.MessageDelete(ctx, &api.MessageDeleteParams{Room: room, Seq: said})
	wantCode(t, err, api.CodePermissionDenied, "seq")
	must[*api.PinAddResult](t)(groot.PinAdd(ctx, &api.PinAddParams{Room: room, Seq: said}))
	must[*api.PinRemoveResult](t)(admin.PinRemove(ctx, &api.PinRemoveParams{Room: room, Seq: said}))
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(ctx, &api.MessageDeleteParams{Room: room, Seq: said}))
	if log, err := w.store.ListAudit(ctx, &chat.AuditQuery{Action: "member.", Limit: 9}); err != nil || len(log) > 0 {
		t.Errorf("%+v, %v", log, err)
	}
}

// Whoever goes leaves it; the last but one can read what was said, and the last takes it along.
func TestDirectRoomOfWhoIsGone(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot, thanos := w.user("admin"), w.user("groot"), w.user("thanos")
	w.user("hulk")
	two, three := groot.direct(t, "thanos").Room, groot.direct(t, "thanos", "hulk").Room
	thanos.post(string(two.ID), "bye")
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "hulk"}); err != nil {
		t.Fatal(err)
	}
	groot.direct(t, "hulk") // they will read it when they are back
	groot.post(string(three.ID), "so long")
	thanos.deleteAccount(t, "thanos")
	wantCode(t, groot.tryPost(t, string(two.ID), "wait"), api.CodeFailedPrecondition, "room")
	groot.post(string(three.ID), "the two of us")
	got := groot.direct(t, "thanos") // what there is is found, whatever became of them
	if got.Opened || got.Room.ID != two.ID || got.Room.ArchivedAt == nil || got.Room.MemberCount != 1 || !slices.Equal(usernames(&got.Room), []string{"groot", "thanos"}) {
		t.Errorf("%+v", got)
	}
	if said := texts(groot.history(t, string(two.ID))); !slices.Equal(said[len(said)-3:], []string{"bye", "(member.left)", "(room.archived)"}) {
		t.Errorf("%v", said)
	}
	_, err := admin.DmOpen(ctx, &api.DmOpenParams{Users: []string{"thanos"}}) // but nothing new comes to be
	wantCode(t, err, api.CodeNotFound, "users")
	groot.deleteAccount(t, "groot")
	if _, err := w.store.Head(ctx, two.ID); !errors.Is(err, chat.ErrNotFound) {
		t.Error(err)
	}
	if _, err := w.store.Head(ctx, three.ID); err != nil {
		t.Error(err)
	}
}

// All sides at once open one room, whatever lanes they go by.
func TestDirectRoomIsOne(t *testing.T) {
	w := &world{t: t, store: memory.New(), fan: &fanout{followers: map[api.RoomID]map[*port]follower{}}}
	w.start(&chat.Options{Registration: api.RegistrationOpen, Lanes: 4})
	names := []string{"a", "b", "c", "d"}
	people := map[string]*client{}
	for _, name := range names {
		people[name] = w.user(name)
	}
	sets := [][]string{{"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d"}, {"c", "d"}, {"a"}}
	rooms := make([]map[api.RoomID]int, len(sets))
	opened := make([]int, len(sets))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, set := range sets {
		rooms[i] = map[api.RoomID]int{}
		for n := range 12 {
			wg.Go(func() {
				others := slices.Clone(set)
				if n%2 == 1 {
					slices.Reverse(others)
				}
				res, err := people[set[n%len(set)]].twin(t).DmOpen(t.Context(), &api.DmOpenParams{Users: others})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				rooms[i][res.Room.ID]++
				if res.Opened {
					opened[i]++
				}
				if res.Room.Role != api.RoleMember || res.Room.MemberCount != int64(len(set)) {
					t.Errorf("%+v", res.Room)
				}
			})
		}
	}
	wg.Wait()
	for i := range sets {
		if len(rooms[i]) != 1 || opened[i] != 1 {
			t.Errorf("%v: %d rooms, opened %d times", sets[i], len(rooms[i]), opened[i])
		}
	}
	if d := cmp.Diff(5, len(must[*api.RoomListResult](t)(people["a"].RoomList(t.Context(), &api.RoomListParams{})).Rooms)+1); d != "" { // but c's and d's
		t.Error(d)
	}
}

func TestDirectRoomsAndTokens(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	w.user("thanos")
	groot.create("lobby")
	c := w.resumed(groot.token(&api.TokenCreateParams{Name: "one", Rooms: []string{"lobby"}}))
	wantCode(t, c.may(api.MethodDmOpen), api.CodePermissionDenied, "")
}

package chatclient_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of a room and its members from events is what it would fetch, on every store.
func TestRoomFoldIsFresh(t *testing.T) {
	foldOnStores(t, append([]string{"watch"}, folk...), func() folding {
		w := &roomWorld{fan: &recorder{}, did: deeds{}}
		return folding{fan: w.fan, port: followingPort, run: func(svc *chat.Service, people []*chat.Session, rt *rapid.T) { w.svc, w.people = svc, people; w.run(rt) }, did: w.did}
	})
}

// roomWorld is a room, people who come and go, one who stays and looks on, and what is kept of it.
type roomWorld struct {
	fan    *recorder
	svc    *chat.Service
	people []*chat.Session // the first one stays
	did    deeds

	rooms int
	room  api.RoomID
	view  *chatclient.RoomState // of who stays
	ann   *chatclient.RoomState // as ann sees it
	seen  int                   // records that have been applied

	guests, names int
}

// run plays in a new room.
func (w *roomWorld) run(rt *rapid.T) {
	w.rooms++
	made, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: fmt.Sprint("room", w.rooms), Topic: "old"})
	if err != nil {
		rt.Fatal(err)
	}
	w.room = made.Room.ID
	if _, err := w.people[0].RoomJoin(ctx, &api.RoomJoinParams{Room: string(w.room)}); err != nil { // and follows, so that records are published
		rt.Fatal(err)
	}
	w.people[0].Replied()
	w.fan.mu.Lock()
	w.fan.records, w.seen = nil, 0
	w.fan.mu.Unlock()
	w.load(rt)
	seen, err := w.people[1].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	w.ann = chatclient.NewRoomState(w.people[1].UserID(), &seen.Room)
	play(rt, w.compare, map[string]func(*rapid.T){"act": w.act, "act too": w.act}, map[string]func(*rapid.T){
		"reload": w.load, "guest": w.guest, "bot": w.bot, "purge": func(rt *rapid.T) { w.did.purge(rt, w.people[0], string(w.room)) },
	})
	_, err = w.people[0].RoomDelete(ctx, &api.RoomDeleteParams{Room: string(w.room)})
	w.did.must(rt, api.MethodRoomDelete, err)
	w.take(rt)
	if _, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)}); !w.view.Deleted() || !errors.Is(err, api.ErrNotFound) {
		rt.Fatalf("deleted: %t, %v", w.view.Deleted(), err)
	}
}

// load is what a client does that comes anew. Events that it knows already may come again.
func (w *roomWorld) load(rt *rapid.T) {
	room, members := w.fresh(rt)
	w.view = chatclient.NewRoomState(w.people[0].UserID(), room)
	w.view.Load(members)
	if w.seen > 0 && rapid.Bool().Draw(rt, "again") {
		w.seen--
	}
}

func (w *roomWorld) fresh(rt *rapid.T) (*api.Room, *api.MemberListResult) {
	room, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	members, err := w.people[0].MemberList(ctx, &api.MemberListParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	return &room.Room, members
}

// now is the server's time.
func (w *roomWorld) now(rt *rapid.T) api.Timestamp {
	pong, err := w.people[0].ServerPing(ctx, &api.ServerPingParams{})
	if err != nil {
		rt.Fatal(err)
	}
	return pong.At
}

// guest lets somebody in who makes an account, and perhaps owns the room alone before the account is deleted.
func (w *roomWorld) guest(rt *rapid.T) {
	w.guests++
	name, password, room := fmt.Sprint("guest", w.guests), "password of a guest", string(w.room)
	s := w.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	defer s.Close()
	_, err := s.AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: password})
	w.did.must(rt, api.MethodAuthRegister, err)
	made, err := w.people[0].InviteCreate(ctx, &api.InviteCreateParams{Room: room})
	if w.did.done(rt, api.MethodInviteCreate, err) {
		_, err = s.RoomJoin(ctx, &api.RoomJoinParams{Invite: made.Invite})
		w.did.must(rt, api.MethodRoomJoin, err)
	}
	if rapid.Bool().Draw(rt, "alone") {
		_, err = w.people[0].MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: name, Role: api.RoleOwner})
		w.did.done(rt, api.MethodMemberSetRole, err)
		for _, user := range append([]string{"watch"}, folk...) {
			_, err = w.people[0].MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: api.RoleMember})
			w.did.done(rt, api.MethodMemberSetRole, err)
		}
	}
	_, err = s.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: "A Guest"})
	w.did.must(rt, api.MethodAccountUpdate, err)
	w.suspend(rt, name)
	_, err = s.AuthLogin(ctx, &api.AuthLoginParams{Username: name, Password: password})
	w.did.must(rt, api.MethodAuthLogin, err)
	_, err = s.AccountDelete(ctx, &api.AccountDeleteParams{Password: password})
	w.did.must(rt, api.MethodAccountDelete, err)
}

// suspend keeps somebody out for a moment: they are a member all the while.
func (w *roomWorld) suspend(rt *rapid.T, user string) {
	_, err := w.people[0].UserSuspend(ctx, &api.UserSuspendParams{User: user})
	w.did.must(rt, api.MethodUserSuspend, err)
	w.compare(rt)
	_, err = w.people[0].UserRestore(ctx, &api.UserRestoreParams{User: user})
	w.did.must(rt, api.MethodUserRestore, err)
}

// bot brings a bot into the room, which goes with its account.
func (w *roomWorld) bot(rt *rapid.T) {
	w.guests++
	name, s := fmt.Sprint("bot", w.guests), rapid.SampledFrom(w.people).Draw(rt, "whose")
	_, err := s.BotCreate(ctx, &api.BotCreateParams{Username: name})
	w.did.must(rt, api.MethodBotCreate, err)
	_, err = w.people[0].MemberInvite(ctx, &api.MemberInviteParams{Room: string(w.room), User: name})
	w.did.done(rt, api.MethodMemberInvite, err)
	_, err = s.BotUpdate(ctx, &api.BotUpdateParams{Bot: name, DisplayName: "A Bot"})
	w.did.done(rt, api.MethodBotUpdate, err) // not too often
	w.compare(rt)
	_, err = s.BotDelete(ctx, &api.BotDeleteParams{Bot: name})
	w.did.must(rt, api.MethodBotDelete, err)
}

// act is what one of the people does, or tries to.
func (w *roomWorld) act(rt *rapid.T) {
	s := rapid.SampledFrom(w.people).Draw(rt, "who")
	room, user := string(w.room), rapid.SampledFrom(folk).Draw(rt, "user")
	until := api.Timestamp(0)
	var end *api.Timestamp
	switch rapid.IntRange(0, 3).Draw(rt, "ends") {
	case 0:
		until = api.TimestampOf(time.Now().Add(5 * time.Millisecond)) // while others act
		end = &until
	case 1:
		until = api.TimestampOf(time.Date(2100, 1, rapid.IntRange(1, 2).Draw(rt, "day"), 0, 0, 0, 0, time.UTC))
		end = &until
	}
	var err error
	what := rapid.SampledFrom([]string{
		api.MethodRoomJoin, api.MethodRoomJoin, api.MethodRoomLeave, api.MethodMemberInvite, api.MethodMemberRemove, api.MethodMemberBan, api.MethodMemberUnban, api.MethodMemberSetRole,
		api.MethodMemberSetRole, api.MethodMemberMute, api.MethodMemberMute, api.MethodMemberUnmute, api.MethodRoomUpdate, api.MethodRoomUpdate, api.MethodMessagePost,
		api.MethodRetentionSet, api.MethodRoomArchive, api.MethodRoomUnarchive,
	}).Draw(rt, "what")
	switch what {
	case api.MethodRoomJoin:
		_, err = s.RoomJoin(ctx, &api.RoomJoinParams{Room: room, Follow: new(bool)})
	case api.MethodRoomLeave:
		if s == w.people[0] {
			rt.Skip("who looks on stays")
		}
		_, err = s.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
	case api.MethodMemberInvite:
		_, err = s.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
	case api.MethodMemberRemove:
		_, err = s.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: user})
	case api.MethodMemberBan:
		clean := rapid.Bool().Draw(rt, "clean")
		_, err = s.MemberBan(ctx, &api.MemberBanParams{Room: room, User: user, Until: end, RemoveMessages: &clean})
	case api.MethodMemberUnban:
		_, err = s.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
	case api.MethodMemberSetRole: // by whoever may, the room's owner's too
		user = rapid.SampledFrom(append([]string{"watch"}, folk...)).Draw(rt, "whose")
		_, err = s.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: rapid.SampledFrom([]api.Role{api.RoleOwner, api.RoleModerator, api.RoleMember}).Draw(rt, "role")})
	case api.MethodMemberMute:
		_, err = s.MemberMute(ctx, &api.MemberMuteParams{Room: room, User: user, Until: end})
	case api.MethodMemberUnmute:
		_, err = s.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: room, User: user})
	case api.MethodRoomUpdate:
		w.names++
		_, err = s.RoomUpdate(ctx, someUpdate(rt, room, fmt.Sprint("name", w.names)))
	case api.MethodRetentionSet:
		p := &api.RetentionSetParams{Room: room}
		if n := rapid.Int64Range(0, 2).Draw(rt, "messages"); n > 0 {
			p.MaxMessages = &n
		}
		if s := rapid.Int64Range(59, 61).Draw(rt, "seconds"); s > 59 {
			p.MaxAgeS = &s
		}
		_, err = s.RetentionSet(ctx, p)
	case api.MethodRoomArchive:
		_, err = s.RoomArchive(ctx, &api.RoomArchiveParams{Room: room})
	case api.MethodRoomUnarchive:
		_, err = s.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})
	case api.MethodMessagePost:
		_, err = s.MessagePost(ctx, &api.MessagePostParams{Room: room, Text: "hi"})
	}
	w.did.done(rt, what, err)
}

// someUpdate changes some of what a room is; name is one that no room has.
func someUpdate(rt *rapid.T, room, name string) *api.RoomUpdateParams {
	p := &api.RoomUpdateParams{Room: room}
	for _, field := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "title", "topic", "slow", "read only", "visibility"}), 1, 4, rapid.ID).Draw(rt, "fields") {
		switch field {
		case "name":
			p.Name = name
		case "title":
			if p.Title = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, field); p.Title == "" {
				p.Clear = append(p.Clear, api.RoomFieldTitle)
			}
		case "topic":
			if p.Topic = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, field); p.Topic == "" {
				p.Clear = append(p.Clear, api.RoomFieldTopic)
			}
		case "slow":
			ms := rapid.Int64Range(0, 1).Draw(rt, field)
			p.SlowModeMS = &ms
		case "read only":
			read := rapid.Bool().Draw(rt, field)
			p.ReadOnly = &read
		case "visibility":
			p.Visibility = rapid.SampledFrom([]api.Visibility{api.VisibilityPublic, api.VisibilityPrivate}).Draw(rt, field)
		}
	}
	return p
}

// take takes in what was published.
func (w *roomWorld) take(rt *rapid.T) {
	for _, e := range w.fan.since(rt, w.seen) {
		w.seen++
		if err := errors.Join(w.view.Apply(&e), w.ann.Apply(&e)); err != nil {
			rt.Fatal(err)
		}
	}
}

// compare holds after each act.
func (w *roomWorld) compare(rt *rapid.T) {
	before := w.now(rt)
	room, members := w.fresh(rt)
	now := w.now(rt)
	for w.view.Head() < room.Head.Seq { // the last event is committed, and may be about to be published
		w.take(rt)
	}
	if first := w.fan.first(w.room); first > 0 {
		w.view.Truncate(first)
		w.ann.Truncate(first)
	}
	for i := range members.Members {
		members.Members[i].Online = false
	}
	if ending := func(m api.Member) bool { return m.MutedUntil != nil && *m.MutedUntil > before && *m.MutedUntil <= now }; slices.ContainsFunc(w.view.Members(before), ending) {
		return // between the fresh look and the kept one
	}
	kept := w.view.Members(now)
	for i := range kept {
		kept[i].Online = false
	}
	if d := cmp.Diff(members.Members, kept); d != "" {
		rt.Fatalf("-fresh +kept:\n%s", d)
	}
	room.Read = nil // Reads keeps it
	if d := cmp.Diff(*room, w.view.Room()); d != "" {
		rt.Fatalf("-fresh +kept:\n%s", d)
	}
	if seen, err := w.people[1].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)}); err == nil && w.ann.Head() == seen.Room.Head.Seq {
		seen.Room.Read = nil
		if d := cmp.Diff(seen.Room, w.ann.Room()); d != "" {
			rt.Fatalf("of ann, -fresh +kept:\n%s", d)
		}
	}
}

package chatclient_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of the rooms that it is in is what it would fetch, whatever happens to rooms, people and accounts, on every
// store; and all that it is told is as the contract says.
func TestRoomsFoldIsFresh(t *testing.T) {
	foldOnStores(t, []string{"root"}, func() folding {
		w := &roomsWorld{tap: &wiretap{}, did: deeds{}}
		port := func(name string) chat.Port { return tapPort{name, w.tap} }
		return folding{fan: w.tap, port: port, did: w.did, retain: 20 * time.Millisecond, run: func(svc *chat.Service, people []*chat.Session, rt *rapid.T) {
			w.svc, w.root = svc, people[0]
			w.run(rt)
		}}
	})
}

// roomsWorld is a few people, who are new in each run, and the rooms that they make.
type roomsWorld struct {
	svc  *chat.Service
	root *chat.Session // administers the server, and is in no room
	tap  *wiretap
	did  deeds

	runs, names int
	people      []*guest
	rooms       []api.RoomID
	seen        int // of the tap
}

// guest is somebody, and what they have kept of their rooms.
type guest struct {
	name string
	s    *chat.Session
	view *chatclient.Rooms
	gone bool // the account is deleted
}

const guestPassword = "password of a guest"

// run plays with new people.
func (w *roomsWorld) run(rt *rapid.T) {
	w.runs++
	w.people, w.rooms = nil, nil
	w.tap.mu.Lock()
	w.tap.all, w.seen = nil, 0
	w.tap.mu.Unlock()
	defer func() {
		for _, g := range w.people {
			g.s.Close()
		}
	}()
	for _, name := range folk {
		g := &guest{name: fmt.Sprint(name, w.runs)}
		w.connect(g)
		_, err := g.s.AuthRegister(ctx, &api.AuthRegisterParams{Username: g.name, Password: guestPassword})
		w.did.must(rt, api.MethodAuthRegister, err)
		w.people = append(w.people, g)
		w.begin(rt, g)
	}
	w.create(rt)
	often, seldom := w.acts()
	play(rt, w.compare, often, seldom)
}

func (w *roomsWorld) connect(g *guest) {
	g.s = w.svc.Connect(tapPort{g.name, w.tap}, chat.Peer{Addr: "127.0.0.1", Loopback: true})
}

// begin is what a client does that comes anew: it follows, loads all pages, and takes what comes after that.
func (w *roomsWorld) begin(rt *rapid.T, g *guest) {
	_, err := g.s.SyncOpen(ctx, &api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	if err != nil {
		rt.Fatal(err)
	}
	g.s.Replied()
	g.view = chatclient.NewRooms(g.s.UserID())
	for _, room := range w.fresh(rt, g) {
		g.view.Load(&room)
	}
}

func (w *roomsWorld) fresh(rt *rapid.T, g *guest) []api.Room {
	limit, yes := int64(2), true
	all := []api.Room{}
	for p := (&api.RoomListParams{Joined: &yes, Archived: &yes, Limit: &limit}); ; {
		page, err := g.s.RoomList(ctx, p)
		if err != nil {
			rt.Fatal(err)
		}
		all = append(all, page.Rooms...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			return all
		}
	}
}

// left are those who have an account: one at least, as nothing can be done without.
func (w *roomsWorld) left() []*guest {
	return slices.DeleteFunc(slices.Clone(w.people), func(g *guest) bool { return g.gone })
}

// who draws one of them.
func (w *roomsWorld) who(rt *rapid.T, label string) *guest {
	return rapid.SampledFrom(w.left()).Draw(rt, label)
}

// anyRoom draws a room that somebody is in, most likely, or one of the latest, which may be gone.
func (w *roomsWorld) anyRoom(rt *rapid.T, g *guest) string {
	if in := g.view.All(); len(in) > 0 && rapid.IntRange(0, 3).Draw(rt, "theirs") > 0 {
		return string(rapid.SampledFrom(in).Draw(rt, "room of theirs").ID)
	}
	if len(w.rooms) == 0 {
		rt.Skip("there is no room yet")
	}
	return string(rapid.SampledFrom(w.rooms[max(0, len(w.rooms)-3):]).Draw(rt, "room"))
}

func (w *roomsWorld) newName(kind string) string {
	w.names++
	return fmt.Sprint(kind, w.names)
}

// acts are what can happen, by the methods.
func (w *roomsWorld) acts() (often, seldom map[string]func(*rapid.T)) {
	often = map[string]func(*rapid.T){
		api.MethodRoomCreate:   w.create,
		api.MethodInviteCreate: w.invited,
		api.MethodRoomArchive:  w.archive,
	}
	seldom = map[string]func(*rapid.T){
		api.MethodDmOpen:        w.openDirect,
		api.MethodAccountDelete: w.deleteAccount,
		api.MethodUserSuspend:   w.suspend,
		api.MethodBotCreate:     w.bot,
		api.MethodImportFinish:  w.giveBack,
		api.MethodPurgeStart:    func(rt *rapid.T) { w.did.purge(rt, w.root, "") },
		"reload":                func(rt *rapid.T) { w.begin(rt, w.who(rt, "who")) },
	}
	for method, act := range map[string]func(rt *rapid.T, s *chat.Session, room, user string) error{
		api.MethodRoomJoin: func(_ *rapid.T, s *chat.Session, room, _ string) error {
			_, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: room})
			return err
		},
		api.MethodRoomLeave: func(_ *rapid.T, s *chat.Session, room, _ string) error {
			_, err := s.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
			return err
		},
		api.MethodMemberInvite: func(_ *rapid.T, s *chat.Session, room, user string) error {
			_, err := s.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
			return err
		},
		api.MethodMemberRemove: func(_ *rapid.T, s *chat.Session, room, user string) error {
			_, err := s.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: user})
			return err
		},
		api.MethodMemberBan: func(rt *rapid.T, s *chat.Session, room, user string) error {
			clean := rapid.Bool().Draw(rt, "clean")
			_, err := s.MemberBan(ctx, &api.MemberBanParams{Room: room, User: user, RemoveMessages: &clean})
			return err
		},
		api.MethodMemberUnban: func(_ *rapid.T, s *chat.Session, room, user string) error {
			_, err := s.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
			return err
		},
		api.MethodMemberSetRole: func(rt *rapid.T, s *chat.Session, room, user string) error {
			role := rapid.SampledFrom([]api.Role{api.RoleOwner, api.RoleModerator, api.RoleMember}).Draw(rt, "role")
			_, err := s.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: role})
			return err
		},
		api.MethodRoomUpdate: func(rt *rapid.T, s *chat.Session, room, _ string) error {
			_, err := s.RoomUpdate(ctx, someUpdate(rt, room, w.newName("name")))
			return err
		},
		api.MethodRoomDelete: func(_ *rapid.T, s *chat.Session, room, _ string) error {
			_, err := s.RoomDelete(ctx, &api.RoomDeleteParams{Room: room})
			return err
		},
		api.MethodMessagePost: func(_ *rapid.T, s *chat.Session, room, _ string) error {
			_, err := s.MessagePost(ctx, &api.MessagePostParams{Room: room, Text: "hi"})
			return err
		},
		api.MethodRetentionSet: func(rt *rapid.T, s *chat.Session, room, _ string) error {
			n := rapid.Int64Range(1, 3).Draw(rt, "messages")
			_, err := s.RetentionSet(ctx, &api.RetentionSetParams{Room: room, MaxMessages: &n})
			return err
		},
	} {
		often[method] = func(rt *rapid.T) {
			g, whom := w.who(rt, "who"), w.who(rt, "whom")
			room := w.anyRoom(rt, g)
			w.did.done(rt, method, act(rt, g.s, room, whom.name))
			g.s.Replied()
		}
	}
	return often, seldom
}

func (w *roomsWorld) create(rt *rapid.T) {
	p := &api.RoomCreateParams{Name: w.newName("room"), Visibility: rapid.SampledFrom([]api.Visibility{"", api.VisibilityPrivate}).Draw(rt, "visibility")}
	res, err := w.who(rt, "who").s.RoomCreate(ctx, p)
	w.did.must(rt, api.MethodRoomCreate, err)
	w.rooms = append(w.rooms, res.Room.ID)
}

func (w *roomsWorld) openDirect(rt *rapid.T) {
	var with []string
	for range rapid.IntRange(1, 2).Draw(rt, "others") {
		with = append(with, w.who(rt, "with").name)
	}
	res, err := w.who(rt, "who").s.DmOpen(ctx, &api.DmOpenParams{Users: with})
	w.did.must(rt, api.MethodDmOpen, err)
	if !slices.Contains(w.rooms, res.Room.ID) {
		w.rooms = append(w.rooms, res.Room.ID)
	}
}

// invited lets somebody in by an invitation, in a private room, too.
func (w *roomsWorld) invited(rt *rapid.T) {
	by := w.who(rt, "by")
	made, err := by.s.InviteCreate(ctx, &api.InviteCreateParams{Room: w.anyRoom(rt, by)})
	if !w.did.done(rt, api.MethodInviteCreate, err) {
		return
	}
	g := w.who(rt, "who")
	_, err = g.s.RoomJoin(ctx, &api.RoomJoinParams{Invite: made.Invite})
	w.did.done(rt, api.MethodRoomJoin, err) // they may be banned
	g.s.Replied()
}

// deleteAccount leaves all rooms, which get another owner, are archived, or go.
func (w *roomsWorld) deleteAccount(rt *rapid.T) {
	if len(w.left()) == 1 {
		rt.Skip("the last one stays")
	}
	g := w.who(rt, "who")
	_, err := g.s.AccountDelete(ctx, &api.AccountDeleteParams{Password: guestPassword})
	w.did.must(rt, api.MethodAccountDelete, err)
	g.gone = true
}

// suspend keeps somebody out for a moment, after which they come anew.
func (w *roomsWorld) suspend(rt *rapid.T) {
	g := w.who(rt, "who")
	_, err := w.root.UserSuspend(ctx, &api.UserSuspendParams{User: g.name})
	w.did.must(rt, api.MethodUserSuspend, err)
	g.s.Close()
	_, err = w.root.UserRestore(ctx, &api.UserRestoreParams{User: g.name})
	w.did.must(rt, api.MethodUserRestore, err)
	w.connect(g)
	_, err = g.s.AuthLogin(ctx, &api.AuthLoginParams{Username: g.name, Password: guestPassword})
	w.did.must(rt, api.MethodAuthLogin, err)
	w.begin(rt, g)
}

// bot brings a bot into a room, which goes with its account.
func (w *roomsWorld) bot(rt *rapid.T) {
	g, name := w.who(rt, "whose"), w.newName("bot")
	_, err := g.s.BotCreate(ctx, &api.BotCreateParams{Username: name})
	w.did.must(rt, api.MethodBotCreate, err)
	_, err = g.s.MemberInvite(ctx, &api.MemberInviteParams{Room: w.anyRoom(rt, g), User: name})
	w.did.done(rt, api.MethodMemberInvite, err)
	w.compare(rt)
	_, err = g.s.BotDelete(ctx, &api.BotDeleteParams{Bot: name})
	w.did.must(rt, api.MethodBotDelete, err)
}

// archive archives a room, for a while or for good.
func (w *roomsWorld) archive(rt *rapid.T) {
	g := w.who(rt, "who")
	room := w.anyRoom(rt, g)
	_, err := g.s.RoomArchive(ctx, &api.RoomArchiveParams{Room: room})
	w.did.done(rt, api.MethodRoomArchive, err)
	if rapid.Bool().Draw(rt, "for good") {
		return
	}
	w.compare(rt)
	_, err = g.s.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})
	w.did.done(rt, api.MethodRoomUnarchive, err)
}

// giveBack deletes a room and imports it as it was a moment before, under the name that it had then.
func (w *roomsWorld) giveBack(rt *rapid.T) {
	g := w.who(rt, "who")
	room := w.anyRoom(rt, g)
	w.did.giveBack(rt, w.root, g.s, room, func() {
		_, err := g.s.RoomUpdate(ctx, someUpdate(rt, room, w.newName("name")))
		w.did.done(rt, api.MethodRoomUpdate, err)
	})
}

// compare holds after each act, as soon as all of it was told.
func (w *roomsWorld) compare(rt *rapid.T) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		w.take(rt)
		differs := ""
		for _, g := range w.people {
			if g.gone {
				continue
			}
			fresh := w.fresh(rt, g)
			for i := range fresh {
				fresh[i].Read = nil // Reads keeps it
			}
			if d := cmp.Diff(fresh, g.view.All()); d != "" {
				differs += fmt.Sprintf("%s: -fresh +kept:\n%s", g.name, d)
			}
		}
		if differs == "" {
			return
		}
		if time.Now().After(deadline) {
			rt.Fatal(differs)
		}
	}
}

// take takes in what was told.
func (w *roomsWorld) take(rt *rapid.T) {
	w.tap.mu.Lock()
	news := w.tap.all[w.seen:]
	w.seen = len(w.tap.all)
	w.tap.mu.Unlock()
	for _, h := range news {
		if err := h.valid(); err != nil {
			rt.Fatal(err)
		}
		for _, g := range w.people {
			w.hear(rt, g, h)
		}
	}
}

// hear is what the client of one does with something that was told.
func (w *roomsWorld) hear(rt *rapid.T, g *guest, h heard) {
	if p, ok := truncated(h.msg); ok {
		g.view.Truncate(p.RoomID, p.FirstSeq)
		return
	}
	switch {
	case h.to == "":
		var e api.Event
		if err := json.Unmarshal([]byte(h.msg), &e); err != nil {
			rt.Fatal(err)
		}
		if err := g.view.Apply(&e); err != nil {
			rt.Fatal(err)
		}
	case h.to == g.name && strings.Contains(h.msg, `"account.event"`):
		var n struct{ Params api.AccountEventParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			rt.Fatal(err)
		}
		g.view.ApplyAccount(&n.Params)
	}
}

// What was asked for before something happened, and comes after it, takes nothing back.
func TestRoomsLoadLate(t *testing.T) {
	v := chatclient.NewRooms("me")
	first := api.Seq(4)
	page := api.Room{ID: "r", Name: "lobby", Role: api.RoleMember, MemberCount: 2, Head: api.Head{Seq: 5, MsgNo: 1}}
	v.Load(&page)
	v.Truncate("r", first)
	v.Load(&page)
	if got, held := v.Room("r"); !held || got.FirstSeq == nil || *got.FirstSeq != first {
		t.Errorf("%+v, %t", got, held)
	}
	if err := v.Apply(&api.Event{RoomID: "r", Seq: 6, Type: api.EventTypeRoomUpdated, Data: json.RawMessage(`{"name":"hall"}`)}); err != nil {
		t.Fatal(err)
	}
	v.Load(&page)
	if got, _ := v.Room("r"); got.Name != "hall" || got.Head.Seq != 6 {
		t.Errorf("%+v", got)
	}
	page.Role = ""
	v.Load(&page)
	if got, held := v.Room("r"); held {
		t.Errorf("held, though the user is not in it: %+v", got)
	}
	v.Truncate("r", first)
	if err := v.Apply(&api.Event{RoomID: "r", Seq: 7, Type: api.EventTypeRoomArchived, Data: json.RawMessage(`{}`)}); err != nil || len(v.All()) != 0 {
		t.Errorf("%v, %v", v.All(), err)
	}
}

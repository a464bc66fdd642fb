package chatclient_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// userStep is something that one of the folk does, or the one who looks on.
type userStep struct {
	what string
	who  int
	name string
	room string
}

// userRooms are where they meet; nobody but the folk is ever in the den.
var userRooms = []string{"lobby", "cave", "den"}

// Once signals have come to rest, what a client keeps of those who are in a room with it is what it would fetch, on every store.
func TestUsersFoldIsFresh(t *testing.T) {
	step := rapid.Custom(func(rt *rapid.T) userStep {
		return userStep{
			what: rapid.SampledFrom([]string{
				"rename", "rename", "rename", "join", "join", "leave", "invite", "remove", "ban", "unban", "go", "come", "come", "rename me", "new bot", "rename bot", "rename bot", "delete bot", "load",
				"suspend", "delete", "administrate", "administrate", "administrate me",
			}).Draw(rt, "what"),
			who:  rapid.IntRange(1, len(folk)).Draw(rt, "who"),
			name: rapid.SampledFrom([]string{"", "A", "B", "C"}).Draw(rt, "name"),
			room: rapid.SampledFrom(userRooms).Draw(rt, "room"),
		}
	})
	contract.Load()
	for name, open := range foldStores {
		t.Run(name, func(t *testing.T) {
			did := deeds{}
			rapid.Check(t, func(rt *rapid.T) {
				steps := rapid.SliceOfN(step, 10, 60).Draw(rt, "steps")
				differs := ""
				synctest.Test(t, func(t *testing.T) { differs = playUsers(t, open, steps, did) })
				if differs != "" {
					rt.Fatal(differs)
				}
			})
			did.check(t)
		})
	}
}

// roomTap hands to one client what comes of the rooms that it follows, in order.
type roomTap struct {
	mu      sync.Mutex
	follows map[api.RoomID]bool
	news    []heard
	wrong   string
}

func (tap *roomTap) Publish(room api.RoomID, _ api.Seq, record []byte) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if tap.follows[room] {
		tap.news = append(tap.news, heard{"", string(record)})
	}
}

func (tap *roomTap) Signal(room api.RoomID, msg []byte) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if !strings.Contains(string(msg), string(room)) {
		tap.wrong = fmt.Sprintf("told to %s: %s", room, msg)
	}
	if tap.follows[room] {
		tap.news = append(tap.news, heard{allWhoFollow, string(msg)})
	}
}

func (tap *roomTap) take() (news []heard, wrong string) {
	synctest.Wait() // until all that was to be told is
	tap.mu.Lock()
	defer tap.mu.Unlock()
	news, tap.news = tap.news, nil
	return news, tap.wrong
}

// tapped is the port of who looks on.
type tapped struct {
	followPort
	tap *roomTap
}

func (p tapped) Follow(room api.RoomID, _ api.Seq, _ bool) { p.follow(room, true) }
func (p tapped) Unfollow(room api.RoomID)                  { p.follow(room, false) }

func (p tapped) Notify(msg []byte) {
	p.tap.mu.Lock()
	defer p.tap.mu.Unlock()
	p.tap.news = append(p.tap.news, heard{"watch", string(msg)})
}

func (p tapped) follow(room api.RoomID, on bool) {
	p.tap.mu.Lock()
	defer p.tap.mu.Unlock()
	p.tap.follows[room] = on
}

// playUsers does the steps and tells where what is kept differs from what is fetched.
func playUsers(t *testing.T, open func(t testing.TB) chat.Store, steps []userStep, did deeds) string {
	tap, store := &roomTap{follows: map[api.RoomID]bool{}}, open(t)
	defer store.Close()
	svc := chat.New(store, &chat.Options{Fanout: tap, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8})
	defer svc.Close()
	names := append([]string{"watch"}, folk...)
	all := make([]*chat.Session, len(names))
	for i, name := range names {
		var port chat.Port = followPort{}
		if i == 0 {
			port = tapped{tap: tap}
		}
		all[i] = svc.Connect(port, chat.Peer{Addr: "127.0.0.1", Loopback: true})
		defer all[i].Close()
		if _, err := all[i].AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "password of " + name}); err != nil {
			t.Fatal(err)
		}
		all[i].Replied()
	}
	watch := all[0]
	for _, room := range userRooms {
		by := watch
		if room == "den" {
			by = all[1]
		}
		if _, err := by.RoomCreate(ctx, &api.RoomCreateParams{Name: room}); err != nil {
			t.Fatal(err)
		}
		if _, err := by.RoomJoin(ctx, &api.RoomJoinParams{Room: room}); err != nil { // and follows
			t.Fatal(err)
		}
		by.Replied()
		for _, s := range all[1:] {
			if _, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: room}); err != nil {
				t.Fatal(err)
			}
			s.Replied()
		}
	}
	fetch := func(user string) api.User {
		res, err := watch.UserGet(ctx, &api.UserGetParams{User: user})
		if err != nil {
			t.Fatal(err)
		}
		return res.User
	}
	view := chatclient.NewUsers(watch.UserID())
	for _, name := range names {
		view.Load(fetch(name))
	}
	bots, deleted := 0, map[api.UserID]bool{} // how many bots were made; who was in a room with the one who looks on to the end
	shared := func() map[string]bool {        // who is in a room with watch
		shared := map[string]bool{"watch": true}
		for _, room := range userRooms[:2] {
			res, err := watch.MemberList(ctx, &api.MemberListParams{Room: room})
			if err != nil {
				continue // not in it
			}
			for _, m := range res.Members {
				shared[m.Username] = true
			}
		}
		return shared
	}
	for i, step := range steps {
		who, s := step.who, all[step.who]
		bot := fmt.Sprint("bot", bots)
		near := shared()
		switch step.what {
		case "rename":
			_, err := s.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: step.name})
			did.done(t, api.MethodAccountUpdate, err)
		case "rename me":
			_, err := watch.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: step.name})
			did.done(t, api.MethodAccountUpdate, err)
		case "join":
			_, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: step.room})
			did.done(t, api.MethodRoomJoin, err)
			s.Replied()
		case "leave":
			_, err := s.RoomLeave(ctx, &api.RoomLeaveParams{Room: step.room})
			did.done(t, api.MethodRoomLeave, err)
		case "come", "go":
			room := userRooms[who%2]
			if step.what == "go" {
				_, err := watch.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: names[who], Role: api.RoleOwner}) // or the last owner stays
				did.done(t, api.MethodMemberSetRole, err)
				_, err = watch.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
				did.done(t, api.MethodRoomLeave, err)
				break
			}
			_, err := watch.RoomJoin(ctx, &api.RoomJoinParams{Room: room})
			did.done(t, api.MethodRoomJoin, err)
			watch.Replied()
		case "invite", "remove", "ban", "unban":
			if step.room == "den" {
				continue
			}
			user, room := names[who], step.room
			var err error
			var method string
			switch step.what {
			case "invite":
				method = api.MethodMemberInvite
				_, err = watch.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
			case "remove":
				method = api.MethodMemberRemove
				_, err = watch.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: user})
			case "ban":
				method = api.MethodMemberBan
				_, err = watch.MemberBan(ctx, &api.MemberBanParams{Room: room, User: user})
			case "unban":
				method = api.MethodMemberUnban
				_, err = watch.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
			}
			did.done(t, method, err)
		case "new bot":
			bots++
			bot = fmt.Sprint("bot", bots)
			_, err := watch.BotCreate(ctx, &api.BotCreateParams{Username: bot, DisplayName: step.name})
			did.must(t, api.MethodBotCreate, err)
			_, err = watch.MemberInvite(ctx, &api.MemberInviteParams{Room: userRooms[who%2], User: bot})
			did.done(t, api.MethodMemberInvite, err)
			view.Load(fetch(bot))
		case "rename bot":
			_, err := watch.BotUpdate(ctx, &api.BotUpdateParams{Bot: bot, DisplayName: step.name})
			did.done(t, api.MethodBotUpdate, err)
		case "delete bot":
			if _, err := watch.BotDelete(ctx, &api.BotDeleteParams{Bot: bot}); did.done(t, api.MethodBotDelete, err) && near[bot] {
				deleted[fetch(bot).ID] = true
			}
		case "suspend":
			_, err := watch.UserSuspend(ctx, &api.UserSuspendParams{User: names[who]})
			if !did.done(t, api.MethodUserSuspend, err) {
				continue
			}
			_, err = watch.UserRestore(ctx, &api.UserRestoreParams{User: names[who]})
			did.must(t, api.MethodUserRestore, err)
			_, err = s.AuthLogin(ctx, &api.AuthLoginParams{Username: names[who], Password: "password of " + names[who]})
			did.must(t, api.MethodAuthLogin, err)
			s.Replied()
		case "administrate":
			_, err := watch.UserSetAdmin(ctx, &api.UserSetAdminParams{User: names[who], Admin: step.name != ""})
			did.done(t, api.MethodUserSetAdmin, err)
		case "administrate me": // whoever of them is one
			_, err := s.UserSetAdmin(ctx, &api.UserSetAdminParams{User: "watch", Admin: step.name != ""})
			did.done(t, api.MethodUserSetAdmin, err)
		case "delete":
			if step.name != "A" || i < len(steps)/2 {
				continue // not so often
			}
			user := fetch(names[who])
			_, err := s.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of " + names[who]})
			if did.done(t, api.MethodAccountDelete, err) {
				deleted[user.ID] = deleted[user.ID] || near[names[who]]
			}
		case "load":
			view.Load(fetch(names[who]))
		}
		time.Sleep(time.Second) // for the next name
		news, wrong := tap.take()
		if wrong != "" {
			return wrong
		}
		for _, h := range news {
			applyUser(t, view, h)
		}
		for _, id := range view.Stale() {
			view.Load(fetch(string(id)))
		}
		if n := view.Stale(); len(n) > 0 {
			return fmt.Sprintf("after step %d, %+v: stale for ever: %v", i, step, n)
		}
		near = shared()
		for n := range bots {
			names = append(names[:len(folk)+1], fmt.Sprint("bot", n+1))
		}
		for _, name := range names {
			want := fetch(name)
			if !near[name] && !deleted[want.ID] {
				continue
			}
			if kept, _ := view.User(want.ID); kept != want {
				return fmt.Sprintf("after step %d, %+v: -fresh +kept:\n%s", i, step, cmp.Diff(want, kept))
			}
		}
	}
	return ""
}

func applyUser(t *testing.T, view *chatclient.Users, h heard) {
	t.Helper()
	if err := h.valid(); err != nil {
		t.Fatal(err)
	}
	switch {
	case h.to == "":
		var e api.Event
		if err := json.Unmarshal([]byte(h.msg), &e); err != nil {
			t.Fatal(err)
		}
		if err := view.Apply(&e); err != nil {
			t.Fatal(err)
		}
	case h.to == "watch":
		var n struct{ Params api.AccountEventParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			t.Fatal(err)
		}
		view.ApplyAccount(&n.Params)
	case strings.Contains(h.msg, `"method":"user.updated"`):
		var n struct{ Params api.UserUpdatedParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			t.Fatal(err)
		}
		view.ApplyUpdate(&n.Params)
	}
}

func TestUsers(t *testing.T) {
	v := chatclient.NewUsers("me")
	if _, ok := v.User("u"); ok || v.Name("u") != "" {
		t.Error("somebody is known at first")
	}
	v.Load(api.User{ID: "me", Username: "me"}, api.User{ID: "u", Username: "thanos"})
	if v.Name("u") != "thanos" {
		t.Errorf("the name is %q", v.Name("u"))
	}
	v.ApplyUpdate(&api.UserUpdatedParams{User: api.User{ID: "u", Username: "thanos", DisplayName: "Inevitable"}})
	v.ApplyAccount(&api.AccountEventParams{Type: api.AccountEventTypeAccountUpdated, User: &api.User{ID: "me", Username: "me", DisplayName: "Myself"}})
	v.ApplyAccount(&api.AccountEventParams{Type: api.AccountEventTypeReadMarked, RoomID: "r"})
	if v.Name("u") != "Inevitable" || v.Name("me") != "Myself" {
		t.Errorf("the names are %q and %q", v.Name("u"), v.Name("me"))
	}
	joins := func(user string, want ...api.UserID) {
		t.Helper()
		e := &api.Event{RoomID: "r", Seq: 1, Type: api.EventTypeMemberJoined, Data: json.RawMessage(`{"user_id":"` + user + `","username":"x"}`)}
		if err := v.Apply(e); err != nil {
			t.Fatal(err)
		}
		if got := v.Stale(); !slices.Equal(got, want) {
			t.Errorf("%s joined, and stale are %v, want %v", user, got, want)
		}
	}
	joins("stranger")
	joins("u", "u")
	v.Load(api.User{ID: "u", Username: "thanos"})
	joins("me")
	v.ApplyAccount(&api.AccountEventParams{Type: api.AccountEventTypeRoomAdded, RoomID: "r"})
	if got := v.Stale(); !slices.Equal(got, []api.UserID{"me", "u"}) {
		t.Errorf("stale in a new room are %v", got)
	}
	if err := v.Apply(&api.Event{Type: api.EventTypeMemberJoined, Data: json.RawMessage(`[]`)}); err == nil {
		t.Error("a broken event is taken")
	}
	if err := v.Apply(&api.Event{Type: api.EventTypeMessagePosted, Data: json.RawMessage(`[]`)}); err != nil {
		t.Errorf("a post is none of its business: %v", err)
	}
}

package chatclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// presenceStep is something that one of the folk does, or the time that goes by.
type presenceStep struct {
	what  string
	who   int
	state api.PresenceChoice
	text  string
	last  time.Duration
}

// byThem are the steps of who is signed in.
var byThem = []string{"connect", "say", "join", "leave", "type", "cease", "post", "delete"}

// Once signals have come to rest, what a client keeps of who is there is what it would fetch, on every store; and who is typing, which
// nobody can fetch, are those who have said so of late.
func TestPresencesFoldIsFresh(t *testing.T) {
	step := rapid.Custom(func(rt *rapid.T) presenceStep {
		return presenceStep{
			what: rapid.SampledFrom([]string{
				"connect", "connect", "type", "type", "type", "cease", "post", "join", "say", "say", "time", "restore", "unban", "disconnect", "invite", "leave", "remove", "ban", "suspend", "reload", "delete",
			}).Draw(rt, "what"),
			who:   rapid.IntRange(1, len(folk)).Draw(rt, "who"),
			state: rapid.SampledFrom([]api.PresenceChoice{api.PresenceChoiceOnline, api.PresenceChoiceAway, api.PresenceChoiceDnd}).Draw(rt, "state"),
			text:  rapid.SampledFrom([]string{"", "lunch", "writing"}).Draw(rt, "text"),
			last:  time.Duration(rapid.IntRange(0, 40).Draw(rt, "for")) * time.Second,
		}
	})
	contract.Load()
	for name, open := range foldStores {
		t.Run(name, func(t *testing.T) {
			did := deeds{}
			rapid.Check(t, func(rt *rapid.T) {
				steps := rapid.SliceOfN(step, 10, 40).Draw(rt, "steps")
				differs := ""
				synctest.Test(t, func(t *testing.T) { differs = playPresence(t, open, steps, did) })
				if differs != "" {
					rt.Fatal(differs)
				}
			})
			did.check(t)
		})
	}
}

// playPresence does the steps and tells where what is kept differs from what is fetched.
func playPresence(t *testing.T, open func(t testing.TB) chat.Store, steps []presenceStep, did deeds) string {
	tap, store := &wiretap{}, open(t)
	defer store.Close()
	svc := chat.New(store, &chat.Options{Fanout: tap, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, PresenceGrace: 15 * time.Second})
	defer svc.Close()
	names := append([]string{"watch"}, folk...)
	sessions, tokens := make([][]*chat.Session, len(names)), make([]string, len(names))
	connect := func(who int) *chat.Session {
		s := svc.Connect(followPort{}, chat.Peer{Addr: "127.0.0.1", Loopback: true})
		sessions[who] = append(sessions[who], s)
		return s
	}
	defer func() {
		for _, s := range slices.Concat(sessions...) {
			s.Close()
		}
	}()
	once := make([]*chat.Session, len(names)) // calls of those who have no connection, too
	for i, name := range names {
		once[i] = svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
		defer once[i].Close()
		res, err := once[i].AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "password of " + name})
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = res.Token
	}
	watch := connect(0)
	if err := watch.Authenticate(ctx, tokens[0]); err != nil {
		t.Fatal(err)
	}
	made, err := watch.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"}); err != nil { // and follows, so that events are published
		t.Fatal(err)
	}
	watch.Replied()
	for _, s := range once[1:] {
		if _, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func() *api.PresenceGetResult {
		res, err := watch.PresenceGet(ctx, &api.PresenceGetParams{Room: "lobby"})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(res.Presences, func(a, b api.Presence) int { return strings.Compare(a.Username, b.Username) })
		return res
	}
	view, typing, seen := chatclient.NewPresences(), chatclient.NewTyping(watch.UserID()), 0
	said, away, suspended := make([]time.Time, len(names)), make([]bool, len(names)), make([]bool, len(names)) // when they said that they type; suspended or deleted; suspended
	view.Load(made.Room.ID, fresh())
	for i, step := range steps {
		who := step.who
		if away[who] && slices.Contains(byThem, step.what) {
			continue
		}
		switch step.what {
		case "connect":
			if err := connect(who).Authenticate(ctx, tokens[who]); err != nil {
				t.Fatal(err)
			}
		case "disconnect":
			if len(sessions[who]) > 0 {
				said[who] = time.Time{}
			}
			for _, s := range sessions[who] {
				s.Close()
			}
			sessions[who] = nil
		case "say":
			p := &api.PresenceSetParams{State: step.state, Text: step.text}
			if step.last > 0 {
				until := api.TimestampOf(time.Now().Add(step.last))
				p.Until = &until
			}
			_, err := once[who].PresenceSet(ctx, p)
			did.done(t, api.MethodPresenceSet, err)
		case "join":
			_, err := once[who].RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"})
			did.done(t, api.MethodRoomJoin, err)
		case "leave":
			_, err := once[who].RoomLeave(ctx, &api.RoomLeaveParams{Room: "lobby"})
			if did.done(t, api.MethodRoomLeave, err) {
				said[who] = time.Time{}
			}
		case "remove":
			_, err := watch.MemberRemove(ctx, &api.MemberRemoveParams{Room: "lobby", User: names[who]})
			if did.done(t, api.MethodMemberRemove, err) {
				said[who] = time.Time{}
			}
		case "ban":
			_, err := watch.MemberBan(ctx, &api.MemberBanParams{Room: "lobby", User: names[who]})
			if did.done(t, api.MethodMemberBan, err) {
				said[who] = time.Time{}
			}
		case "unban":
			_, err := watch.MemberUnban(ctx, &api.MemberUnbanParams{Room: "lobby", User: names[who]})
			did.done(t, api.MethodMemberUnban, err)
		case "invite":
			_, err := watch.MemberInvite(ctx, &api.MemberInviteParams{Room: "lobby", User: names[who]})
			did.done(t, api.MethodMemberInvite, err)
		case "type", "cease":
			res, err := once[who].TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Typing: step.what == "type"})
			switch {
			case !did.done(t, api.MethodTypingSet, err):
			case step.what == "cease":
				said[who] = time.Time{}
			case res.Shown:
				said[who] = time.Now()
			}
		case "post":
			_, err := once[who].MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "hi"})
			if did.done(t, api.MethodMessagePost, err) {
				said[who] = time.Time{}
			}
		case "suspend":
			_, err := watch.UserSuspend(ctx, &api.UserSuspendParams{User: names[who]})
			if did.done(t, api.MethodUserSuspend, err) {
				if away[who], suspended[who] = true, true; len(sessions[who]) > 0 {
					said[who] = time.Time{}
				}
				sessions[who] = nil
			}
		case "restore":
			if who = slices.Index(suspended, true); who < 0 {
				continue
			}
			_, err := watch.UserRestore(ctx, &api.UserRestoreParams{User: names[who]})
			did.must(t, api.MethodUserRestore, err)
			res, err := once[who].AuthLogin(ctx, &api.AuthLoginParams{Username: names[who], Password: "password of " + names[who]})
			did.must(t, api.MethodAuthLogin, err)
			tokens[who], away[who], suspended[who] = res.Token, false, false
		case "delete":
			if step.last < 20*time.Second {
				continue // not so often
			}
			_, err := once[who].AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of " + names[who]})
			if did.done(t, api.MethodAccountDelete, err) {
				away[who], sessions[who], said[who] = true, nil, time.Time{}
			}
		case "time":
			time.Sleep(step.last)
		case "reload":
			view.Load(made.Room.ID, fresh())
		}
		synctest.Wait() // until all that was to be told is
		tap.mu.Lock()
		news := tap.all[seen:]
		seen = len(tap.all)
		tap.mu.Unlock()
		for _, h := range news {
			applyPresence(t, view, typing, h)
		}
		if len(view.Stale()) > 0 {
			view.Load(made.Room.ID, fresh())
		}
		want := fresh()
		kept, counts, _ := view.Room(made.Room.ID)
		if d := cmp.Diff(want.Presences, kept) + cmp.Diff(*want.Counts, counts); d != "" {
			return fmt.Sprintf("after step %d, %+v: -fresh +kept:\n%s", i, step, d)
		}
		for who, name := range names {
			types := slices.ContainsFunc(typing.Room(made.Room.ID), func(t chatclient.Typist) bool { return t.Username == name })
			since := time.Since(said[who]) // it is told again after three seconds only, and holds for eight
			if must, may := since < 5*time.Second, since < 8*time.Second; types && !may || !types && must {
				return fmt.Sprintf("after step %d, %+v: %s is typing: %t, and said so %v ago", i, step, name, types, since)
			}
		}
	}
	return ""
}

func applyPresence(t *testing.T, view *chatclient.Presences, typing *chatclient.Typing, h heard) {
	t.Helper()
	if err := h.valid(); err != nil {
		t.Fatal(err)
	}
	switch {
	case h.to == allWhoFollow && strings.Contains(h.msg, `"method":"room.signal"`):
		var n struct{ Params api.RoomSignalParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			t.Fatal(err)
		}
		view.ApplySignal(&n.Params)
		typing.ApplySignal(&n.Params)
	case h.to == "":
		var e api.Event
		if err := json.Unmarshal([]byte(h.msg), &e); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(view.Apply(&e), typing.Apply(&e)); err != nil {
			t.Fatal(err)
		}
	}
}

// Of large rooms there are counts; a room that becomes small is told of, and has to be loaded again.
func TestPresencesOfLargeRooms(t *testing.T) {
	v := chatclient.NewPresences()
	if _, _, held := v.Room("r"); held {
		t.Error("held before it was loaded")
	}
	v.Load("r", &api.PresenceGetResult{Presences: []api.Presence{{UserID: "a", State: api.PresenceStateOnline}}}) // not of a room
	if _, _, held := v.Room("r"); held {
		t.Error("held what is not of a room")
	}
	large := api.PresenceCounts{Online: 300, Away: 4, Offline: 600}
	v.Load("r", &api.PresenceGetResult{Counts: &large})
	joined := &api.Event{RoomID: "r", Seq: 9, Type: api.EventTypeMemberJoined, Data: json.RawMessage(`{"user_id":"u","username":"u","role":"member"}`)}
	if err := v.Apply(joined); err != nil {
		t.Fatal(err)
	}
	if who, counts, held := v.Room("r"); len(who) != 0 || counts != large || !held || len(v.Stale()) != 0 {
		t.Errorf("%v %+v %t, stale: %v", who, counts, held, v.Stale())
	}
	v.ApplySignal(&api.RoomSignalParams{Type: api.SignalTypeTyping, State: api.SignalStateStarted, UserID: "u", RoomID: "r"})
	if len(v.Stale()) != 0 {
		t.Error("typing is no presence")
	}
	v.ApplySignal(&api.RoomSignalParams{Type: api.SignalTypePresence, State: api.SignalStateAway, UserID: "u", Username: "u", RoomID: "r"})
	if !slices.Equal(v.Stale(), []api.RoomID{"r"}) {
		t.Errorf("stale: %v", v.Stale())
	}
	v.Load("r", &api.PresenceGetResult{Counts: &api.PresenceCounts{Away: 1, Offline: 2}, Presences: []api.Presence{{UserID: "u", Username: "u", State: api.PresenceStateAway}}})
	// Who has left is not there because of a signal that was on its way.
	left := &api.Event{RoomID: "r", Seq: 10, Type: api.EventTypeMemberLeft, Data: json.RawMessage(`{"user_id":"u","username":"u"}`)}
	if err := v.Apply(left); err != nil {
		t.Fatal(err)
	}
	v.Load("r", &api.PresenceGetResult{Counts: &api.PresenceCounts{Offline: 2}})
	v.ApplySignal(&api.RoomSignalParams{Type: api.SignalTypePresence, State: api.SignalStateOnline, UserID: "u", Username: "u", RoomID: "r"})
	if who, counts, _ := v.Room("r"); len(who) != 0 || counts != (api.PresenceCounts{Offline: 2}) {
		t.Errorf("%v %+v", who, counts)
	}
	v.Forget("r")
	if _, _, held := v.Room("r"); held {
		t.Error("held after it was forgotten")
	}
}

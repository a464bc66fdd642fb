package chat_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ledger is what the log of a room says of who is in it and of how it may be talked in. It knows the rules, and nothing of how
// they are enforced.
type ledger struct {
	t                           *testing.T
	roles                       map[api.UserID]api.Role
	banned, muted               map[api.UserID]bool
	archived, readOnly, private bool
}

// apply takes the next event in, and says what about it was not allowed at its point of the log.
func (l *ledger) apply(ev *api.Event) {
	by := l.roles[ev.SenderID]
	want := func(ok bool, rule string) {
		l.t.Helper()
		if !ok {
			l.t.Errorf("%d %s by %s, %q: %s\n%s", ev.Seq, ev.Type, ev.SenderName, by, rule, ev.Data)
		}
	}
	payload, err := ev.Payload()
	if err != nil {
		l.t.Fatal(err)
	}
	goes := func(user api.UserID) {
		owners := 0
		for _, role := range l.roles {
			if role == api.RoleOwner {
				owners++
			}
		}
		want(l.roles[user] != "", "is not there")
		want(l.roles[user] != api.RoleOwner || owners > 1, "takes the last owner")
		delete(l.roles, user)
	}
	switch d := payload.(type) {
	case *api.RoomCreated:
		l.private = d.Visibility == api.VisibilityPrivate
	case *api.MemberJoined:
		want(l.roles[d.UserID] == "", "is there already")
		want(!l.banned[d.UserID], "is banned")
		want(d.Muted == l.muted[d.UserID], "the mute from before")
		switch {
		case d.InvitedBy == "":
			want(d.UserID == ev.SenderID && (!l.private || d.Role == api.RoleOwner), "joins a private room")
		case l.private:
			want(chat.Can(by, chat.InviteToPrivate), "invites")
		default:
			want(chat.Can(by, chat.InviteToPublic), "invites")
		}
		l.roles[d.UserID] = d.Role
	case *api.MemberLeft:
		want(d.UserID == ev.SenderID, "leaves for another")
		goes(d.UserID)
	case *api.MemberRemoved:
		want(chat.CanTo(by, chat.Remove, l.roles[d.UserID]), "removes")
		goes(d.UserID)
	case *api.MemberBanned:
		want(chat.CanTo(by, chat.BanPeople, l.roles[d.UserID]) && d.UserID != ev.SenderID, "bans")
		want(d.Removed == (l.roles[d.UserID] != ""), "was there or not")
		if d.Removed {
			goes(d.UserID)
		}
		l.banned[d.UserID] = true
	case *api.MemberUnbanned:
		want(chat.Can(by, chat.BanPeople) && l.banned[d.UserID], "unbans")
		delete(l.banned, d.UserID)
	case *api.MemberRoleChanged:
		want(chat.Can(by, chat.SetRole), "sets roles")
		want(d.Was == l.roles[d.UserID] && d.Was != d.Role, "the role from before")
		goes(d.UserID)
		l.roles[d.UserID] = d.Role
	case *api.MemberMuted:
		want(chat.CanTo(by, chat.Mute, l.roles[d.UserID]) && l.roles[d.UserID] != "", "mutes")
		l.muted[d.UserID] = true
	case *api.MemberUnmuted:
		want(chat.CanTo(by, chat.Mute, l.roles[d.UserID]) && l.muted[d.UserID], "unmutes")
		delete(l.muted, d.UserID)
	case *api.RoomUpdated:
		want(!l.archived, "changes an archived room")
		if d.Visibility != "" {
			want(chat.Can(by, chat.Rename), "shows or hides the room")
			l.private = d.Visibility == api.VisibilityPrivate
		}
		if d.ReadOnly != nil {
			want(chat.Can(by, chat.Update), "changes the room")
			l.readOnly = *d.ReadOnly
		}
	case *api.RoomArchived:
		want(chat.Can(by, chat.Archive) && !l.archived, "archives")
		l.archived = true
	case *api.RoomUnarchived:
		want(chat.Can(by, chat.Archive) && l.archived, "unarchives")
		l.archived = false
	case *api.MessagePosted:
		want(by != "" && !l.muted[ev.SenderID], "speaks")
		want(!l.archived && (!l.readOnly || chat.Can(by, chat.SpeakInReadOnly)), "speaks here")
	}
}

// stormActs are what people do to each other and to their room.
var stormActs = []func(t *testing.T, c *client, whom string, yes bool) error{
	func(t *testing.T, c *client, whom string, _ bool) error {
		_, err := c.ban(t, api.MemberBanParams{User: whom})
		return err
	},
	func(t *testing.T, c *client, whom string, _ bool) error {
		return second(c.MemberUnban(t.Context(), &api.MemberUnbanParams{Room: "lobby", User: whom}))
	},
	func(t *testing.T, c *client, whom string, _ bool) error {
		return second(c.MemberRemove(t.Context(), &api.MemberRemoveParams{Room: "lobby", User: whom}))
	},
	func(t *testing.T, c *client, whom string, _ bool) error { return second(c.invite(t, "lobby", whom)) },
	func(t *testing.T, c *client, _ string, _ bool) error { return c.tryJoin(t, "lobby") },
	func(t *testing.T, c *client, _ string, _ bool) error { return c.tryJoin(t, "lobby") },
	func(t *testing.T, c *client, _ string, yes bool) error {
		if yes {
			return nil
		}
		return second(c.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}))
	},
	func(t *testing.T, c *client, whom string, yes bool) error {
		role := api.RoleModerator
		if yes {
			role = api.RoleOwner
		}
		return second(c.setRole(t, whom, role))
	},
	func(t *testing.T, c *client, whom string, _ bool) error {
		return second(c.MemberMute(t.Context(), &api.MemberMuteParams{Room: "lobby", User: whom}))
	},
	func(t *testing.T, c *client, whom string, _ bool) error {
		return second(c.MemberUnmute(t.Context(), &api.MemberUnmuteParams{Room: "lobby", User: whom}))
	},
	func(t *testing.T, c *client, _ string, yes bool) error {
		return second(c.RoomUpdate(t.Context(), &api.RoomUpdateParams{Room: "lobby", ReadOnly: &yes}))
	},
	func(t *testing.T, c *client, _ string, yes bool) error {
		v := api.VisibilityPublic
		if yes {
			v = api.VisibilityPrivate
		}
		return second(c.RoomUpdate(t.Context(), &api.RoomUpdateParams{Room: "lobby", Visibility: v}))
	},
	func(t *testing.T, c *client, _ string, yes bool) error {
		if yes {
			return second(c.RoomArchive(t.Context(), &api.RoomArchiveParams{Room: "lobby"}))
		}
		return second(c.RoomUnarchive(t.Context(), &api.RoomUnarchiveParams{Room: "lobby"}))
	},
	func(t *testing.T, c *client, _ string, _ bool) error { return c.tryPost(t, "lobby", "x") },
	func(t *testing.T, c *client, _ string, _ bool) error { return c.tryPost(t, "lobby", "y") },
}

// However many moderate each other at once, join, leave, speak and change the room, each event of the log was allowed by what the
// log says before it, and what is stored is what it says at its end.
func TestStorm(t *testing.T) {
	w := newWorld(t, nil)
	w.user("admin")
	names := []string{"ann", "bob", "cy", "dee", "eve"}
	people := map[string]*client{}
	for i, name := range names {
		people[name] = w.user(name)
		if i == 0 {
			people[name].create("lobby")
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i, name := range names {
		for line := range 2 {
			c, r := people[name], rand.New(rand.NewPCG(seed, uint64(2*i+line)))
			if line > 0 {
				c = c.twin(t)
			}
			wg.Go(func() {
				for range 300 {
					act := stormActs[r.IntN(len(stormActs))]
					err := act(t, c, names[r.IntN(len(names))], r.IntN(2) == 0)
					var refused *api.Error
					if err != nil && !errors.As(err, &refused) {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	wg.Wait()

	v, err := w.store.RoomByName(t.Context(), "lobby", people["ann"].UserID())
	if err != nil {
		t.Fatal(err)
	}
	records, err := w.store.History(t.Context(), &chat.HistoryQuery{Room: v.ID, Limit: int(v.Head.Seq)})
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{t: t, roles: map[api.UserID]api.Role{}, banned: map[api.UserID]bool{}, muted: map[api.UserID]bool{}}
	kinds := map[api.EventType]int{}
	for i := range records {
		var ev api.Event
		if err := json.Unmarshal(records[i].Bytes, &ev); err != nil {
			t.Fatal(err)
		}
		kinds[ev.Type]++
		l.apply(&ev)
	}
	if len(kinds) < 10 {
		t.Errorf("too little has happened: %v", kinds)
	}
	members, err := w.store.ListMembers(t.Context(), v.ID, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if l.roles[m.UserID] != m.Role || l.muted[m.UserID] != (m.MutedUntil != 0) {
			t.Errorf("%s is %s in the store, %q in the log", m.Username, m.Role, l.roles[m.UserID])
		}
	}
	bans, err := w.store.ListBans(t.Context(), v.ID, 0, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bans {
		if !l.banned[b.UserID] {
			t.Errorf("%s is banned in the store, and not in the log", b.Username)
		}
	}
	if len(members) != len(l.roles) || v.MemberCount != int64(len(members)) || len(bans) != len(l.banned) {
		t.Errorf("%d members, %d counted, %d in the log; %d bans, %d in the log", len(members), v.MemberCount, len(l.roles), len(bans), len(l.banned))
	}
	if v.ReadOnly != l.readOnly || (v.ArchivedAt != 0) != l.archived || (v.Visibility == api.VisibilityPrivate) != l.private {
		t.Errorf("%+v in the store; read-only %t, archived %t, private %t in the log", v.RoomRecord, l.readOnly, l.archived, l.private)
	}
}

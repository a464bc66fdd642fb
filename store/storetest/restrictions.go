package storetest

import (
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Ruling is an act on a room's settings or on what somebody may do in it, as plain data. It puts what it is told to,
// whether a domain would let it or not; but a name that is taken is left alone.
type Ruling struct {
	Update   *chat.RoomRecord  // what can be changed of it
	Restrict *chat.Restriction // is put
	Lift     *chat.Restriction // whose user and kind say what is deleted
	Role     *chat.Membership  // of somebody who is a member

	Seen []any // what the Tx told, set by Do
	e    *chat.Entry
}

// Rule makes an entry of it.
func Rule(room api.RoomID, user api.UserID, r *Ruling) *chat.Entry {
	r.e = &chat.Entry{RoomID: room, SenderID: user, At: now, Act: r}
	return r.e
}

// Do implements chat.Act.
func (r *Ruling) Do(t chat.Tx) error {
	r.Seen = nil
	room := t.Room()
	if room == nil {
		return chat.ErrNotFound
	}
	owners, err := t.Owners()
	if err != nil {
		return err
	}
	r.Seen = []any{room, owners}
	for _, about := range []*chat.Restriction{r.Restrict, r.Lift} {
		if about == nil {
			continue
		}
		was, err := t.Restriction(about.UserID, about.Kind)
		if err != nil {
			return err
		}
		r.Seen = append(r.Seen, was)
	}
	kind := api.EventTypeMemberMuted
	switch {
	case r.Update != nil:
		kind = api.EventTypeRoomUpdated
		err = t.UpdateRoom(r.Update)
	case r.Restrict != nil:
		if _, err = t.Member(r.Restrict.UserID); err == nil {
			err = t.PutRestriction(r.Restrict)
		}
	case r.Lift != nil:
		kind = api.EventTypeMemberUnmuted
		err = t.DeleteRestriction(r.Lift.UserID, r.Lift.Kind)
	case r.Role != nil:
		var m *chat.Membership
		if m, err = t.Member(r.Role.UserID); err != nil || m == nil {
			return err
		}
		kind = api.EventTypeMemberRoleChanged
		err = t.PutMember(r.Role)
	}
	if err != nil {
		return err
	}
	return t.Append(Draft{kind, "ruling"})
}

func mute(user api.UserID, until api.Timestamp) *chat.Restriction {
	return &chat.Restriction{Kind: chat.RestrictionMute, UserID: user, By: user, At: now, Until: until}
}

var restrictionTests = []test{
	{"Restrictions", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		ban := &chat.Restriction{Kind: chat.RestrictionBan, UserID: thanos, By: groot, At: now, Until: chat.ForEver, Reason: "he snapped"}
		first := Rule(room, groot, &Ruling{Restrict: ban})
		f.commit(first)
		f.wantErr(first.Err, nil)
		again := Rule(room, groot, &Ruling{Restrict: &chat.Restriction{Kind: chat.RestrictionBan, UserID: thanos, By: thanos, At: now + 1, Until: now + 5}})
		stored := *ban
		stored.Username = "thanos"
		elsewhere := Rule(other, groot, &Ruling{Lift: ban})
		otherKind := Rule(room, groot, &Ruling{Lift: mute(thanos, 0)})
		f.commit(elsewhere, otherKind)
		f.want("what another room knows", elsewhere.Act.(*Ruling).Seen[2], (*chat.Restriction)(nil))
		f.commit(again)
		f.want("what was there", again.Act.(*Ruling).Seen[2], &stored)
		f.wantBans(room, now+4, "thanos")
		f.wantBans(room, now+5)
		f.wantBans(other, 0)
		lift := Rule(room, groot, &Ruling{Lift: ban})
		f.commit(lift, Rule(room, groot, &Ruling{Lift: ban}))
		f.wantErr(lift.Err, nil)
		f.wantBans(room, 0)
		nobody := Rule(room, groot, &Ruling{Restrict: &chat.Restriction{Kind: chat.RestrictionBan, UserID: "user_nobody", By: groot}})
		f.commit(nobody)
		f.wantErr(nobody.Err, chat.ErrNotFound)
		_, err := f.ListBans(f.ctx(), "room_none", 0, "", 1)
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"BansByName", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		var names []string
		for i := range 7 {
			name := fmt.Sprintf("u%d", 6-i)
			names = append([]string{name}, names...)
			f.commit(Rule(room, groot, &Ruling{Restrict: &chat.Restriction{Kind: chat.RestrictionBan, UserID: f.user(name), By: groot, At: now, Until: chat.ForEver}}))
		}
		var got []string
		after := ""
		for {
			page, err := f.ListBans(f.ctx(), room, now, after, 3)
			f.wantErr(err, nil)
			for _, b := range page {
				got = append(got, b.Username)
				after = b.Username
			}
			if len(page) < 3 {
				break
			}
		}
		f.want("bans in pages of 3", got, names)
	}},

	// Who is muted is told by the list of members, and does not post in a store's own way: the Act decides.
	{"Muted", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.commit(Join(room, thanos), Rule(room, groot, &Ruling{Restrict: mute(thanos, now+5)}))
		members, err := f.ListMembers(f.ctx(), room, "", 10)
		f.wantErr(err, nil)
		f.want("muted until", []api.Timestamp{members[0].MutedUntil, members[1].MutedUntil}, []api.Timestamp{0, now + 5})
		asked := 0
		post := func(user api.UserID) *chat.Entry {
			e := Post(room, user, "hi")
			e.Act = asking{e.Act, &asked}
			f.commit(e)
			return e
		}
		f.wantErr(post(thanos).Err, nil)
		f.want("the act was asked", asked, 1)
		f.commit(Leave(room, thanos), Join(room, thanos))
		f.wantErr(post(thanos).Err, nil)
		f.want("also after coming back", asked, 2)
	}},

	{"RoomSettings", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.room("attic", groot)
		before := f.byID(room, groot)
		want := *before
		want.Name, want.Title, want.Topic, want.Visibility, want.SlowMode, want.ReadOnly = "hall", "The hall", "anything", api.VisibilityPrivate, 1500*time.Millisecond, true
		rec := want.RoomRecord
		rec.MemberCount, rec.Head, rec.CreatedBy = 99, api.Head{Seq: 99}, "user_nobody" // not for a room.update to change
		update := Rule(room, groot, &Ruling{Update: &rec})
		// In one batch: the name that is free now is another's.
		taken := Rule(room, groot, &Ruling{Update: &chat.RoomRecord{Name: "attic"}})
		next := Create("lobby", groot)
		next.RoomID = RoomID("second")
		f.commit(update, taken, next)
		f.wantErr(update.Err, nil)
		f.wantErr(taken.Err, chat.ErrNameTaken)
		f.wantErr(next.Err, nil)
		want.Head.Seq++
		f.want("the room", f.byID(room, groot), &want)
		v, err := f.RoomByName(f.ctx(), "lobby", groot)
		f.wantErr(err, nil)
		f.want("the room with the old name", v.ID, next.RoomID)
		f.wantRooms("", false, "attic", "lobby")
		asked := 0
		post := Post(room, groot, "hi")
		post.Act = asking{post.Act, &asked}
		f.commit(post)
		f.wantErr(post.Err, nil)
		f.want("the act was asked", asked, 1)
		rec.ArchivedAt = now
		f.commit(Rule(room, groot, &Ruling{Update: &rec}))
		f.want("archived", f.byID(room, groot).ArchivedAt, now)
		for _, joinedOnly := range []bool{true, false} {
			f.wantRooms(groot, joinedOnly, "attic", "lobby")
			page, err := f.ListRooms(f.ctx(), groot, joinedOnly, true, "", 10)
			f.wantErr(err, nil)
			f.want("archived too", len(page), 3)
		}
		f.want("a name of its own", must(f.RoomByName(f.ctx(), "hall", groot)).ID, room)
	}},

	{"Owners", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.commit(Join(room, thanos))
		role := func(r api.Role) *chat.Entry {
			e := Rule(room, groot, &Ruling{Role: &chat.Membership{UserID: thanos, Role: r, JoinedAt: now}})
			f.commit(e)
			return e
		}
		f.want("owners", role(api.RoleOwner).Act.(*Ruling).Seen[1], 1)
		e := role(api.RoleModerator)
		f.want("owners", e.Act.(*Ruling).Seen[1], 2)
		f.want("nobody joined", len(e.Joined), 0)
		f.want("role", f.byID(room, thanos).Role, api.RoleModerator)
		f.want("owners", role(api.RoleModerator).Act.(*Ruling).Seen[1], 1)
	}},

	{"HistoryOfOne", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.commit(Join(room, thanos), Post(room, groot, "a"), Post(room, thanos, "b"), Post(room, groot, "c"), Post(room, thanos, "d"))
		posts := []api.EventType{api.EventTypeMessagePosted}
		f.want("of thanos", seqsOfRecords(f.page(&chat.HistoryQuery{Room: room, Sender: thanos, Limit: 10})), []api.Seq{3, 5, 7})
		f.want("posts", seqsOfRecords(f.page(&chat.HistoryQuery{Room: room, Sender: thanos, Types: posts, Limit: 1, Newest: true})), []api.Seq{7})
		f.want("of nobody", len(f.page(&chat.HistoryQuery{Room: room, Sender: "user_nobody", Limit: 10})), 0)
	}},
}

// asking counts how often an act is asked.
type asking struct {
	chat.Act
	n *int
}

// Do implements chat.Act.
func (a asking) Do(t chat.Tx) error {
	*a.n++
	return a.Act.Do(t)
}

func (f *fixture) wantBans(room api.RoomID, after api.Timestamp, want ...string) {
	f.Helper()
	bans, err := f.ListBans(f.ctx(), room, after, "", 100)
	f.wantErr(err, nil)
	var got []string
	for _, b := range bans {
		got = append(got, b.Username)
	}
	f.want("bans", got, want)
}

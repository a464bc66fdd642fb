package storetest

import (
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var roomTests = []test{
	{"Rooms", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		e := Create("lobby", groot)
		create := ActingOf(e).Create
		create.Title, create.Topic = "The lobby – 大厅", "anything"
		f.commit(e)
		f.wantDone(e, 1, 0)

		want := &chat.RoomView{RoomRecord: *create, Role: api.RoleOwner}
		want.MemberCount, want.Head = 1, api.Head{Seq: 2}
		f.want("by id, for its owner", f.byID(e.RoomID, groot), want)
		got, err := f.RoomByName(f.ctx(), "lobby", groot)
		f.wantErr(err, nil)
		f.want("by name, for its owner", got, want)
		want.Role = ""
		f.want("for another", f.byID(e.RoomID, thanos), want)
		f.want("for nobody", f.byID(e.RoomID, ""), want)

		_, err = f.RoomByID(f.ctx(), "room_none", groot)
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.RoomByName(f.ctx(), "none", groot)
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.Head(f.ctx(), "room_none")
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.History(f.ctx(), &chat.HistoryQuery{Room: "room_none", Limit: 1})
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.ListMembers(f.ctx(), "room_none", "", 1)
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"PrivateRooms", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		e := Create("secret", groot)
		ActingOf(e).Create.Visibility = api.VisibilityPrivate
		f.commit(e)
		f.room("open", groot)

		f.wantRooms(groot, false, "open", "secret")
		f.wantRooms(thanos, false, "open")
		f.wantRooms(thanos, true)
		f.wantRooms("", false, "open")
		// The domain decides who may see it: the store finds it for anyone.
		v, err := f.RoomByName(f.ctx(), "secret", thanos)
		f.wantErr(err, nil)
		f.want("role of a stranger", v.Role, api.Role(""))
		f.want("visibility", v.Visibility, api.VisibilityPrivate)
		f.commit(Join(e.RoomID, thanos))
		f.wantRooms(thanos, false, "open", "secret")
		f.wantRooms(thanos, true, "secret")
		f.commit(Leave(e.RoomID, groot))
		f.wantRooms(groot, false, "open")
	}},

	{"ListRoomsByName", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		names := []string{"a", "a-b", "a.b", "a0", "a_b", "b", "ba", "c"} // in byte order
		for _, i := range []int{3, 7, 0, 5, 1, 6, 2, 4} {
			owner := groot
			if i%2 == 1 {
				owner = thanos
			}
			f.room(names[i], owner)
		}
		f.wantRooms(groot, false, names...)
		f.wantRooms(groot, true, "a", "a.b", "a_b", "ba")
		f.wantRoles(groot, map[string]api.Role{"a": api.RoleOwner, "b": ""})
		for _, limit := range []int{1, 3, 8, 9} {
			var got []string
			after := ""
			for {
				page, err := f.ListRooms(f.ctx(), groot, false, false, after, limit)
				f.wantErr(err, nil)
				for _, v := range page {
					got = append(got, v.Name)
					after = v.Name
				}
				if len(page) < limit {
					break
				}
			}
			f.want(fmt.Sprintf("pages of %d", limit), got, names)
		}
	}},

	{"RoomsOf", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		small, large, other := f.room("small", groot), f.room("large", groot), f.room("other", thanos)
		f.commit(Join(large, thanos))
		for members, want := range map[int64][]api.RoomID{0: nil, 1: {small}, 2: {small, large}} {
			got, err := f.RoomsOf(f.ctx(), groot, members)
			f.wantErr(err, nil)
			slices.Sort(got)
			slices.Sort(want)
			f.want(fmt.Sprintf("rooms of at most %d", members), got, want)
		}
		f.commit(Leave(large, groot))
		got, err := f.RoomsOf(f.ctx(), thanos, 1)
		f.wantErr(err, nil)
		slices.Sort(got)
		want := []api.RoomID{large, other}
		slices.Sort(want)
		f.want("rooms after a leaving", got, want)
	}},

	{"Members", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		var names []string
		for i := range 10 {
			name := fmt.Sprintf("u%d", 9-i)
			names = append([]string{name}, names...)
			f.commit(Join(room, f.user(name)))
		}
		names = append([]string{"groot"}, names...)
		f.want("member_count", f.byID(room, "").MemberCount, int64(11))
		var got []string
		after := ""
		for {
			page, err := f.ListMembers(f.ctx(), room, after, 4)
			f.wantErr(err, nil)
			for _, m := range page {
				got = append(got, m.Username)
				after = m.Username
			}
			if len(page) < 4 {
				break
			}
		}
		f.want("members in pages of 4", got, names)
		page, err := f.ListMembers(f.ctx(), room, "", 2)
		f.wantErr(err, nil)
		f.want("the first two", page, []*chat.Membership{
			{UserID: groot, Username: "groot", Role: api.RoleOwner, JoinedAt: now},
			{UserID: "user_u0", Username: "u0", Role: api.RoleMember, JoinedAt: now},
		})
	}},

	{"JoinAndLeave", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)

		join := Join(room, thanos)
		f.commit(join)
		f.wantDone(join, 3, 0)
		f.want("role", f.byID(room, thanos).Role, api.RoleMember)
		f.want("member_count", f.byID(room, "").MemberCount, int64(2))

		again := Join(room, thanos)
		ActingOf(again).Join.Role = api.RoleOwner
		f.commit(again)
		f.wantUnchanged(again, 3)
		f.want("role after the second join", f.byID(room, thanos).Role, api.RoleMember)

		leave := Leave(room, thanos)
		f.commit(leave)
		f.wantDone(leave, 4, 0)
		f.want("role after leaving", f.byID(room, thanos).Role, api.Role(""))
		f.want("member_count", f.byID(room, "").MemberCount, int64(1))

		gone, nobody := Leave(room, thanos), Leave(room, groot)
		ActingOf(nobody).Leave = "user_nobody"
		f.commit(gone, nobody)
		f.wantUnchanged(gone, 4)
		f.wantErr(nobody.Err, chat.ErrNotFound)

		back := Join(room, thanos)
		f.commit(back)
		f.wantDone(back, 5, 0)
		stranger := Join(room, groot)
		ActingOf(stranger).Join.UserID = "user_nobody"
		f.commit(stranger)
		f.wantErr(stranger.Err, chat.ErrNotFound)
		f.wantLog(room, 5)
	}},
}

func (f *fixture) wantUnchanged(e *chat.Entry, head api.Seq) {
	f.Helper()
	f.wantErr(e.Err, nil)
	if !e.Unchanged || e.Duplicate || len(e.Records) != 0 || e.Head.Seq != head {
		f.Fatalf("unchanged %t, duplicate %t, %d records, head %v", e.Unchanged, e.Duplicate, len(e.Records), e.Head)
	}
}

func (f *fixture) wantRooms(user api.UserID, joinedOnly bool, want ...string) {
	f.Helper()
	page, err := f.ListRooms(f.ctx(), user, joinedOnly, false, "", 100)
	f.wantErr(err, nil)
	var got []string
	for _, v := range page {
		got = append(got, v.Name)
	}
	f.want(fmt.Sprintf("rooms of %q, joined only %t", user, joinedOnly), got, want)
}

func (f *fixture) wantRoles(user api.UserID, want map[string]api.Role) {
	f.Helper()
	page, err := f.ListRooms(f.ctx(), user, false, false, "", 100)
	f.wantErr(err, nil)
	for _, v := range page {
		if role, ok := want[v.Name]; ok {
			f.want("role in "+v.Name, v.Role, role)
		}
	}
}

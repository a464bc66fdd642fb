package storetest

import (
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var importTests = []test{
	{"HiddenAccounts", hiddenAccounts},
	{"HiddenRooms", hiddenRooms},
	{"RestoredEvents", restoredEvents},
	{"RestoredMembers", restoredMembers},
	{"Discard", discard},
	{"ImportLines", importLines},
	{"Imports", imports},
	{"PeopleOfARoom", peopleOfARoom},
}

// Doing is any act.
type Doing func(t chat.Tx) error

// Do implements chat.Act.
func (d Doing) Do(t chat.Tx) error { return d(t) }

// doing is an act in a room that is there, by somebody who is.
func doing(room api.RoomID, user api.UserID, act func(t chat.Tx) error) *chat.Entry {
	return &chat.Entry{RoomID: room, SenderID: user, At: now, Act: Doing(func(t chat.Tx) error {
		if t.Room() == nil {
			return chat.ErrNotFound
		}
		return act(t)
	})}
}

// do commits an act in a room.
func (f *fixture) do(room api.RoomID, user api.UserID, act func(t chat.Tx) error) *chat.Entry {
	f.Helper()
	e := &chat.Entry{RoomID: room, SenderID: user, At: now, Act: Doing(act)}
	f.commit(e)
	return e
}

// hidden makes a room as an import does, whose log begins behind before.
func (f *fixture) hidden(name string, by api.UserID, before api.Head) api.RoomID {
	f.Helper()
	id := RoomID(name)
	e := f.do(id, by, func(t chat.Tx) error {
		return t.CreateRoom(&chat.RoomRecord{ID: id, Name: name, Visibility: api.VisibilityPrivate, CreatedAt: now, CreatedBy: by, Hidden: true, Head: before})
	})
	f.wantErr(e.Err, nil)
	return id
}

func restored(sender api.UserID, kind api.EventType, of api.Seq, key, text string) *chat.Restored {
	return &chat.Restored{SenderID: sender, At: now + 5, Kind: kind, Of: of, Key: key, Bytes: []byte(text)}
}

func hiddenAccounts(f *fixture) {
	ann := f.user("ann")
	ghost := &chat.Account{ID: User("ghost"), Username: "ghost", DisplayName: "G", Admin: true, CreatedAt: 7, SuspendedAt: 8, SuspendReason: "r"}
	f.change(nil, func(t chat.AccountTx) error { return t.CreateHidden(ghost) })
	_, err := f.AccountByID(f.ctx(), ghost.ID)
	f.wantErr(err, chat.ErrNotFound)
	_, err = f.AccountByName(f.ctx(), "ghost")
	f.wantErr(err, chat.ErrNotFound)
	all, err := f.ListAccounts(f.ctx(), &chat.AccountQuery{Limit: 9})
	f.wantErr(err, nil)
	f.want("listed", len(all), 1)
	people, err := f.Accounts(f.ctx(), 0, 9)
	f.wantErr(err, nil)
	f.want("exported", len(people), 1)
	totals, err := f.Totals(f.ctx())
	f.wantErr(err, nil)
	f.want("counted", totals.Users, int64(1))
	_, err = f.CreateAccount(f.ctx(), NewAccount("ghost"))
	f.wantErr(err, chat.ErrNameTaken)
	want := *ghost
	want.Hidden = true
	f.change(nil, func(t chat.AccountTx) error {
		a, err := t.AccountByName("ghost")
		f.wantErr(err, nil)
		f.want("by name", *a, want)
		a, err = t.Account(ghost.ID)
		f.wantErr(err, nil)
		f.want("by id", *a, want)
		n, err := t.OtherAdmins(ann, now)
		f.wantErr(err, nil)
		f.want("administrators", n, 0)
		_, err = t.AccountByName("nobody")
		f.wantErr(err, chat.ErrNotFound)
		return nil
	})
	f.change(nil, func(t chat.AccountTx) error { return t.ShowHidden() })
	a, err := f.AccountByID(f.ctx(), ghost.ID)
	f.wantErr(err, nil)
	f.want("shown", *a, *ghost)

	f.change(nil, func(t chat.AccountTx) error { return t.CreateHidden(&chat.Account{ID: User("gone"), Username: "gone"}) })
	f.change(nil, func(t chat.AccountTx) error { return t.DropHidden() })
	f.user("gone")
	people, err = f.Accounts(f.ctx(), people[0].No, 1)
	f.wantErr(err, nil)
	f.want("the next account", people[0].Username, "ghost")
}

func hiddenRooms(f *fixture) {
	ann := f.user("ann")
	open := f.room("open", ann)
	id := f.hidden("veiled", ann, api.Head{})
	f.do(id, ann, func(t chat.Tx) error { return t.Restore(restored(ann, "room.created", 0, "", `{"a":1}`)) })
	f.want("hidden", f.byID(id, ann).Hidden, true)
	rooms, err := f.ListRooms(f.ctx(), ann, false, true, "", 9)
	f.wantErr(err, nil)
	f.want("listed", len(rooms), 1)
	f.want("all rooms", len(must(f.AllRooms(f.ctx(), "", 9))), 1)
	no, first, err := f.RoomAfter(f.ctx(), 0)
	f.wantErr(err, nil)
	f.want("the first room", first, open)
	_, _, err = f.RoomAfter(f.ctx(), no)
	f.wantErr(err, chat.ErrNotFound)
	totals, err := f.Totals(f.ctx())
	f.wantErr(err, nil)
	f.want("counted", totals.Rooms, int64(1))
	sent, _, err := f.SentEvents(f.ctx(), &chat.SentQuery{User: ann, Scan: 99, Limit: 99})
	f.wantErr(err, nil)
	f.want("sent", len(sent), 2)
	taken := Create("veiled", ann)
	f.commit(taken)
	f.wantErr(taken.Err, chat.ErrNameTaken)
	hidden, err := f.HiddenRooms(f.ctx(), 9)
	f.wantErr(err, nil)
	f.want("hidden rooms", hidden, []api.RoomID{id})
	f.do(id, ann, func(t chat.Tx) error {
		r := t.Room()
		r.Hidden, r.Visibility, r.Topic = false, api.VisibilityPublic, "here"
		return t.UpdateRoom(r)
	})
	v := f.byID(id, "")
	f.want("shown", []any{v.Hidden, v.Visibility, v.Topic, v.Head}, []any{false, api.VisibilityPublic, "here", api.Head{Seq: 1}})
	_, second, err := f.RoomAfter(f.ctx(), no)
	f.wantErr(err, nil)
	f.want("the next room", second, id)
}

func restoredEvents(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	id := f.hidden("old", ann, api.Head{Seq: 10, MsgNo: 4})
	f.want("begins at", f.head(id), api.Head{Seq: 10, MsgNo: 4})
	e := f.do(id, ann, func(t chat.Tx) error {
		for _, r := range []*chat.Restored{
			restored(bob, api.EventTypeMessagePosted, 0, "k", `{"n":11}`), restored(ann, api.EventTypeMessageEdited, 11, "", `{"n":12}`),
			restored(ann, api.EventTypeMessagePosted, 11, "", `{"n":13}`),
		} {
			if err := t.Restore(r); err != nil {
				return err
			}
		}
		if err := t.Restore(restored(bob, api.EventTypeMessagePosted, 0, "k", `{}`)); err != chat.ErrKeyConflict { //nolint:errorlint // as it comes
			f.Errorf("a key twice: %v", err)
		}
		versions, err := t.Versions(11)
		f.wantErr(err, nil)
		f.want("versions", len(versions), 2)
		m, err := t.Message(13)
		f.wantErr(err, nil)
		f.want("message", *m, chat.MessageState{Seq: 13, SenderID: ann, Thread: 11})
		for _, seq := range []api.Seq{0, 1, 10, 12, 14} {
			if _, err := t.Message(seq); err != chat.ErrNoMessage { //nolint:errorlint // as it comes
				f.Errorf("message %d: %v", seq, err)
			}
		}
		return nil
	})
	f.wantErr(e.Err, nil)
	f.want("head", f.head(id), api.Head{Seq: 13, MsgNo: 6})
	want := []chat.Record{
		{Seq: 11, MsgNo: 5, Type: api.EventTypeMessagePosted, At: now + 5, Bytes: []byte(`{"n":11}`)},
		{Seq: 12, Type: api.EventTypeMessageEdited, At: now + 5, Bytes: []byte(`{"n":12}`)},
		{Seq: 13, MsgNo: 6, Type: api.EventTypeMessagePosted, At: now + 5, Bytes: []byte(`{"n":13}`)},
	}
	f.want("log", f.history(id), want)
	f.want("the newest", f.page(&chat.HistoryQuery{Room: id, Limit: 2, Newest: true}), want[1:])
	f.want("of before", len(f.page(&chat.HistoryQuery{Room: id, Before: 11, Limit: 9})), 0)
	f.want("in the thread", f.page(&chat.HistoryQuery{Room: id, Thread: 11, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 9}), want[2:])
	again := Keyed(id, bob, "another text", "k")
	f.commit(again)
	f.wantErr(again.Err, nil)
	f.want("repeated", []any{again.Duplicate, again.Records[0].Seq}, []any{true, api.Seq(11)})
}

func restoredMembers(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	id := f.hidden("old", ann, api.Head{Seq: 2, MsgNo: 1})
	e := f.do(id, ann, func(t chat.Tx) error {
		for range 3 {
			if err := t.Restore(restored(bob, api.EventTypeMessagePosted, 0, "", `{}`)); err != nil {
				return err
			}
		}
		for i, read := range []api.Head{{Seq: 4, MsgNo: 99}, {Seq: 1, MsgNo: 1}} { // of an event that is there, and of one that is gone
			if err := t.RestoreMember(&chat.Joining{Membership: chat.Membership{UserID: []api.UserID{bob, ann}[i], Role: api.RoleModerator, JoinedAt: 5}, Read: read}); err != nil {
				return err
			}
		}
		return nil
	})
	f.wantErr(e.Err, nil)
	f.want("joined", []api.Head{e.Joined[0].Read, e.Joined[1].Read}, []api.Head{{Seq: 4, MsgNo: 3}, {Seq: 1, MsgNo: 1}})
	f.want("bob", f.byID(id, bob).Read.Head, api.Head{Seq: 4, MsgNo: 3})
	f.want("ann", f.byID(id, ann).Read.Head, api.Head{Seq: 1, MsgNo: 1})
	members, err := f.ListMembers(f.ctx(), id, "", 9)
	f.wantErr(err, nil)
	f.want("members", members[0], &chat.Membership{UserID: ann, Username: "ann", Role: api.RoleModerator, JoinedAt: 5})
	f.want("count", f.byID(id, bob).MemberCount, int64(2))
}

func discard(f *fixture) {
	ann := f.user("ann")
	id := f.hidden("old", ann, api.Head{})
	f.do(id, ann, func(t chat.Tx) error {
		for range 5 {
			if err := t.Restore(restored(ann, api.EventTypeMessagePosted, 0, "", `{}`)); err != nil {
				return err
			}
		}
		if err := t.PutMentions(2, chat.Mentions{Room: true}); err != nil {
			return err
		}
		if err := t.PutReaction(3, "x", ann); err != nil {
			return err
		}
		if err := t.PutMessage(&chat.MessageState{Seq: 3, Pinned: 4}); err != nil {
			return err
		}
		return t.PutLine("room", []byte("{}"))
	})
	for steps := 0; ; steps++ {
		more := false
		f.do(id, ann, func(t chat.Tx) (err error) {
			more, err = t.Discard(2)
			return err
		})
		if !more {
			break
		}
		if steps > 9 {
			f.Fatal("no end")
		}
	}
	_, err := f.RoomByName(f.ctx(), "old", ann)
	f.wantErr(err, chat.ErrNotFound)
	f.room("old", ann) // name and id are free, and nothing of before is there
	f.wantLog(id, 2)
	pinned, err := f.Pinned(f.ctx(), id)
	f.wantErr(err, nil)
	f.want("pinned", len(pinned), 0)
	f.want("mentions", f.byID(id, ann).Read.Mentions, int64(0))
}

func importLines(f *fixture) {
	ann := f.user("ann")
	id := RoomID("later")
	e := f.do(id, ann, func(t chat.Tx) error {
		for _, l := range [][2]string{{"b", "1"}, {"a", "2"}, {"b", "3"}} {
			if err := t.PutLine(l[0], []byte(l[1])); err != nil {
				return err
			}
		}
		return nil
	})
	f.wantErr(e.Err, nil)
	read := func() (lines [][]byte) {
		f.do(id, ann, func(t chat.Tx) (err error) {
			lines, err = t.Lines()
			return err
		})
		return lines
	}
	f.want("lines", read(), [][]byte{[]byte("2"), []byte("3")})
	f.do(id, ann, func(t chat.Tx) error { return t.DeleteLines() })
	f.want("lines", len(read()), 0)
}

func imports(f *fixture) {
	one := &chat.Import{ID: "import_1", ExportID: "export_1", Open: true, Body: []byte("1")}
	f.change(nil, func(t chat.AccountTx) error { return t.PutImport(one) })
	f.change(nil, func(t chat.AccountTx) error {
		open, err := t.OpenImport()
		f.wantErr(err, nil)
		f.want("open", open, one)
		one.Open, one.Body = false, []byte("2")
		return t.PutImport(one)
	})
	two := &chat.Import{ID: "import_2", ExportID: "export_2", Open: true, Body: []byte("3")}
	f.do(RoomID("any"), f.user("ann"), func(t chat.Tx) error { return t.PutImport(two) })
	all, err := f.Imports(f.ctx(), 9)
	f.wantErr(err, nil)
	f.want("imports", all, []*chat.Import{two, one})
	f.change(nil, func(t chat.AccountTx) error { return t.DeleteImport(two.ID) })
	f.change(nil, func(t chat.AccountTx) error {
		open, err := t.OpenImport()
		f.wantErr(err, nil)
		if open != nil {
			f.Errorf("%+v is open", open)
		}
		return nil
	})
	all, err = f.Imports(f.ctx(), 1)
	f.wantErr(err, nil)
	f.want("imports", all, []*chat.Import{one})
}

func peopleOfARoom(f *fixture) {
	ann, bob, cy, dee, eve := f.user("ann"), f.user("bob"), f.user("cy"), f.user("dee"), f.user("eve")
	_, err := f.CreateAccount(f.ctx(), &chat.NewAccount{Account: chat.Account{ID: User("bot"), Username: "bot", OwnerID: dee, CreatedAt: now}})
	f.wantErr(err, nil)
	room := f.room("a", ann)
	for _, id := range []api.UserID{bob, cy, User("bot")} {
		f.commit(Join(room, id))
	}
	f.commit(Leave(room, cy), Leave(room, User("bot")))
	f.do(room, ann, func(t chat.Tx) error {
		for _, kind := range []chat.RestrictionKind{chat.RestrictionMute, chat.RestrictionBan, chat.RestrictionSlow} {
			if err := t.PutRestriction(&chat.Restriction{Kind: kind, UserID: eve, By: ann, At: 3, Until: chat.ForEver, Reason: "why"}); err != nil {
				return err
			}
		}
		return nil
	})
	names := func(q *chat.PeopleQuery) (names []string) {
		people, err := f.People(f.ctx(), q)
		f.wantErr(err, nil)
		for i := range people {
			names = append(names, people[i].Username)
		}
		return names
	}
	f.want("in the room", names(&chat.PeopleQuery{Room: room, Limit: 9}), []string{"ann", "bob", "eve"})
	f.want("who ever was", names(&chat.PeopleQuery{Room: room, Sent: true, Limit: 9}), []string{"ann", "bob", "cy", "dee", "eve", "bot"})
	f.want("some", names(&chat.PeopleQuery{Room: room, Only: []api.UserID{cy, ann}}), []string{"ann", "cy"})
	first, err := f.People(f.ctx(), &chat.PeopleQuery{Room: room, Limit: 2})
	f.wantErr(err, nil)
	f.want("the next page", names(&chat.PeopleQuery{Room: room, After: first[1].No, Limit: 2}), []string{"eve"})
	last, err := f.People(f.ctx(), &chat.PeopleQuery{Room: room, Only: []api.UserID{eve}})
	f.wantErr(err, nil)
	f.want("restrictions", last[0].Restrictions, []chat.Restriction{
		{Kind: chat.RestrictionBan, UserID: eve, Username: "eve", By: ann, At: 3, Until: chat.ForEver, Reason: "why"},
		{Kind: chat.RestrictionMute, UserID: eve, Username: "eve", By: ann, At: 3, Until: chat.ForEver, Reason: "why"},
	})
	if d := cmp.Diff(chat.Person{Role: api.RoleOwner, JoinedAt: now}, first[0], cmpopts.IgnoreFields(chat.Person{}, "No", "Account", "Read")); d != "" {
		f.Error(d)
	}
	_, err = f.People(f.ctx(), &chat.PeopleQuery{Room: RoomID("none"), Limit: 1})
	f.wantErr(err, chat.ErrNotFound)
	if !slices.IsSortedFunc(first, func(a, b chat.Person) int { return int(a.No - b.No) }) {
		f.Error("not in order")
	}
}

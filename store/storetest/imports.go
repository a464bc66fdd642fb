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
	{"DroppedAndBack", droppedAndBack},
	{"RestoredEvents", restoredEvents},
	{"RestoredMembers", restoredMembers},
	{"RestoredThreads", restoredThreads},
	{"HiddenDirectRooms", hiddenDirectRooms},
	{"DeletedRoomComesBack", deletedRoomComesBack},
	{"Discard", discard},
	{"ImportLines", importLines},
	{"Imports", imports},
	{"PeopleOfARoom", peopleOfARoom},
	{"PartsOfPeople", partsOfPeople},
}

// Doing is any act.
type Doing func(t chat.Tx) error

// Do implements chat.Act.
func (d Doing) Do(t chat.Tx) error { return d(t) }

// doing is an act in a room that is there, by somebody who is.
func doing(room api.RoomID, user api.UserID, act func(t chat.Tx) error) *chat.Entry {
	return do(room, user, func(t chat.Tx) error {
		if t.Room() == nil {
			return chat.ErrNotFound
		}
		return act(t)
	})
}

// do commits an act in a room.
func (f *fixture) do(room api.RoomID, user api.UserID, act func(t chat.Tx) error) *chat.Entry {
	f.Helper()
	e := do(room, user, act)
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
	f.want("what stood before", f.byID(id, "").Gone, api.Head{Seq: 10, MsgNo: 4})
	again = Keyed(id, bob, "another text", "k")
	f.commit(Purge(id, 12), again)
	f.wantErr(again.Err, nil)
	gone := want[0]
	gone.Bytes = nil
	f.want("repeated, when it is purged", []any{again.Duplicate, again.Records}, []any{true, []chat.Record{gone}})
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

func restoredThreads(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	id := f.hidden("old", ann, api.Head{Seq: 10, MsgNo: 4})
	e := f.do(id, ann, func(t chat.Tx) error {
		for _, of := range []api.Seq{0, 11, 3, 11} { // 3 is gone
			if err := t.Restore(restored(bob, api.EventTypeMessagePosted, of, "", `{}`)); err != nil {
				return err
			}
		}
		n, err := t.AnswersAfter(11, 12)
		f.wantErr(err, nil)
		f.want("answers after", n, int64(1))
		if err := t.PutMessage(&chat.MessageState{Seq: 11, Replies: 2, LastReply: 14, Answers: 2}); err != nil {
			return err
		}
		if err := t.PutMentions(14, chat.Mentions{Users: []api.UserID{ann}}); err != nil {
			return err
		}
		if err := t.RestoreMember(&chat.Joining{Membership: chat.Membership{UserID: ann, Role: api.RoleMember, JoinedAt: 5}, Read: api.Head{Seq: 14}}); err != nil {
			return err
		}
		return t.PutThread(11, partOf(ann, true, 12, 1, 0))
	})
	f.wantErr(e.Err, nil)
	v := must(f.Thread(f.ctx(), id, 11, ann))
	f.want("thread", v.State, chat.MessageState{Seq: 11, Replies: 2, LastReply: 14, Answers: 2})
	f.want("part", v.Part, partOf(ann, true, 12, 1, 1))
	f.want("followed", must(f.FollowedThreads(f.ctx(), &chat.ThreadQuery{User: ann, Unread: true, Limit: 9})), []chat.ThreadKey{{Root: 11, Room: id, Last: 14, At: now + 5}})
}

// veiled makes a direct room as an import does.
func (f *fixture) veiled(id api.RoomID, users ...api.UserID) *chat.Entry {
	f.Helper()
	return f.do(id, users[0], func(t chat.Tx) error {
		return t.CreateRoom(&chat.RoomRecord{ID: id, Name: string(id), Visibility: api.VisibilityPrivate, Users: between(users...), CreatedAt: now, CreatedBy: users[0], Hidden: true})
	})
}

func hiddenDirectRooms(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	id := RoomID("theirs")
	f.wantErr(f.veiled(id, ann, bob).Err, nil)
	f.wantErr(f.veiled(RoomID("again"), bob, ann).Err, chat.ErrNameTaken)
	opened := Open(RoomID("opened"), bob, ann)
	f.commit(opened)
	f.wantErr(opened.Err, chat.ErrNameTaken)
	v := must(f.DirectRoom(f.ctx(), between(ann, bob), ann))
	f.want("it comes", []any{v.ID, v.Hidden, v.Role}, []any{id, true, api.Role("")})
	f.do(id, ann, func(t chat.Tx) error {
		r := t.Room()
		r.Hidden, r.Visibility = false, api.VisibilityDirect
		if err := t.UpdateRoom(r); err != nil {
			return err
		}
		return t.RestoreMember(&chat.Joining{Membership: chat.Membership{UserID: bob, Role: api.RoleMember, JoinedAt: 5}})
	})
	v = must(f.DirectRoom(f.ctx(), between(ann, bob), bob))
	f.want("it is there", []any{v.ID, v.Hidden, v.Visibility, v.Role, v.Users}, []any{id, false, api.VisibilityDirect, api.RoleMember, between(ann, bob)})
	f.want("it", v, f.byID(id, bob))

	other := RoomID("thrown")
	f.wantErr(f.veiled(other, ann).Err, nil)
	f.do(other, ann, func(t chat.Tx) error {
		_, err := t.Discard(2)
		return err
	})
	notes := Open(RoomID("notes"), ann)
	f.commit(notes)
	f.wantErr(notes.Err, nil)
}

// deletedRoomComesBack brings a room that was deleted, of which some is there still, under its id and name.
func deletedRoomComesBack(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	id := f.room("old", ann)
	f.commit(Join(id, bob), Post(id, ann, "root"), On(id, ann, 4, "answer", ""), Partake(id, 4, partOf(bob, true, 5, 1, 0)))
	f.commit(Delete(id, ann))
	_, _, err := f.RoomAfter(f.ctx(), 0)
	f.wantErr(err, chat.ErrNotFound)
	_, err = f.People(f.ctx(), &chat.PeopleQuery{Room: id, Sent: true, Limit: 9})
	f.wantErr(err, chat.ErrNotFound)
	back := f.hidden("old", ann, api.Head{})
	f.want("its id", back, id)
	e := f.do(back, ann, func(t chat.Tx) error {
		for range 4 {
			if err := t.Restore(restored(bob, api.EventTypeMessagePosted, 0, "", `{}`)); err != nil {
				return err
			}
		}
		if err := t.RestoreMember(&chat.Joining{Membership: chat.Membership{UserID: bob, Role: api.RoleOwner, JoinedAt: 5}}); err != nil {
			return err
		}
		r := t.Room()
		r.Hidden = false
		return t.UpdateRoom(r)
	})
	f.wantErr(e.Err, nil)
	f.erase()
	f.want("log", len(f.history(back)), 4)
	v := f.byID(back, bob)
	f.want("it", []any{v.Role, v.MemberCount, v.Head}, []any{api.RoleOwner, int64(1), api.Head{Seq: 4, MsgNo: 4}})
	f.want("thread", *must(f.Thread(f.ctx(), back, 4, bob)), chat.ThreadView{Root: f.history(back)[3], State: chat.MessageState{Seq: 4}})
	people := must(f.People(f.ctx(), &chat.PeopleQuery{Room: back, Limit: 9}))
	f.want("people", len(people), 1)
	f.want("parts", len(people[0].Threads), 0)
}

func partsOfPeople(f *fixture) {
	ann, bob := f.user("ann"), f.user("bob")
	a, b := f.room("a", ann), f.room("b", ann)
	for _, room := range []api.RoomID{a, b} {
		f.commit(Join(room, bob), Post(room, ann, "one"), Post(room, ann, "two"), On(room, ann, 4, "answer", "")) // 4, 5, 6
	}
	f.commit(Partake(a, 5, partOf(ann, false, 6, 0, 0)), Partake(a, 4, partOf(ann, true, 6, 1, 0)), Partake(b, 4, partOf(bob, true, 3, 0, 0)))
	people := must(f.People(f.ctx(), &chat.PeopleQuery{Room: a, Limit: 9}))
	f.want("ann's", people[0].Threads, []chat.RootedPart{{Root: 4, ThreadPart: *partOf(ann, true, 6, 1, 0)}, {Root: 5, ThreadPart: *partOf(ann, false, 6, 0, 0)}})
	f.want("bob's", len(people[1].Threads), 0)
	people = must(f.People(f.ctx(), &chat.PeopleQuery{Room: b, Only: []api.UserID{bob}}))
	f.want("bob's", people[0].Threads, []chat.RootedPart{{Root: 4, ThreadPart: *partOf(bob, true, 3, 0, 0)}})
	f.commit(Leave(b, bob))
	people = must(f.People(f.ctx(), &chat.PeopleQuery{Room: b, Sent: true, Only: []api.UserID{bob}}))
	f.want("gone", len(people[0].Threads), 0)
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

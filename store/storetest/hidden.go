package storetest

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

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

// droppedAndBack: who is taken away by an import that was given up and comes back by the next one is not mixed up with who came meanwhile.
func droppedAndBack(f *fixture) {
	ann := f.user("ann")
	ghost := &chat.Account{ID: User("ghost"), Username: "ghost"}
	restore := func(name string) api.RoomID {
		f.change(nil, func(t chat.AccountTx) error { return t.CreateHidden(ghost) })
		id := f.hidden(name, ann, api.Head{})
		e := f.do(id, ghost.ID, func(t chat.Tx) error { return t.Restore(restored(ghost.ID, api.EventTypeMessagePosted, 0, "", `{}`)) })
		f.wantErr(e.Err, nil)
		return id
	}
	id := restore("old")
	for more := true; more; {
		f.wantErr(f.do(id, ann, func(t chat.Tx) (err error) {
			more, err = t.Discard(10)
			return err
		}).Err, nil)
	}
	f.change(nil, func(t chat.AccountTx) error { return t.DropHidden() })
	bob := f.user("bob")
	id = restore("old")
	f.do(id, ann, func(t chat.Tx) error {
		m, err := t.Message(1)
		f.wantErr(err, nil)
		f.want("its sender", m.SenderID, ghost.ID)
		return nil
	})
	sent, _, err := f.SentEvents(f.ctx(), &chat.SentQuery{User: bob, Scan: 99, Limit: 99})
	f.wantErr(err, nil)
	f.want("sent by who came meanwhile", len(sent), 0)
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

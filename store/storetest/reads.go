package storetest

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Reading is an act on read positions and mentions as plain data: mark, mean or unmean, of a message only.
type Reading struct {
	What string
	Seq  api.Seq
	Who  chat.Mentions

	Seen chat.Read // the sender's, before; set by Do
	e    *chat.Entry
}

// Do implements chat.Act.
func (r *Reading) Do(t chat.Tx) error {
	r.Seen = chat.Read{}
	room := t.Room()
	if room == nil {
		return chat.ErrNotFound
	}
	m, err := t.Member(r.e.SenderID)
	switch {
	case err != nil:
		return err
	case m == nil:
		return chat.ErrNotMember
	}
	if r.Seen, err = t.Read(r.e.SenderID); err != nil || r.Seq <= room.Gone.Seq || r.Seq > room.Head.Seq {
		return err
	}
	if r.What == "mark" {
		return t.PutRead(r.e.SenderID, r.Seq)
	}
	if is, err := t.IsMessage(r.Seq); err != nil || !is {
		return err
	}
	switch r.What {
	case "mean":
		return t.PutMentions(r.Seq, r.Who)
	default:
		return t.DeleteMentions(r.Seq, r.Who)
	}
}

// Mark makes user have read room up to seq.
func Mark(room api.RoomID, user api.UserID, seq api.Seq) *chat.Entry {
	return read(room, user, &Reading{What: "mark", Seq: seq})
}

// Mean makes a message mean user.
func Mean(room api.RoomID, by api.UserID, seq api.Seq, user api.UserID) *chat.Entry {
	return meaning(room, by, seq, false, chat.Mentions{Users: []api.UserID{user}})
}

func read(room api.RoomID, user api.UserID, r *Reading) *chat.Entry {
	r.e = &chat.Entry{RoomID: room, SenderID: user, At: now, Act: r}
	return r.e
}

// meaning makes a message mean somebody, or nobody any more.
func meaning(room api.RoomID, user api.UserID, seq api.Seq, no bool, who chat.Mentions) *chat.Entry {
	what := "mean"
	if no {
		what = "unmean"
	}
	return read(room, user, &Reading{What: what, Seq: seq, Who: who})
}

var readTests = []test{
	{"Reads", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.wantRead(room, groot, 0, 0, 0)
		f.commit(Post(room, groot, "one"), Post(room, groot, "two")) // 3, 4
		f.wantRead(room, groot, 4, 2, 0)
		join := Join(room, thanos) // 5
		f.commit(join)
		f.want("how it begins", join.Joined[0].Read, api.Head{Seq: 4, MsgNo: 2})
		f.want("the room", join.Room, &f.byID(room, "").RoomRecord)
		f.wantRead(room, thanos, 4, 2, 0)
		f.want("a stranger's", f.byID(room, f.user("hulk")).Read, chat.Read{})

		f.commit(Post(room, groot, "three"), On(room, groot, 6, "edit", ""), Post(room, groot, "four")) // 6, 7, 8
		f.wantRead(room, thanos, 4, 2, 0)
		for _, c := range []struct {
			seq   api.Seq
			msgNo api.MsgNo
		}{{5, 2}, {6, 3}, {7, 3}, {8, 4}, {7, 3}} { // that a mark only moves on is the domain's to see to
			f.commit(Mark(room, thanos, c.seq))
			f.wantRead(room, thanos, c.seq, c.msgNo, 0)
		}
		f.wantRead(room, groot, 8, 4, 0)

		// An answer in a thread is a message too; an event that is none moves nothing.
		f.commit(On(room, thanos, 6, "answer", ""), On(room, thanos, 6, "react", "a"))
		f.wantRead(room, thanos, 9, 5, 0)

		// Within a batch, too.
		mark, late := Mark(room, groot, 12), Mark(room, groot, 11)
		f.commit(Mark(room, groot, 9), Post(room, groot, "x"), Post(room, thanos, "y"), mark, late)
		f.want("seen", mark.Act.(*Reading).Seen, chat.Read{Head: api.Head{Seq: 11, MsgNo: 6}})
		f.want("seen", late.Act.(*Reading).Seen, chat.Read{Head: api.Head{Seq: 12, MsgNo: 7}})

		// Who comes back has read what was there.
		f.commit(Post(room, thanos, "bye"), Leave(room, thanos), Post(room, groot, "z"), Join(room, thanos))
		f.wantRead(room, thanos, 15, 9, 0)
		// A changed role moves nothing.
		f.commit(Mark(room, groot, 1), entry(room, groot, &Acting{Create: nil, Join: &chat.Membership{UserID: groot, Role: api.RoleMember}}))
		f.wantRead(room, groot, 1, 0, 0)
	}},

	{"Mentions", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		f.commit(Join(room, thanos), Join(other, thanos)) // 3
		for range 4 {
			f.commit(Post(room, groot, "x"), Post(other, groot, "x")) // 4 … 7
		}
		him, all := chat.Mentions{Users: []api.UserID{thanos}}, chat.Mentions{Room: true}
		f.commit(
			meaning(room, groot, 4, false, him), meaning(room, groot, 4, false, him), meaning(room, groot, 5, false, all),
			meaning(room, groot, 6, false, chat.Mentions{Users: []api.UserID{groot, thanos, "user_nobody"}}), meaning(other, groot, 7, false, all),
		)
		f.wantRead(room, thanos, 2, 0, 3)
		f.wantRead(other, thanos, 2, 0, 1)
		f.wantRead(room, groot, 7, 4, 0)
		f.commit(Mark(room, thanos, 4))
		f.wantRead(room, thanos, 4, 1, 2)
		f.commit(meaning(room, groot, 6, true, him))
		f.wantRead(room, thanos, 4, 1, 1)
		f.commit(meaning(room, groot, 5, true, all), meaning(room, groot, 5, true, all))
		f.wantRead(room, thanos, 4, 1, 0)
		for _, v := range must(f.ListRooms(f.ctx(), thanos, true, false, "", 10)) {
			f.want("listed "+v.Name, v.Read, f.byID(v.ID, thanos).Read)
		}
	}},
}

func (f *fixture) wantRead(room api.RoomID, user api.UserID, seq api.Seq, msgNo api.MsgNo, mentions int64) {
	f.Helper()
	f.want("read position", f.byID(room, user).Read, chat.Read{Head: api.Head{Seq: seq, MsgNo: msgNo}, Mentions: mentions})
}

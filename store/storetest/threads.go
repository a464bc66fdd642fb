package storetest

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Partaking is an act on a user's part in a thread as plain data: it is put, if Root is a message and the user is in the room.
type Partaking struct {
	Root api.Seq
	Part *chat.ThreadPart

	Seen    *chat.ThreadPart // their part before; set by Do
	Answers int64            // those after what they will have read; set by Do
}

// Do implements chat.Act.
func (p *Partaking) Do(t chat.Tx) error {
	p.Seen, p.Answers = nil, 0
	if t.Room() == nil {
		return chat.ErrNotFound
	}
	m, err := t.Member(p.Part.UserID)
	switch {
	case err != nil:
		return err
	case m == nil:
		return chat.ErrNotMember
	}
	if is, err := t.IsMessage(p.Root); err != nil || !is {
		return orNoMessage(err)
	}
	if p.Seen, err = t.Thread(p.Root, p.Part.UserID); err != nil {
		return err
	}
	if p.Answers, err = t.AnswersAfter(p.Root, p.Part.Read.Seq); err != nil {
		return err
	}
	return t.PutThread(p.Root, p.Part)
}

func orNoMessage(err error) error {
	if err == nil {
		return chat.ErrNoMessage
	}
	return err
}

// Partake gives a user a part in the thread under a message.
func Partake(room api.RoomID, root api.Seq, part *chat.ThreadPart) *chat.Entry {
	return &chat.Entry{RoomID: room, SenderID: part.UserID, At: now, Act: &Partaking{Root: root, Part: part}}
}

// partOf is that of user, who has read a thread up to seq, which is the answer no.
func partOf(user api.UserID, followed bool, seq api.Seq, no api.ThreadNo, mentions int64) *chat.ThreadPart {
	return &chat.ThreadPart{UserID: user, Followed: followed, Read: chat.ThreadRead{ThreadHead: api.ThreadHead{Seq: seq, ThreadNo: no}, Mentions: mentions}}
}

var threadTests = []test{
	{"ThreadParts", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.commit(Join(room, thanos), Post(room, groot, "root"), Post(room, groot, "other")) // 3, 4, 5
		want := func(user api.UserID, root api.Seq, state chat.MessageState, part *chat.ThreadPart) {
			f.Helper()
			v := must(f.Thread(f.ctx(), room, root, user))
			f.want("state", v.State, state)
			f.want("part", v.Part, part)
			f.want("root", []chat.Record{v.Root}, f.page(&chat.HistoryQuery{Room: room, After: root - 1, Limit: 1}))
		}
		want(groot, 4, chat.MessageState{Seq: 4}, nil)
		f.commit(On(room, thanos, 4, "answer", ""), On(room, thanos, 4, "answer", ""), On(room, thanos, 5, "answer", ""), Post(room, groot, "x"), On(room, thanos, 4, "answer", "")) // 6, 7, 8, 9, 10
		state := chat.MessageState{Seq: 4, Replies: 3, LastReply: 10, Answers: 3}
		want(groot, 4, state, nil)
		want(groot, 6, chat.MessageState{Seq: 6, Thread: 4}, nil)

		part := Partake(room, 4, partOf(groot, true, 6, 1, 99)) // that many mentions are not for the act to say
		f.commit(part)
		f.wantErr(part.Err, nil)
		f.want("answers after", part.Act.(*Partaking).Answers, int64(2))
		want(groot, 4, state, partOf(groot, true, 6, 1, 0))
		want(groot, 5, chat.MessageState{Seq: 5, Replies: 1, LastReply: 8, Answers: 1}, nil)
		want(thanos, 4, state, nil)

		// Mentions are those of answers in this thread that have not been read.
		him, all := chat.Mentions{Users: []api.UserID{groot}}, chat.Mentions{Room: true}
		f.commit(meaning(room, thanos, 4, false, him), meaning(room, thanos, 6, false, him), meaning(room, thanos, 7, false, him), meaning(room, thanos, 8, false, him), meaning(room, thanos, 9, false, him), meaning(room, thanos, 10, false, all))
		want(groot, 4, state, partOf(groot, true, 6, 1, 2))
		f.commit(Partake(room, 4, partOf(groot, false, 7, 2, 0)))
		want(groot, 4, state, partOf(groot, false, 7, 2, 1))
		f.commit(meaning(room, thanos, 10, true, all))
		want(groot, 4, state, partOf(groot, false, 7, 2, 0))

		for _, c := range []struct {
			room api.RoomID
			root api.Seq
		}{{room, 0}, {room, 1}, {room, 3}, {room, 99}, {room, 1 << 40}, {"room_none", 4}} {
			_, err := f.Thread(f.ctx(), c.room, c.root, groot)
			f.wantErr(err, chat.ErrNoMessage)
		}
		// Who leaves has no part any more; others have theirs.
		f.commit(Partake(room, 4, partOf(thanos, true, 10, 3, 0)), Partake(room, 5, partOf(thanos, true, 8, 1, 0)), Leave(room, thanos), Join(room, thanos))
		want(thanos, 4, state, nil)
		want(thanos, 5, chat.MessageState{Seq: 5, Replies: 1, LastReply: 8, Answers: 1}, nil)
		want(groot, 4, state, partOf(groot, false, 7, 2, 0))
	}},

	{"FollowedThreads", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		a, b := f.room("a", groot), f.room("b", groot)
		f.commit(Join(a, thanos), Join(b, thanos)) // 3
		for _, room := range []api.RoomID{a, b} {
			f.commit(Post(room, groot, "one"), Post(room, groot, "two"), Post(room, groot, "three")) // 4, 5, 6
		}
		answer := func(room api.RoomID, root api.Seq, later api.Timestamp) {
			e := On(room, groot, root, "answer", "")
			e.At = now + later
			f.commit(e)
			f.wantErr(e.Err, nil)
		}
		answer(a, 4, 1) // 7
		answer(b, 4, 2) // 7
		answer(a, 5, 3) // 8
		answer(b, 5, 3) // 8
		a4, b4 := chat.ThreadKey{Room: a, Root: 4, Last: 7, At: now + 1}, chat.ThreadKey{Room: b, Root: 4, Last: 7, At: now + 2}
		a5, b5 := chat.ThreadKey{Room: a, Root: 5, Last: 8, At: now + 3}, chat.ThreadKey{Room: b, Root: 5, Last: 8, At: now + 3}
		a6, b6 := chat.ThreadKey{Room: a, Root: 6, Last: 6, At: now}, chat.ThreadKey{Room: b, Root: 6, Last: 6, At: now}
		list := func(q chat.ThreadQuery, want ...chat.ThreadKey) {
			f.Helper()
			q.User = thanos
			if q.Limit == 0 {
				q.Limit = 10
			}
			f.want("followed", must(f.FollowedThreads(f.ctx(), &q)), want)
		}
		list(chat.ThreadQuery{})
		for _, room := range []api.RoomID{a, b} {
			for root := api.Seq(4); root <= 6; root++ { // nobody has answered 6
				f.commit(Partake(room, root, partOf(thanos, true, 3, 0, 0)))
			}
		}
		list(chat.ThreadQuery{}, b5, a5, b4, a4, b6, a6)
		list(chat.ThreadQuery{Limit: 3}, b5, a5, b4)
		list(chat.ThreadQuery{After: &b5}, a5, b4, a4, b6, a6)
		list(chat.ThreadQuery{After: &b4}, a4, b6, a6)
		list(chat.ThreadQuery{Room: a}, a5, a4, a6)
		list(chat.ThreadQuery{Room: "room_none"})
		list(chat.ThreadQuery{Covers: func(id api.RoomID) bool { return id == b }, Limit: 1}, b5)
		list(chat.ThreadQuery{Covers: func(id api.RoomID) bool { return id == a }, Limit: 2}, a5, a4)
		f.commit(Partake(a, 5, partOf(thanos, true, 8, 1, 0)), Partake(b, 4, partOf(thanos, false, 7, 0, 0)))
		list(chat.ThreadQuery{}, b5, a5, a4, b6, a6)
		list(chat.ThreadQuery{Unread: true}, b5, a4)
		f.commit(Leave(b, thanos))
		list(chat.ThreadQuery{}, a5, a4, a6)
		f.want("of another", len(must(f.FollowedThreads(f.ctx(), &chat.ThreadQuery{User: groot, Limit: 10}))), 0)
	}},
}

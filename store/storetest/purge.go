package storetest

import (
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Purging is an act of the server's own, as plain data. What is no event of the log any more, or not yet, it leaves alone.
type Purging struct{ UpTo api.Seq }

// Purge makes an entry of it.
func Purge(room api.RoomID, upTo api.Seq) *chat.Entry {
	return &chat.Entry{RoomID: room, At: now, Act: &Purging{upTo}}
}

// Do implements chat.Act.
func (p *Purging) Do(t chat.Tx) error {
	room := t.Room()
	switch {
	case room == nil:
		return chat.ErrNotFound
	case p.UpTo <= room.Gone.Seq || p.UpTo > room.Head.Seq:
		return nil
	}
	return t.Purge(p.UpTo)
}

var purgeTests = []test{
	{"Purge", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		f.commit(Join(room, thanos), Post(other, groot, "elsewhere"))                                                 // 3
		f.commit(Keyed(room, groot, "one", "k1"), Post(room, groot, "two"), Keyed(room, thanos, "three", "k3"))       // 4, 5, 6
		f.commit(On(room, thanos, 4, "react", "a"), On(room, groot, 4, "pin", ""), On(room, groot, 6, "pin", ""))     // 7, 8, 9
		f.commit(On(room, groot, 4, "answer", ""), On(room, groot, 6, "answer", ""), On(room, thanos, 4, "edit", "")) // 10, 11, 12
		f.commit(Mark(room, thanos, 3), Mean(room, groot, 4, thanos), Mean(room, groot, 6, thanos))
		before := f.history(room)

		part := &chat.ThreadPart{UserID: thanos, Followed: true}
		f.commit(Partake(room, 4, part), Partake(room, 6, part))

		f.commit(Purge(room, 2), Purge(room, 5))
		v := f.byID(room, thanos)
		f.want("what is gone", v.Gone, api.Head{Seq: 5, MsgNo: 2})
		f.want("the head", v.Head, api.Head{Seq: 12, MsgNo: 5})
		f.want("how many are in it", v.MemberCount, int64(2))
		f.want("mentions", v.Read, chat.Read{Head: api.Head{Seq: 3}, Mentions: 1})
		f.want("the log", f.history(room), before[5:])
		f.want("another log", len(f.history(other)), 3)
		f.want("around what is gone", f.page(&chat.HistoryQuery{Room: room, Before: 6, Limit: 9, Newest: true}), []chat.Record(nil))
		f.want("pinned", seqsOfRecords(must(f.Pinned(f.ctx(), room))), []api.Seq{6})
		f.want("threads", len(must(f.Threads(f.ctx(), room, 0, 10))), 1)
		followed := must(f.FollowedThreads(f.ctx(), &chat.ThreadQuery{User: thanos, Limit: 9}))
		f.want("followed threads", followed, []chat.ThreadKey{{Room: room, Root: 6, Last: 11, At: now}})
		_, err := f.Thread(f.ctx(), room, 4, thanos)
		f.wantErr(err, chat.ErrNoMessage)
		f.want("answers", len(f.page(&chat.HistoryQuery{Room: room, Thread: 4, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 9})), 1)
		for _, seq := range []api.Seq{1, 4, 5} {
			on := On(room, groot, seq, "react", "b")
			f.commit(on)
			f.wantErr(on.Err, chat.ErrNoMessage)
		}
		reply := Post(room, groot, "what?")
		reply.ReplyTo = 4
		f.commit(reply)
		f.wantErr(reply.Err, chat.ErrNoMessage)
		sent, _, err := f.SentEvents(f.ctx(), &chat.SentQuery{User: thanos, Scan: 100, Limit: 100})
		f.wantErr(err, nil)
		f.want("what thanos has sent", seqsOfRecords(sent), []api.Seq{6, 7, 12})

		// What was purged has its numbers and its keys, for ever.
		for range 2 {
			again, conflict := Keyed(room, groot, "one", "k1"), Keyed(room, groot, "two", "k1")
			f.commit(again, conflict)
			f.wantErr(again.Err, nil)
			f.want("a retry", []any{again.Duplicate, again.Records}, []any{true, []chat.Record{{Seq: 4, MsgNo: 1, Type: api.EventTypeMessagePosted, At: now}}})
			f.wantErr(conflict.Err, chat.ErrKeyConflict)
			if f.reopen != nil {
				f.Store = f.reopen(f.T, f.Store)
			}
		}
		next, others := Keyed(room, thanos, "one", "k1"), Keyed(room, groot, "new", "k9")
		f.commit(next, others)
		f.wantDone(next, 13, 6)
		f.wantDone(others, 14, 7)
	}},

	{"PurgeAllThereIs", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.commit(Keyed(room, groot, "one", "k1"), Post(room, groot, "two")) // 3, 4
		f.commit(Mean(room, groot, 3, groot), Purge(room, 4))
		for range 2 {
			head := api.Head{Seq: 4, MsgNo: 2}
			v := f.byID(room, groot)
			f.want("gone, and the head", []api.Head{v.Gone, v.Head, f.head(room)}, []api.Head{head, head, head})
			f.want("read", v.Read, chat.Read{Head: head})
			f.want("the log", len(f.history(room)), 0)
			f.want("listed", must(f.AllRooms(f.ctx(), "", 9)), []*chat.RoomRecord{&v.RoomRecord})
			f.want("counted", must(f.Totals(f.ctx())).Messages, int64(2))
			if f.reopen != nil {
				f.Store = f.reopen(f.T, f.Store)
			}
		}
		post, again, purge := Post(room, groot, "three"), Keyed(room, groot, "one", "k1"), Purge(room, 5)
		f.commit(post, again, purge, Post(room, groot, "four"))
		f.wantDone(post, 5, 3)
		f.want("a retry", []any{again.Duplicate, again.Records[0].Seq}, []any{true, api.Seq(3)})
		f.want("the rest", f.byID(room, groot).Head, api.Head{Seq: 6, MsgNo: 4})
		f.want("gone", f.byID(room, groot).Gone, api.Head{Seq: 5, MsgNo: 3})
		f.want("its log", seqsOfRecords(f.history(room)), []api.Seq{6})
	}},

	{"FirstKept", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot) // 1, 2
		for i := range 6 {             // 3 … 8, of which two say nothing
			e := Post(room, groot, "x")
			if i%3 == 1 {
				e = Mark(room, groot, 1)
				e.Act = &Acting{Entry: e, Drafts: []chat.Draft{Draft{api.EventTypeRoomUpdated, "x"}}}
			}
			e.At = now + api.Timestamp([]int64{10, 20, 5, 30, 40, 50}[i]) // a clock that was set back
			f.commit(e)
		}
		for _, c := range []struct {
			q    chat.KeptQuery
			want api.Seq
		}{
			{chat.KeptQuery{Scan: 100, Since: now, Beyond: -1}, 1},
			{chat.KeptQuery{Scan: 100, Since: now + 1, Beyond: -1}, 3},
			{chat.KeptQuery{Scan: 100, Since: now + 11, Beyond: -1}, 4},
			{chat.KeptQuery{Scan: 100, After: 4, Since: now + 11, Beyond: -1}, 6},
			{chat.KeptQuery{Scan: 100, Since: now + 99, Beyond: -1}, 0},
			{chat.KeptQuery{Scan: 3, Since: now + 11, Beyond: -1}, 0},
			{chat.KeptQuery{Scan: 4, Since: now + 11, Beyond: -1}, 4},
			{chat.KeptQuery{Scan: 100, Beyond: 0}, 3},
			{chat.KeptQuery{Scan: 100, Beyond: 1}, 5},
			{chat.KeptQuery{Scan: 100, Beyond: 3}, 8},
			{chat.KeptQuery{Scan: 100, Beyond: 4}, 0},
			{chat.KeptQuery{Scan: 100, Since: now + 30, Beyond: 1}, 6},
			{chat.KeptQuery{Scan: 100, Since: now + 5, Beyond: 1}, 5},
		} {
			c.q.Room = room
			f.want(fmt.Sprintf("%+v", c.q), must(f.FirstKept(f.ctx(), &c.q)), c.want)
		}
		f.want("nowhere", must(f.FirstKept(f.ctx(), &chat.KeptQuery{Room: "room_none", Scan: 9, Beyond: -1})), api.Seq(0))
		f.commit(Purge(room, 5))
		f.want("behind what is gone", must(f.FirstKept(f.ctx(), &chat.KeptQuery{Room: room, After: 5, Scan: 9, Beyond: 2})), api.Seq(6))
	}},

	{"Retention", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		rule := f.byID(room, groot).RoomRecord
		rule.Retention, rule.KeepLonger = chat.Rule{MaxAge: 36 * 3600e9, MaxMessages: 7}, true
		f.commit(Rule(room, groot, &Ruling{Update: &rule}))
		for range 2 {
			v := f.byID(room, groot)
			f.want("the rule", []any{v.Retention, v.KeepLonger}, []any{rule.Retention, true})
			if f.reopen != nil {
				f.Store = f.reopen(f.T, f.Store)
			}
		}
	}},
}

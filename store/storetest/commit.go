package storetest

import (
	"fmt"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var commitTests = []test{
	{"Posts", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		for i := range 3 {
			e := Post(room, groot, fmt.Sprintf("line %d", i))
			f.commit(e)
			f.wantDone(e, api.Seq(3+i), api.MsgNo(1+i))
		}
		log := f.wantLog(room, 5)
		f.want("the last record", string(log[4].Bytes), string(Draft{api.EventTypeMessagePosted, "line 2"}.Append(nil, 5, 3)))
	}},

	{"EmptyBatch", func(f *fixture) { f.commit() }},

	// Numbers are taken only by what is stored: a batch full of refusals, duplicates and acts that
	// change nothing leaves no hole, within it and after it.
	{"NumbersAreDense", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		other := f.room("other", thanos)
		for round := range 3 {
			key := fmt.Sprintf("key %d", round)
			refused, dup, same := Post(room, thanos, "stranger"), Keyed(room, groot, "once", key), Join(room, groot)
			conflict := Keyed(room, groot, "twice", key)
			taken := Create("lobby", groot)
			taken.RoomID = RoomID("second")
			reply := Post(room, groot, "to nothing")
			reply.ReplyTo = 1 << 40
			entries := []*chat.Entry{
				refused, Post(room, groot, "one"), Keyed(room, groot, "once", key), dup, same, Post(other, thanos, "elsewhere"),
				conflict, taken, reply, Post(room, groot, "two"), Post("room_none", groot, "nowhere"), Post(room, "user_nobody", "who?"),
				Post(other, thanos, "elsewhere again"),
			}
			f.commit(entries...)
			base, msg := api.Seq(3+3*round), api.MsgNo(1+3*round)
			f.wantErr(refused.Err, chat.ErrNotMember)
			f.wantDone(entries[1], base, msg)
			f.wantDone(entries[2], base+1, msg+1)
			f.wantErr(dup.Err, nil)
			f.want("duplicate", dup.Duplicate, true)
			f.wantUnchanged(same, base+1)
			f.wantDone(entries[5], api.Seq(3+2*round), api.MsgNo(1+2*round))
			f.wantErr(conflict.Err, chat.ErrKeyConflict)
			f.wantErr(taken.Err, chat.ErrNameTaken)
			f.wantErr(reply.Err, chat.ErrNoMessage)
			f.wantDone(entries[9], base+2, msg+2)
			f.wantErr(entries[10].Err, chat.ErrNotFound)
			f.wantErr(entries[11].Err, chat.ErrNotFound)
			f.wantDone(entries[12], api.Seq(4+2*round), api.MsgNo(2+2*round))
			for _, e := range entries {
				if e.Err != nil && (len(e.Records) != 0 || e.Duplicate || e.Unchanged) {
					f.Fatalf("a refused entry (%v) has results", e.Err)
				}
			}
		}
		f.wantLog(room, 11)
		f.wantLog(other, 8)
		_, err := f.RoomByID(f.ctx(), RoomID("second"), "")
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"EntriesSeeThoseBefore", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		early, join, post, leave, late := Post(room, thanos, "too early"), Join(room, thanos), Post(room, thanos, "in"), Leave(room, thanos), Post(room, thanos, "too late")
		reply := Post(room, groot, "to that")
		reply.ReplyTo = 4
		f.commit(early, join, post, reply, leave, late)
		f.wantErr(early.Err, chat.ErrNotMember)
		f.wantDone(join, 3, 0)
		f.wantDone(post, 4, 1)
		f.wantDone(reply, 5, 2)
		f.wantDone(leave, 6, 0)
		f.wantErr(late.Err, chat.ErrNotMember)
		f.want("member_count", f.byID(room, "").MemberCount, int64(1))

		create, first, second, taken := Create("new", thanos), Join(RoomID("new"), groot), Post(RoomID("new"), groot, "hello"), Create("new", groot)
		taken.RoomID = RoomID("newer")
		sameID := Create("new2", groot)
		sameID.RoomID = RoomID("new")
		f.commit(create, first, second, taken, sameID)
		f.wantDone(create, 1, 0)
		f.wantDone(first, 3, 0)
		f.wantDone(second, 4, 1)
		f.wantErr(taken.Err, chat.ErrNameTaken)
		f.wantErr(sameID.Err, chat.ErrNameTaken)
		f.wantLog(RoomID("new"), 4)
		f.want("members of the new room", f.byID(RoomID("new"), "").MemberCount, int64(2))
		_, err := f.RoomByName(f.ctx(), "new2", "")
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"CreateNeedsItsPeople", func(f *fixture) {
		groot := f.user("groot")
		for i, change := range []func(e *chat.Entry){
			func(e *chat.Entry) { e.SenderID = "user_nobody" },
			func(e *chat.Entry) { ActingOf(e).Create.CreatedBy = "user_nobody" },
			func(e *chat.Entry) { ActingOf(e).Join.UserID = "user_nobody" },
		} {
			e := Create("lobby", groot)
			change(e)
			f.commit(e)
			if e.Err == nil {
				f.Fatalf("entry %d was stored", i)
			}
			_, err := f.RoomByName(f.ctx(), "lobby", groot)
			f.wantErr(err, chat.ErrNotFound)
		}
		f.room("lobby", groot)
	}},

	{"ReplyTo", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.commit(Post(room, groot, "a message"))
		for seq, want := range map[api.Seq]error{0: nil, 1: chat.ErrNoMessage, 2: chat.ErrNoMessage, 3: nil, -1: chat.ErrNoMessage, 100: chat.ErrNoMessage} {
			e := Post(room, groot, "a reply")
			e.ReplyTo = seq
			f.commit(e)
			f.wantErr(e.Err, want)
		}
		f.wantLog(room, 5)
	}},

	{"ResultsAreSetAnew", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		e := Keyed(room, groot, "once", "k")
		f.commit(e)
		f.wantDone(e, 3, 1)
		f.commit(e)
		f.want("duplicate", e.Duplicate, true)
		e.Key = ""
		f.commit(e)
		f.wantDone(e, 4, 2)
		e.RoomID = "room_none"
		f.commit(e)
		f.wantErr(e.Err, chat.ErrNotFound)
		f.want("records", len(e.Records), 0)
	}},

	{"BytesBelongToTheCaller", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		a, b := Keyed(room, groot, "first", "a"), Keyed(room, groot, "second", "b")
		f.commit(a, b)
		dup := Keyed(room, groot, "first", "a")
		f.commit(dup)
		for _, r := range append(f.history(room), a.Records[0], dup.Records[0]) {
			clear(r.Bytes)
			_ = append(r.Bytes, "overflow"...)
		}
		f.want("the second record", b.Records[0].Bytes, Draft{api.EventTypeMessagePosted, "second"}.Append(nil, 4, 2))
		for _, r := range f.wantLog(room, 4) {
			if len(r.Bytes) == 0 || r.Bytes[0] != '{' {
				f.Fatalf("record %d is %q", r.Seq, r.Bytes)
			}
		}
	}},

	{"LargeAndOddRecords", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		for i, text := range []string{"", "\x00", "'; DROP TABLE event; --", "žluťoučký 🦀 \u2028", string(make([]byte, 20_000))} {
			e := Keyed(room, groot, text, fmt.Sprintf("!~'%d", i))
			f.commit(e)
			f.wantDone(e, api.Seq(3+i), api.MsgNo(1+i))
		}
		f.wantLog(room, 7)
	}},

	{"LargeBatch", func(f *fixture) {
		groot := f.user("groot")
		rooms := []api.RoomID{f.room("a", groot), f.room("b", groot), f.room("c", groot)}
		n := 600
		if testing.Short() {
			n = 60
		}
		var entries []*chat.Entry
		for i := range n {
			entries = append(entries, Keyed(rooms[i%3], groot, fmt.Sprintf("line %d", i), fmt.Sprint(i)))
		}
		f.commit(entries...)
		for i, e := range entries {
			f.wantDone(e, api.Seq(3+i/3), api.MsgNo(1+i/3))
		}
		for _, r := range rooms {
			f.wantLog(r, 2+n/3)
		}
	}},
}

var keyTests = []test{
	{"Keys", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		f.commit(Join(room, thanos))

		first, same, changed := Keyed(room, groot, "hello", "k"), Keyed(room, groot, "hello", "k"), Keyed(room, groot, "goodbye", "k")
		f.commit(first, same, changed) // in one batch
		f.wantDone(first, 4, 1)
		f.wantDuplicate(same, first)
		f.wantErr(changed.Err, chat.ErrKeyConflict)

		same, changed = Keyed(room, groot, "hello", "k"), Keyed(room, groot, "goodbye", "k")
		same.At++ // a retry happens later
		f.commit(Post(room, groot, "between"), same, changed)
		f.wantDuplicate(same, first)
		f.want("head of a duplicate", same.Head, api.Head{Seq: 5, MsgNo: 2})
		f.wantErr(changed.Err, chat.ErrKeyConflict)

		// A key belongs to one sender in one room.
		theirs, elsewhere := Keyed(room, thanos, "mine", "k"), Keyed(other, groot, "there", "k")
		f.commit(theirs, elsewhere)
		f.wantDone(theirs, 6, 3)
		f.wantDone(elsewhere, 3, 1)
		longer, cased := Keyed(room, groot, "x", "k "), Keyed(room, groot, "y", "K")
		f.commit(longer, cased)
		f.wantDone(longer, 7, 4)
		f.wantDone(cased, 8, 5)
		f.wantLog(room, 8)
	}},

	// Who has left asks again whether the post was stored: it was.
	{"KeyBeforeMembership", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		first := Keyed(room, thanos, "last words", "k")
		f.commit(Join(room, thanos), first, Leave(room, thanos))
		f.wantDone(first, 4, 1)
		same, changed, fresh := Keyed(room, thanos, "last words", "k"), Keyed(room, thanos, "no", "k"), Keyed(room, thanos, "no", "k2")
		f.commit(same, changed, fresh)
		f.wantDuplicate(same, first)
		f.wantErr(changed.Err, chat.ErrKeyConflict)
		f.wantErr(fresh.Err, chat.ErrNotMember)
	}},

	{"KeyOnOtherActs", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		join := Join(room, thanos)
		join.Key = "j"
		again := Join(room, thanos)
		again.Key = "j"
		f.commit(join, Leave(room, thanos), again)
		f.wantDone(join, 3, 0)
		f.wantDuplicate(again, join)
		f.want("role", f.byID(room, thanos).Role, api.Role(""))
		f.want("member_count", f.byID(room, "").MemberCount, int64(1))
	}},

	// A refused entry does not use its key up.
	{"KeyOfARefusal", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		refused, allowed := Keyed(room, thanos, "let me in", "k"), Keyed(room, thanos, "let me in", "k")
		f.commit(refused, Join(room, thanos), allowed)
		f.wantErr(refused.Err, chat.ErrNotMember)
		f.wantDone(allowed, 4, 1)
	}},
}

func (f *fixture) wantDuplicate(e, of *chat.Entry) {
	f.Helper()
	f.wantErr(e.Err, nil)
	f.want("duplicate", e.Duplicate, true)
	f.want("the record it is of", e.Records, of.Records)
}

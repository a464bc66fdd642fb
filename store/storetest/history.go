package storetest

import (
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var historyTests = []test{
	{"History", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot) // 1 room.created, 2 member.joined
		f.room("other", groot)         // a neighbour whose events must not show
		var entries []*chat.Entry
		for i := range 8 { // 3 … 10
			entries = append(entries, Post(room, groot, fmt.Sprintf("line %d", i)))
		}
		f.commit(entries...)
		f.commit(Post(RoomID("other"), groot, "elsewhere"))
		posted, joined := api.EventTypeMessagePosted, api.EventTypeMemberJoined
		for _, c := range []struct {
			q    chat.HistoryQuery
			want []api.Seq
		}{
			{chat.HistoryQuery{Limit: 100}, seqs(1, 10)},
			{chat.HistoryQuery{Limit: 3}, seqs(1, 3)},
			{chat.HistoryQuery{Limit: 3, Newest: true}, seqs(8, 10)},
			{chat.HistoryQuery{Limit: 0}, nil},
			{chat.HistoryQuery{After: 4, Limit: 3}, seqs(5, 7)},
			{chat.HistoryQuery{After: 4, Limit: 3, Newest: true}, seqs(8, 10)},
			{chat.HistoryQuery{After: 10, Limit: 3}, nil},
			{chat.HistoryQuery{After: 1 << 52, Limit: 3}, nil},
			{chat.HistoryQuery{Before: 4, Limit: 100}, seqs(1, 3)},
			{chat.HistoryQuery{Before: 1, Limit: 100}, nil},
			{chat.HistoryQuery{Before: 9, Limit: 2, Newest: true}, seqs(7, 8)},
			{chat.HistoryQuery{Before: 1 << 52, Limit: 2, Newest: true}, seqs(9, 10)},
			{chat.HistoryQuery{After: 3, Before: 6, Limit: 100}, seqs(4, 5)},
			{chat.HistoryQuery{After: 6, Before: 7, Limit: 100}, nil},
			{chat.HistoryQuery{After: 9, Before: 3, Limit: 100}, nil},
			{chat.HistoryQuery{Types: []api.EventType{posted}, Limit: 2}, seqs(3, 4)},
			{chat.HistoryQuery{Types: []api.EventType{joined}, Limit: 2}, seqs(2, 2)},
			{chat.HistoryQuery{Types: []api.EventType{joined, posted, "never.seen"}, Limit: 3}, seqs(2, 4)},
			{chat.HistoryQuery{Types: []api.EventType{joined, joined}, Limit: 3, Newest: true}, seqs(2, 2)},
			{chat.HistoryQuery{Types: []api.EventType{"never.seen"}, Limit: 3}, nil},
		} {
			c.q.Room = room
			var got []api.Seq
			for _, r := range f.page(&c.q) {
				got = append(got, r.Seq)
			}
			f.want(fmt.Sprintf("%+v", c.q), got, c.want)
		}
	}},

	{"HistoryByBytes", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.commit(Post(room, groot, "one"), Post(room, groot, "two"), Post(room, groot, "six"))
		size := len(f.history(room)[2].Bytes)
		for _, c := range []struct {
			max    int
			newest bool
			want   []api.Seq
		}{
			{1, false, seqs(3, 3)}, // always one
			{size, false, seqs(3, 3)},
			{size + 1, false, seqs(3, 4)},
			{2 * size, false, seqs(3, 4)},
			{2*size + 1, false, seqs(3, 5)},
			{1, true, seqs(5, 5)},
			{size + 1, true, seqs(4, 5)},
			{100 * size, true, seqs(3, 5)},
		} {
			var got []api.Seq
			for _, r := range f.page(&chat.HistoryQuery{Room: room, After: 2, Limit: 10, MaxBytes: c.max, Newest: c.newest}) {
				got = append(got, r.Seq)
			}
			f.want(fmt.Sprintf("%+v", c), got, c.want)
		}
	}},

	{"HistoryIsWhatWasAcknowledged", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		var want []chat.Record
		for i := range 20 {
			e := Keyed(room, groot, fmt.Sprintf("line %d", i), fmt.Sprint(i))
			e.At += api.Timestamp(1000 - i) // clocks carry no truth
			f.commit(e)
			want = append(want, e.Records...)
		}
		f.want("history", f.page(&chat.HistoryQuery{Room: room, After: 2, Limit: 100}), want)
	}},

	{"ReadsHonourTheContext", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		ctx := cancelled(f.ctx())
		_, err := f.History(ctx, &chat.HistoryQuery{Room: room, Limit: 1})
		f.wantErr(err, ctx.Err())
		_, err = f.Head(ctx, room)
		f.wantErr(err, ctx.Err())
		_, err = f.RoomByName(ctx, "lobby", groot)
		f.wantErr(err, ctx.Err())
		_, err = f.AccountByID(ctx, groot)
		f.wantErr(err, ctx.Err())
		_, err = f.ListRooms(ctx, groot, false, false, "", 1)
		f.wantErr(err, ctx.Err())
	}},

	// A write that was begun is finished: its caller may be gone, the others in the batch are not.
	{"WritesDoNot", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		e := Post(room, groot, "written all the same")
		f.wantErr(f.Commit(cancelled(f.ctx()), []*chat.Entry{e}), nil)
		f.wantDone(e, 3, 1)
		_, err := f.CreateAccount(cancelled(f.ctx()), NewAccount("thanos"))
		f.wantErr(err, nil)
	}},
}

func seqs(from, to api.Seq) []api.Seq {
	var s []api.Seq
	for ; from <= to; from++ {
		s = append(s, from)
	}
	return s
}

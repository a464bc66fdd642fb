package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// OnMessage is an act on a message as plain data. It puts what it is told to, whether a domain would let it or not.
type OnMessage struct {
	Seq   api.Seq
	What  string // edit, delete, react, unreact, pin, unpin, answer
	Emoji string

	Seen []any // what the Tx told, set by Do
	e    *chat.Entry
}

// On makes an entry of it.
func On(room api.RoomID, user api.UserID, seq api.Seq, what, emoji string) *chat.Entry {
	e := &chat.Entry{RoomID: room, SenderID: user, At: now}
	e.Act = &OnMessage{Seq: seq, What: what, Emoji: emoji, e: e}
	return e
}

var messageEvents = map[string]api.EventType{
	"edit": api.EventTypeMessageEdited, "delete": api.EventTypeMessageDeleted, "react": api.EventTypeReactionAdded, "unreact": api.EventTypeReactionRemoved,
	"pin": api.EventTypePinAdded, "unpin": api.EventTypePinRemoved, "answer": api.EventTypeMessagePosted,
}

// Do implements chat.Act.
func (o *OnMessage) Do(t chat.Tx) error {
	o.Seen = nil
	room := t.Room()
	if room == nil {
		return chat.ErrNotFound
	}
	m, err := t.Message(o.Seq)
	if err != nil {
		return err
	}
	versions, err := t.Versions(o.Seq)
	if err != nil {
		return err
	}
	has, others, err := t.Reaction(o.Seq, o.Emoji, o.e.SenderID)
	if err != nil {
		return err
	}
	pins, err := t.Pins()
	if err != nil {
		return err
	}
	o.Seen = []any{room, *m, versions, has, others, pins}
	next := room.Head.Seq + 1
	switch o.What {
	case "edit":
		m.Edited, m.EditedAt = next, o.e.At
		err = t.PutMessage(m)
	case "delete":
		m.Deleted, m.Pinned = next, 0
		if err = t.PutMessage(m); err == nil {
			err = t.DeleteReaction(o.Seq, "", "")
		}
		for i := range versions {
			versions[i].Bytes = []byte("{}")
			if err == nil {
				err = t.Rewrite(&versions[i])
			}
		}
	case "react":
		if has {
			return nil
		}
		err = t.PutReaction(o.Seq, o.Emoji, o.e.SenderID)
	case "unreact":
		err = t.DeleteReaction(o.Seq, o.Emoji, o.e.SenderID)
	case "pin", "unpin":
		if m.Pinned = 0; o.What == "pin" {
			m.Pinned = next
		}
		err = t.PutMessage(m)
	case "answer":
		m.Replies++
		m.Answers++
		m.LastReply = next
		err = t.PutMessage(m)
	}
	if err != nil {
		return err
	}
	return t.Append(aboutDraft{Draft{messageEvents[o.What], o.What + o.Emoji}, o.Seq})
}

var messageTests = []test{
	{"MessagesInAnyOrder", func(f *fixture) { // as threads come: by their last answers
		groot := f.user("groot")
		room := f.room("lobby", groot)
		for range 100 {
			f.commit(Post(room, groot, "said"))
		}
		f.commit(On(room, groot, 50, "react", "a"))
		log := f.history(room)
		posted := []chat.Record{log[49], log[9], log[89], log[39], log[69]} // 50, 10, 90, 40, 70
		views, err := f.Messages(f.ctx(), room, groot, posted)
		f.wantErr(err, nil)
		f.want("the first", views[0].Reactions, []api.ReactionCount{{Emoji: "a", Count: 1, Mine: true}})
		for i := range posted {
			f.want("seq", views[i].State.Seq, posted[i].Seq)
		}
	}},
	{"MessagesAsTheyStand", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		f.commit(Post(room, groot, "one"), Post(room, groot, "two"), Post(room, groot, "three")) // 3, 4, 5
		posted := f.page(&chat.HistoryQuery{Room: room, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 10})
		views, err := f.Messages(f.ctx(), room, groot, posted)
		f.wantErr(err, nil)
		for i, v := range views {
			f.want(fmt.Sprintf("untouched %d", i), v, chat.MessageView{State: chat.MessageState{Seq: posted[i].Seq}, Posted: posted[i].Bytes})
		}
		for i, e := range []*chat.Entry{
			On(room, groot, 3, "edit", ""), On(room, groot, 3, "edit", ""), On(room, thanos, 3, "react", "b"), On(room, groot, 3, "react", "a"), On(room, thanos, 3, "react", "a"), // 6 … 10
			On(room, groot, 3, "pin", ""), On(room, groot, 5, "pin", ""), On(room, thanos, 4, "answer", ""), On(room, thanos, 3, "answer", ""), // 11 … 14
		} {
			f.commit(e)
			f.wantErr(e.Err, nil)
			f.want("seq", e.Records[0].Seq, api.Seq(6+i))
		}
		views, err = f.Messages(f.ctx(), room, groot, posted)
		f.wantErr(err, nil)
		f.want("the first", views[0], chat.MessageView{
			State:  chat.MessageState{Seq: 3, Edited: 7, EditedAt: now, Pinned: 11, Replies: 1, LastReply: 14, Answers: 1},
			Posted: posted[0].Bytes, Edit: Draft{api.EventTypeMessageEdited, "edit"}.Append(nil, 7, 0),
			Reactions: []api.ReactionCount{{Emoji: "a", Count: 2, Mine: true}, {Emoji: "b", Count: 1}},
		})
		f.want("the second", views[1].State, chat.MessageState{Seq: 4, Replies: 1, LastReply: 13, Answers: 1})
		f.want("the third", views[2].State, chat.MessageState{Seq: 5, Pinned: 12})

		f.want("pinned", seqsOfRecords(must(f.Pinned(f.ctx(), room))), []api.Seq{5, 3})
		f.want("threads", must(f.Threads(f.ctx(), room, 0, 10)), []chat.ThreadKey{{Room: room, Root: 3, Last: 14, At: now}, {Room: room, Root: 4, Last: 13, At: now}})
		f.want("the next", must(f.Threads(f.ctx(), room, 14, 1)), []chat.ThreadKey{{Room: room, Root: 4, Last: 13, At: now}})
		f.want("answers", seqsOfRecords(f.page(&chat.HistoryQuery{Room: room, Thread: 3, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 10})), []api.Seq{14})

		f.commit(On(room, groot, 3, "delete", ""))
		views, err = f.Messages(f.ctx(), room, groot, f.page(&chat.HistoryQuery{Room: room, After: 2, Limit: 1}))
		f.wantErr(err, nil)
		f.want("deleted", views, []chat.MessageView{{State: chat.MessageState{Seq: 3, Edited: 7, EditedAt: now, Deleted: 15, Replies: 1, LastReply: 14, Answers: 1}, Posted: []byte("{}")}})
		f.want("the edits", f.page(&chat.HistoryQuery{Room: room, Types: []api.EventType{api.EventTypeMessageEdited}, Limit: 10})[1].Bytes, []byte("{}"))
		f.want("pinned", seqsOfRecords(must(f.Pinned(f.ctx(), room))), []api.Seq{5})
	}},

	{"ActsOnNoMessage", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.commit(Post(room, groot, "one"))
		for _, seq := range []api.Seq{0, 1, 2, 4, 1 << 37} {
			e := On(room, groot, seq, "edit", "")
			f.commit(e)
			f.wantErr(e.Err, chat.ErrNoMessage)
		}
		e := On("room_none", groot, 3, "edit", "")
		f.commit(e)
		f.wantErr(e.Err, chat.ErrNotFound)
		f.wantLog(room, 3)
	}},

	// Messages of one room have nothing to do with those of another.
	{"MessagesOfRooms", func(f *fixture) {
		groot := f.user("groot")
		a, b := f.room("a", groot), f.room("b", groot)
		f.commit(Post(a, groot, "x"), Post(b, groot, "x"), On(b, groot, 3, "react", "b"), On(b, groot, 3, "pin", ""), On(b, groot, 3, "answer", ""))
		views, err := f.Messages(f.ctx(), a, groot, f.history(a)[2:])
		f.wantErr(err, nil)
		f.want("untouched", views[0].State, chat.MessageState{Seq: 3})
		f.want("reactions", len(views[0].Reactions), 0)
		f.want("pinned", len(must(f.Pinned(f.ctx(), a))), 0)
		f.want("threads", len(must(f.Threads(f.ctx(), a, 0, 10))), 0)
	}},

	{"Snapshot", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		err := f.Snapshot(f.ctx(), func(r chat.Reader) error {
			before, err := r.Head(f.ctx(), room)
			f.wantErr(err, nil)
			written := make(chan struct{})
			go func() { // ends when it has written, perhaps after the snapshot
				defer close(written)
				f.commit(Post(room, groot, "meanwhile"))
			}()
			for range 20 {
				after, err := r.Head(f.ctx(), room)
				f.wantErr(err, nil)
				f.want("head", after, before)
			}
			v, err := r.RoomByName(f.ctx(), "lobby", groot)
			f.wantErr(err, nil)
			f.want("head", v.Head, before)
			f.Cleanup(func() { <-written })
			return nil
		})
		f.wantErr(err, nil)
	}},

	// However many look at once, for the first time, none waits for another.
	{"SnapshotsAtOnce", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		f.commit(Post(room, groot, "x"))
		ctx, cancel := context.WithTimeout(f.ctx(), 20*time.Second)
		defer cancel()
		const atOnce = 4
		var looking, all sync.WaitGroup
		looking.Add(atOnce)
		for range atOnce {
			all.Go(func() {
				err := f.Snapshot(ctx, func(r chat.Reader) error {
					_, err := r.RoomByID(ctx, room, groot)
					looking.Done()
					looking.Wait()
					if err != nil {
						return err
					}
					posted, err := r.History(ctx, &chat.HistoryQuery{Room: room, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 7})
					if err != nil {
						return err
					}
					if _, err = r.Messages(ctx, room, groot, posted); err != nil {
						return err
					}
					_, err = r.Pinned(ctx, room)
					return err
				})
				if err != nil {
					f.Error(err)
				}
			})
		}
		for range 8 { // who looks at one thing has to wait for them only
			all.Go(func() {
				if _, err := f.Threads(ctx, room, 0, 3); err != nil {
					f.Error(err)
				}
			})
		}
		all.Wait()
	}},

	{"MemberByName", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		want := &chat.Membership{UserID: groot, Username: "groot", Role: api.RoleOwner, JoinedAt: now}
		f.want("by name", must(f.MemberByName(f.ctx(), room, "groot")), want)
		f.want("by id", must(f.MemberByID(f.ctx(), room, groot)), want)
		_, err := f.MemberByName(f.ctx(), room, "thanos")
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.MemberByID(f.ctx(), room, thanos)
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.MemberByID(f.ctx(), "room_none", groot)
		f.wantErr(err, chat.ErrNotFound)
	}},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func seqsOfRecords(records []chat.Record) []api.Seq {
	var seqs []api.Seq
	for i := range records {
		seqs = append(seqs, records[i].Seq)
	}
	return seqs
}

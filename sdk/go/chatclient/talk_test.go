package chatclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
)

// wiretap keeps what is published and what connections are told, in one order.
type wiretap struct {
	mu  sync.Mutex
	all []heard
}

type heard struct {
	to  string // who alone; "": every follower of the room; allWhoFollow: of a signal
	msg string
}

func (w *wiretap) hear(to, msg string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, heard{to, msg})
}

func (w *wiretap) Publish(_ api.RoomID, _ api.Seq, record []byte) { w.hear("", string(record)) }
func (w *wiretap) Signal(_ api.RoomID, msg []byte)                { w.hear(allWhoFollow, string(msg)) }

const allWhoFollow = "*"

type tapPort struct {
	name string
	tap  *wiretap
}

func (tapPort) Queued()                                             {}
func (tapPort) Replay(context.Context, [][]byte) error              { return nil }
func (p tapPort) Notify(msg []byte)                                 { p.tap.hear(p.name, string(msg)) }
func (tapPort) Follow(api.RoomID, api.Seq, bool)                    {}
func (tapPort) Signals(api.RoomID, bool)                            {}
func (tapPort) Unfollow(api.RoomID)                                 {}
func (tapPort) Close(api.CloseCode, api.CloseReason, time.Duration) {}

// valid holds it against the document, as it comes to a client.
func (h heard) valid() error {
	msg := h.msg
	if h.to == "" {
		msg = `{"jsonrpc":"2.0","method":"room.event","params":` + h.msg + `}`
	}
	return contract.New().Received([]byte(msg))
}

// talk is a room, three people, what they say in it, and what is told of it.
type talk struct {
	did    deeds
	tap    *wiretap
	people []*chat.Session

	rooms  int
	room   string
	id     api.RoomID
	posted []api.Seq
	seen   int // of the tap
}

// folding plays run on the talk.
func (w *talk) folding(run func(rt *rapid.T)) folding {
	w.tap, w.did = &wiretap{}, deeds{}
	port := func(name string) chat.Port { return tapPort{name, w.tap} }
	return folding{fan: w.tap, port: port, run: func(_ *chat.Service, people []*chat.Session, rt *rapid.T) { w.people = people; run(rt) }, did: w.did}
}

// begin makes a new room, with nobody in it yet but who made it.
func (w *talk) begin(rt *rapid.T) {
	w.rooms++
	w.room, w.posted = fmt.Sprint("room", w.rooms), nil
	res, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	w.id = res.Room.ID
}

func (w *talk) join(rt *rapid.T, i int) {
	_, err := w.people[i].RoomJoin(ctx, &api.RoomJoinParams{Room: w.room})
	w.did.done(rt, api.MethodRoomJoin, err)
	w.people[i].Replied()
}

// back brings somebody in who has left or was removed, also one who was banned.
func (w *talk) back(rt *rapid.T) {
	who := anyone(rt)
	if who > 0 && rapid.Bool().Draw(rt, "unban") {
		_, err := w.people[0].MemberUnban(ctx, &api.MemberUnbanParams{Room: w.room, User: folk[who]})
		w.did.done(rt, api.MethodMemberUnban, err)
	}
	w.join(rt, who)
}

func (w *talk) leave(rt *rapid.T) {
	who := 1 + rapid.IntRange(0, len(folk)-2).Draw(rt, "who") // the owner stays
	switch rapid.IntRange(0, 2).Draw(rt, "how") {
	case 0:
		_, err := w.people[0].MemberRemove(ctx, &api.MemberRemoveParams{Room: w.room, User: folk[who]})
		w.did.done(rt, api.MethodMemberRemove, err)
	case 1:
		_, err := w.people[who].RoomLeave(ctx, &api.RoomLeaveParams{Room: w.room})
		w.did.done(rt, api.MethodRoomLeave, err)
	default:
		clean := rapid.Bool().Draw(rt, "clean")
		_, err := w.people[0].MemberBan(ctx, &api.MemberBanParams{Room: w.room, User: folk[who], RemoveMessages: &clean})
		w.did.done(rt, api.MethodMemberBan, err)
	}
}

func (w *talk) archive(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "archive") == 0 {
		_, err := w.people[0].RoomArchive(ctx, &api.RoomArchiveParams{Room: w.room})
		w.did.done(rt, api.MethodRoomArchive, err)
		return
	}
	_, err := w.people[0].RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: w.room})
	w.did.done(rt, api.MethodRoomUnarchive, err)
}

func (w *talk) retain(rt *rapid.T) {
	n := rapid.Int64Range(1, 5).Draw(rt, "messages")
	_, err := w.people[0].RetentionSet(ctx, &api.RetentionSetParams{Room: w.room, MaxMessages: &n})
	w.did.done(rt, api.MethodRetentionSet, err)
}

// giveBack deletes the room and imports it again, whereupon those who are in it follow it again.
func (w *talk) giveBack(rt *rapid.T, more func()) {
	if !w.did.giveBack(rt, w.people[0], w.people[0], w.room, more) {
		rt.Fatal("it was not given back")
	}
	for _, s := range w.people {
		if _, err := s.MemberList(ctx, &api.MemberListParams{Room: w.room}); err == nil {
			_, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: w.room})
			w.did.must(rt, api.MethodRoomJoin, err)
			s.Replied()
		}
	}
}

func (w *talk) purge(rt *rapid.T) { w.did.purge(rt, w.people[0], w.room) }

func anyone(rt *rapid.T) int { return rapid.IntRange(0, len(folk)-1).Draw(rt, "who") }

func (w *talk) message(rt *rapid.T) api.Seq {
	if len(w.posted) == 0 {
		rt.Skip("nothing was said")
	}
	return rapid.SampledFrom(w.posted[max(0, len(w.posted)-8):]).Draw(rt, "message")
}

var talkTexts = rapid.SampledFrom([]string{"x", "@ann", "@bob @cy", "@room", "@room @bob"})

// say says something, under a message unless root is nil.
func (w *talk) say(rt *rapid.T, root *api.Seq) {
	p := &api.MessagePostParams{Room: w.room, Text: talkTexts.Draw(rt, "text"), Thread: root}
	res, err := w.people[anyone(rt)].MessagePost(ctx, p)
	if w.did.done(rt, api.MethodMessagePost, err) {
		w.posted = append(w.posted, res.Seq)
	}
}

func (w *talk) edit(rt *rapid.T) {
	_, err := w.people[anyone(rt)].MessageEdit(ctx, &api.MessageEditParams{Room: w.room, Seq: w.message(rt), Text: talkTexts.Draw(rt, "text")})
	w.did.done(rt, api.MethodMessageEdit, err)
}

func (w *talk) delete(rt *rapid.T) {
	_, err := w.people[anyone(rt)].MessageDelete(ctx, &api.MessageDeleteParams{Room: w.room, Seq: w.message(rt)})
	w.did.done(rt, api.MethodMessageDelete, err)
}

// mark marks the room as read, or the thread under root.
func (w *talk) mark(rt *rapid.T, root *api.Seq) {
	p := &api.ReadMarkParams{Room: w.room, Thread: root}
	if rapid.IntRange(0, 3).Draw(rt, "all") > 0 {
		seq := w.message(rt)
		p.Seq = &seq
	}
	_, err := w.people[anyone(rt)].ReadMark(ctx, p)
	w.did.done(rt, api.MethodReadMark, err)
}

// hear gives what has come since it was asked last.
func (w *talk) hear() []heard {
	w.tap.mu.Lock()
	defer w.tap.mu.Unlock()
	news := w.tap.all[w.seen:]
	w.seen = len(w.tap.all)
	return news
}

// received is what comes to a client if it is about the room: an event of it or of an account; nil: it is not. All is as the
// document has it.
func (w *talk) received(rt *rapid.T, h heard) (*api.Event, *api.AccountEventParams) {
	if err := h.valid(); err != nil {
		rt.Fatal(err)
	}
	switch {
	case h.to == "":
		var e api.Event
		if err := json.Unmarshal([]byte(h.msg), &e); err != nil {
			rt.Fatal(err)
		}
		if e.RoomID == w.id {
			return &e, nil
		}
	case strings.Contains(h.msg, `"account.event"`):
		var n struct{ Params api.AccountEventParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			rt.Fatal(err)
		}
		if n.Params.RoomID == w.id {
			return nil, &n.Params
		}
	}
	return nil, nil
}

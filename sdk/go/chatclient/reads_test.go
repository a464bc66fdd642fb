package chatclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
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
func (tapPort) Unfollow(api.RoomID)                                 {}
func (tapPort) Close(api.CloseCode, api.CloseReason, time.Duration) {}

// What a client keeps of what it has read is what it would fetch, or it says that it has to, whatever happens, on every store.
func TestReadsFoldIsFresh(t *testing.T) {
	foldOnStores(t, folk, func() folding {
		w := &readsWorld{tap: &wiretap{}}
		port := func(name string) chat.Port { return tapPort{name, w.tap} }
		return folding{w.tap, port, func(people []*chat.Session, rt *rapid.T) { w.people = people; w.run(rt) }}
	})
}

// readsWorld is a room, three people, and what each has kept of how far they have read it.
type readsWorld struct {
	tap    *wiretap
	people []*chat.Session

	rooms  int
	room   string
	id     api.RoomID
	views  []*chatclient.Reads
	posted []api.Seq
	seen   int // of the tap
	stale  int
}

// run plays in a new room.
func (w *readsWorld) run(rt *rapid.T) {
	w.rooms++
	w.room, w.views, w.posted = fmt.Sprint("room", w.rooms), nil, nil
	res, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	w.id = res.Room.ID
	for i := range w.people {
		w.join(rt, i)
		w.views = append(w.views, chatclient.NewReads(w.people[i].UserID()))
		w.load(rt, i)
	}
	rt.Repeat(map[string]func(*rapid.T){
		"": w.compare, "post": w.post, "post2": w.post, "edit": w.edit, "delete": w.delete, "mark": w.mark, "mark2": w.mark, "leave": w.leave, "back": w.back, "reload": w.reload,
		"purge": func(rt *rapid.T) { purge(rt, w.people[0], w.room) },
	})
}

func (w *readsWorld) join(rt *rapid.T, i int) {
	if _, err := w.people[i].RoomJoin(ctx, &api.RoomJoinParams{Room: w.room}); err != nil {
		rt.Fatal(err)
	}
	w.people[i].Replied()
}

func (w *readsWorld) fresh(rt *rapid.T, i int) *api.Room {
	res, err := w.people[i].RoomGet(ctx, &api.RoomGetParams{Room: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	return &res.Room
}

func (w *readsWorld) load(rt *rapid.T, i int) { w.views[i].Load(w.fresh(rt, i)) }

func anyone(rt *rapid.T) int { return rapid.IntRange(0, len(folk)-1).Draw(rt, "who") }

func (w *readsWorld) message(rt *rapid.T) api.Seq {
	if len(w.posted) == 0 {
		rt.Skip("nothing was said")
	}
	last := w.posted[max(0, len(w.posted)-6):]
	return rapid.SampledFrom(last).Draw(rt, "message")
}

var readsTexts = rapid.SampledFrom([]string{"x", "@ann", "@bob @cy", "@room", "@room @bob"})

func (w *readsWorld) post(rt *rapid.T) {
	p := &api.MessagePostParams{Room: w.room, Text: readsTexts.Draw(rt, "text")}
	if rapid.IntRange(0, 3).Draw(rt, "answer") == 0 {
		seq := w.message(rt)
		p.Thread = &seq
	}
	if res, err := w.people[anyone(rt)].MessagePost(ctx, p); err == nil {
		w.posted = append(w.posted, res.Seq)
	}
}

func (w *readsWorld) edit(rt *rapid.T) {
	// Only who said it may: the others are refused.
	_, _ = w.people[anyone(rt)].MessageEdit(ctx, &api.MessageEditParams{Room: w.room, Seq: w.message(rt), Text: readsTexts.Draw(rt, "text")})
}

func (w *readsWorld) delete(rt *rapid.T) {
	_, _ = w.people[anyone(rt)].MessageDelete(ctx, &api.MessageDeleteParams{Room: w.room, Seq: w.message(rt)})
}

func (w *readsWorld) mark(rt *rapid.T) {
	p := &api.ReadMarkParams{Room: w.room}
	if rapid.IntRange(0, 3).Draw(rt, "all") > 0 {
		seq := w.message(rt)
		p.Seq = &seq
	}
	_, _ = w.people[anyone(rt)].ReadMark(ctx, p) // who has left is refused
}

func (w *readsWorld) leave(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "leave") > 0 {
		rt.Skip("not so often")
	}
	who := 1 + rapid.IntRange(0, len(folk)-2).Draw(rt, "who") // the owner stays
	if _, err := w.people[who].RoomLeave(ctx, &api.RoomLeaveParams{Room: w.room}); err != nil {
		rt.Fatal(err)
	}
}

func (w *readsWorld) back(rt *rapid.T) { w.join(rt, anyone(rt)) }

func (w *readsWorld) reload(rt *rapid.T) { w.load(rt, anyone(rt)) }

// compare holds after each act.
func (w *readsWorld) compare(rt *rapid.T) {
	head := api.Seq(0)
	for i := range w.people {
		head = max(head, w.fresh(rt, i).Head.Seq)
	}
	for caughtUp := false; !caughtUp; { // the last event is committed, and may be about to be published
		w.tap.mu.Lock()
		news := w.tap.all[w.seen:]
		w.tap.mu.Unlock()
		for _, h := range news {
			w.seen++
			w.apply(rt, h)
		}
		caughtUp = true
		for i, v := range w.views {
			at, _, held := v.Room(w.id)
			caughtUp = caughtUp && (held == (w.fresh(rt, i).Read != nil)) && (!held || at.Seq >= head)
		}
	}
	for i, v := range w.views {
		if slices.Contains(v.Stale(), w.id) {
			w.stale++
			w.load(rt, i)
		}
		fresh := w.fresh(rt, i)
		at, read, held := v.Room(w.id)
		if fresh.Read == nil {
			continue
		}
		if d := cmp.Diff(*fresh.Read, read); d != "" || at != fresh.Head || !held {
			rt.Fatalf("%s: head %v, kept %v; -fresh +kept:\n%s", folk[i], fresh.Head, at, d)
		}
	}
}

func (w *readsWorld) apply(rt *rapid.T, h heard) {
	msg := h.msg
	if h.to == "" {
		msg = `{"jsonrpc":"2.0","method":"room.event","params":` + h.msg + `}`
	}
	if err := contract.New().Received([]byte(msg)); err != nil {
		rt.Fatal(err)
	}
	if h.to == "" {
		var e api.Event
		if err := json.Unmarshal([]byte(h.msg), &e); err != nil {
			rt.Fatal(err)
		}
		for i, v := range w.views {
			if e.RoomID == w.id && w.inRoom(i) {
				if err := v.Apply(&e); err != nil {
					rt.Fatal(err)
				}
			}
		}
		return
	}
	if p, ok := truncated(h.msg); ok && p.RoomID == w.id {
		for _, v := range w.views {
			v.Truncate(p.RoomID, p.FirstSeq)
		}
	}
	if !strings.Contains(h.msg, `"account.event"`) {
		return
	}
	var n struct{ Params api.AccountEventParams }
	if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
		rt.Fatal(err)
	}
	if n.Params.RoomID == w.id {
		if i := slices.Index(folk, h.to); i < len(w.views) {
			w.views[i].ApplyAccount(&n.Params)
		}
	}
}

// inRoom tells whether a client would be sent the room's events.
func (w *readsWorld) inRoom(i int) bool {
	_, _, held := w.views[i].Room(w.id)
	return held
}

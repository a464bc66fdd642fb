package chatclient_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of the threads that it follows is what it would fetch, or it says that it has to, whatever happens, on
// every store.
func TestThreadsFoldIsFresh(t *testing.T) {
	foldOnStores(t, folk, func() folding {
		w := &threadsWorld{tap: &wiretap{}}
		port := func(name string) chat.Port { return tapPort{name, w.tap} }
		return folding{w.tap, port, func(people []*chat.Session, rt *rapid.T) { w.people = people; w.run(rt) }}
	})
}

// threadsWorld is a room, three people, and what each has kept of the threads in it that they follow.
type threadsWorld struct {
	tap    *wiretap
	people []*chat.Session

	rooms  int
	room   string
	id     api.RoomID
	views  []*chatclient.Threads
	in     []bool // whose client is in the room, as far as it has heard
	posted []api.Seq
	head   api.Seq // of what was heard
	seen   int     // of the tap
}

// run plays in a new room.
func (w *threadsWorld) run(rt *rapid.T) {
	w.rooms++
	w.room, w.views, w.in, w.posted, w.head = fmt.Sprint("room", w.rooms), nil, nil, nil, 0
	res, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	w.id = res.Room.ID
	for i := range w.people {
		w.views, w.in = append(w.views, chatclient.NewThreads(w.people[i].UserID())), append(w.in, i == 0)
	}
	for i := range w.people {
		w.join(rt, i)
	}
	rt.Repeat(map[string]func(*rapid.T){
		"": w.compare, "post": w.post, "answer": w.answer, "answer2": w.answer, "answer3": w.answer, "edit": w.edit, "delete": w.delete, "follow": w.follow,
		"mark": w.mark, "leave": w.leave, "back": w.back, "reload": w.reload, "archive": w.archive,
	})
}

func (w *threadsWorld) join(rt *rapid.T, i int) {
	if _, err := w.people[i].RoomJoin(ctx, &api.RoomJoinParams{Room: w.room}); err != nil {
		rt.Fatal(err)
	}
	w.people[i].Replied()
}

func (w *threadsWorld) message(rt *rapid.T) api.Seq {
	if len(w.posted) == 0 {
		rt.Skip("nothing was said")
	}
	return rapid.SampledFrom(w.posted[max(0, len(w.posted)-8):]).Draw(rt, "message")
}

func (w *threadsWorld) say(rt *rapid.T, root *api.Seq) {
	p := &api.MessagePostParams{Room: w.room, Text: readsTexts.Draw(rt, "text"), Thread: root}
	if res, err := w.people[anyone(rt)].MessagePost(ctx, p); err == nil {
		w.posted = append(w.posted, res.Seq)
	}
}

func (w *threadsWorld) post(rt *rapid.T) { w.say(rt, nil) }

func (w *threadsWorld) answer(rt *rapid.T) {
	root := w.message(rt)
	if t, err := w.people[0].MessageGet(ctx, &api.MessageGetParams{Room: w.room, Seq: root}); err == nil && t.Message.Thread != nil {
		root = *t.Message.Thread
	}
	w.say(rt, &root)
}

// What is not theirs to do is refused, here and below.
func (w *threadsWorld) edit(rt *rapid.T) {
	_, _ = w.people[anyone(rt)].MessageEdit(ctx, &api.MessageEditParams{Room: w.room, Seq: w.message(rt), Text: readsTexts.Draw(rt, "text")})
}

func (w *threadsWorld) delete(rt *rapid.T) {
	_, _ = w.people[anyone(rt)].MessageDelete(ctx, &api.MessageDeleteParams{Room: w.room, Seq: w.message(rt)})
}

func (w *threadsWorld) follow(rt *rapid.T) {
	who, root := w.people[anyone(rt)], w.message(rt)
	if rapid.Bool().Draw(rt, "unfollow") {
		_, _ = who.ThreadUnfollow(ctx, &api.ThreadUnfollowParams{Room: w.room, Seq: root})
		return
	}
	_, _ = who.ThreadFollow(ctx, &api.ThreadFollowParams{Room: w.room, Seq: root})
}

func (w *threadsWorld) mark(rt *rapid.T) {
	root := w.message(rt)
	p := &api.ReadMarkParams{Room: w.room, Thread: &root}
	if rapid.IntRange(0, 3).Draw(rt, "all") > 0 {
		seq := w.message(rt)
		p.Seq = &seq
	}
	_, _ = w.people[anyone(rt)].ReadMark(ctx, p)
}

func (w *threadsWorld) leave(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "leave") > 0 {
		rt.Skip("not so often")
	}
	who := 1 + rapid.IntRange(0, len(folk)-2).Draw(rt, "who") // the owner stays
	var err error
	if rapid.Bool().Draw(rt, "removed") {
		_, err = w.people[0].MemberRemove(ctx, &api.MemberRemoveParams{Room: w.room, User: folk[who]})
	} else {
		_, err = w.people[who].RoomLeave(ctx, &api.RoomLeaveParams{Room: w.room})
	}
	if err != nil {
		rt.Fatal(err)
	}
}

func (w *threadsWorld) back(rt *rapid.T) { w.join(rt, anyone(rt)) }

func (w *threadsWorld) archive(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "archive") == 0 {
		_, _ = w.people[0].RoomArchive(ctx, &api.RoomArchiveParams{Room: w.room})
		return
	}
	_, _ = w.people[0].RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: w.room})
}

// reload is what a client does that comes anew: all pages, and what happens after them.
func (w *threadsWorld) reload(rt *rapid.T) {
	i := anyone(rt)
	w.views[i] = chatclient.NewThreads(w.people[i].UserID())
	if !w.in[i] {
		return
	}
	for _, t := range w.fresh(rt, i) {
		w.views[i].Load(&t)
	}
}

func (w *threadsWorld) fresh(rt *rapid.T, i int) []api.Thread {
	limit, followed := int64(2), true
	p := &api.ThreadListParams{Room: w.room, Limit: &limit, Followed: &followed}
	var all []api.Thread
	for {
		page, err := w.people[i].ThreadList(ctx, p)
		if err != nil {
			rt.Fatal(err)
		}
		all = append(all, page.Threads...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			return all
		}
	}
}

// compare holds after each act.
func (w *threadsWorld) compare(rt *rapid.T) {
	room, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	for w.head < room.Room.Head.Seq { // the last event is committed, and may be about to be published
		w.hear(rt)
	}
	w.hear(rt)
	for i, v := range w.views {
		if !w.in[i] {
			if kept := v.Room(w.id); len(kept) > 0 {
				rt.Fatalf("%s is out of the room and has kept %v", folk[i], kept)
			}
			continue
		}
		for _, stale := range v.Stale() {
			res, err := w.people[i].ThreadGet(ctx, &api.ThreadGetParams{Room: w.room, Seq: stale.Root})
			if err != nil {
				rt.Fatal(err)
			}
			v.Load(&res.Thread)
		}
		if d := cmp.Diff(w.fresh(rt, i), v.Room(w.id), cmpopts.IgnoreFields(api.Thread{}, "AsOf", "Message")); d != "" {
			rt.Fatalf("%s: -fresh +kept:\n%s", folk[i], d)
		}
	}
}

func (w *threadsWorld) hear(rt *rapid.T) {
	w.tap.mu.Lock()
	news := w.tap.all[w.seen:]
	w.tap.mu.Unlock()
	for _, h := range news {
		w.seen++
		w.apply(rt, h)
	}
}

func (w *threadsWorld) apply(rt *rapid.T, h heard) {
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
		if e.RoomID != w.id {
			return
		}
		w.head = e.Seq
		for i, v := range w.views {
			if w.in[i] {
				if err := v.Apply(&e); err != nil {
					rt.Fatal(err)
				}
			}
		}
		return
	}
	if !strings.Contains(h.msg, `"account.event"`) {
		return
	}
	var n struct{ Params api.AccountEventParams }
	if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
		rt.Fatal(err)
	}
	if n.Params.RoomID != w.id {
		return
	}
	i := slices.Index(folk, h.to)
	switch n.Params.Type {
	case api.AccountEventTypeRoomAdded:
		w.in[i] = true
	case api.AccountEventTypeRoomRemoved:
		w.in[i] = false
	}
	w.views[i].ApplyAccount(&n.Params)
}

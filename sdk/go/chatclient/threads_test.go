package chatclient_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of the threads that it follows is what it would fetch, or it says that it has to, whatever happens, on
// every store.
func TestThreadsFoldIsFresh(t *testing.T) {
	foldOnStores(t, folk, func() folding {
		w := &threadsWorld{}
		return w.folding(w.run)
	})
}

// A mark in a thread that is not followed any more, as the answer of a server that tells it in another order.
func TestThreadsMarkOfAnUnfollowedThread(t *testing.T) {
	v := chatclient.NewThreads("me")
	thread := api.Thread{RoomID: "r", Root: 3, AsOf: 5, Followed: true, Read: &api.ThreadRead{Seq: 5}}
	v.Load(&thread)
	thread.Followed, thread.AsOf = false, 6
	v.ApplyAccount(&api.AccountEventParams{Type: api.AccountEventTypeReadMarked, RoomID: "r", Thread: &thread})
	if _, held := v.Get("r", 3); held {
		t.Error("held")
	}
}

// threadsWorld is a talk, and what each has kept of the threads in it that they follow.
type threadsWorld struct {
	talk
	views []*chatclient.Threads
	in    []bool  // whose client is in the room, as far as it has heard
	head  api.Seq // of what was heard
}

// run plays in a new room.
func (w *threadsWorld) run(rt *rapid.T) {
	w.begin(rt)
	w.views, w.in, w.head = nil, nil, 0
	for i := range w.people {
		w.views, w.in = append(w.views, chatclient.NewThreads(w.people[i].UserID())), append(w.in, i == 0)
	}
	for i := range w.people {
		w.join(rt, i)
	}
	w.say(rt, nil)
	play(rt, w.compare, map[string]func(*rapid.T){
		"post": w.post, "answer": w.answer, "answer too": w.answer, "edit": w.edit, "delete": w.delete, "follow": w.follow, "mark": w.mark, "back": w.back,
	}, map[string]func(*rapid.T){
		"leave": w.leave, "archive": w.archive, "purge": w.purge, "retain": w.retain, "reload": w.reload, "give back": w.giveBack,
	})
}

func (w *threadsWorld) post(rt *rapid.T) { w.say(rt, nil) }

func (w *threadsWorld) answer(rt *rapid.T) {
	root := w.message(rt)
	if t, err := w.people[0].MessageGet(ctx, &api.MessageGetParams{Room: w.room, Seq: root}); err == nil && t.Message.Thread != nil {
		root = *t.Message.Thread
	}
	w.say(rt, &root)
}

func (w *threadsWorld) follow(rt *rapid.T) {
	who, root := w.people[anyone(rt)], w.message(rt)
	if rapid.Bool().Draw(rt, "unfollow") {
		_, err := who.ThreadUnfollow(ctx, &api.ThreadUnfollowParams{Room: w.room, Seq: root})
		w.did.done(rt, api.MethodThreadUnfollow, err)
		return
	}
	_, err := who.ThreadFollow(ctx, &api.ThreadFollowParams{Room: w.room, Seq: root})
	w.did.done(rt, api.MethodThreadFollow, err)
}

func (w *threadsWorld) mark(rt *rapid.T) {
	root := w.message(rt)
	w.talk.mark(rt, &root)
}

func (w *threadsWorld) giveBack(rt *rapid.T) {
	w.talk.giveBack(rt, func() { w.answer(rt) })
	w.catchUp(rt)
	room, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	w.head = room.Room.Head.Seq
}

// purge removes the beginning of the log, while somebody has asked for their threads and hears of it first.
func (w *threadsWorld) purge(rt *rapid.T) {
	var late []api.Thread
	i := anyone(rt)
	if w.in[i] {
		late = w.fresh(rt, i)
	}
	w.talk.purge(rt)
	w.catchUp(rt)
	for _, t := range late {
		w.views[i].Load(&t)
	}
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
		w.catchUp(rt)
	}
	w.catchUp(rt)
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

func (w *threadsWorld) catchUp(rt *rapid.T) {
	for _, h := range w.hear() {
		w.apply(rt, h)
	}
}

func (w *threadsWorld) apply(rt *rapid.T, h heard) {
	e, account := w.received(rt, h)
	if e != nil {
		w.head = e.Seq
		for i, v := range w.views {
			if !w.in[i] {
				continue
			}
			if err := v.Apply(e); err != nil {
				rt.Fatal(err)
			}
		}
	}
	if p, ok := truncated(h.msg); ok && p.RoomID == w.id {
		for i, v := range w.views {
			if w.in[i] {
				v.Truncate(p.RoomID, p.FirstSeq)
			}
		}
	}
	if account == nil {
		return
	}
	i := slices.Index(folk, h.to)
	switch account.Type {
	case api.AccountEventTypeRoomAdded:
		w.in[i] = true
	case api.AccountEventTypeRoomRemoved:
		w.in[i] = false
	}
	w.views[i].ApplyAccount(account)
}

package chatclient_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of what it has read is what it would fetch, or it says that it has to, whatever happens, on every store.
func TestReadsFoldIsFresh(t *testing.T) {
	foldOnStores(t, folk, func() folding {
		w := &readsWorld{}
		return w.folding(w.run)
	})
}

// readsWorld is a talk, and what each has kept of how far they have read it.
type readsWorld struct {
	talk
	views []*chatclient.Reads
}

// run plays in a new room.
func (w *readsWorld) run(rt *rapid.T) {
	w.begin(rt)
	w.views = nil
	for i := range w.people {
		w.join(rt, i)
		w.views = append(w.views, chatclient.NewReads(w.people[i].UserID()))
		w.load(rt, i)
	}
	w.say(rt, nil)
	play(rt, w.compare, map[string]func(*rapid.T){
		"post": w.post, "edit": w.edit, "delete": w.delete, "mark": w.mark, "back": w.back,
	}, map[string]func(*rapid.T){
		"leave": w.leave, "archive": w.archive, "purge": w.purge, "retain": w.retain, "reload": w.reload,
		"give back": func(rt *rapid.T) { w.giveBack(rt, func() { w.say(rt, nil) }) },
	})
}

func (w *readsWorld) fresh(rt *rapid.T, i int) *api.Room {
	res, err := w.people[i].RoomGet(ctx, &api.RoomGetParams{Room: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	return &res.Room
}

func (w *readsWorld) load(rt *rapid.T, i int) { w.views[i].Load(w.fresh(rt, i)) }

func (w *readsWorld) post(rt *rapid.T) {
	var root *api.Seq
	if rapid.IntRange(0, 3).Draw(rt, "answer") == 0 {
		seq := w.message(rt)
		root = &seq
	}
	w.say(rt, root)
}

func (w *readsWorld) mark(rt *rapid.T) { w.talk.mark(rt, nil) }

func (w *readsWorld) reload(rt *rapid.T) { w.load(rt, anyone(rt)) }

// compare holds after each act.
func (w *readsWorld) compare(rt *rapid.T) {
	head := api.Seq(0)
	for i := range w.people {
		head = max(head, w.fresh(rt, i).Head.Seq)
	}
	for caughtUp := false; !caughtUp; { // the last event is committed, and may be about to be published
		for _, h := range w.hear() {
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
	e, account := w.received(rt, h)
	if e != nil {
		for i, v := range w.views {
			if !w.inRoom(i) {
				continue
			}
			if err := v.Apply(e); err != nil {
				rt.Fatal(err)
			}
		}
	}
	if p, ok := truncated(h.msg); ok && p.RoomID == w.id {
		for _, v := range w.views {
			v.Truncate(p.RoomID, p.FirstSeq)
		}
	}
	if i := slices.Index(folk, h.to); account != nil && i < len(w.views) {
		w.views[i].ApplyAccount(account)
	}
}

// inRoom tells whether a client would be sent the room's events.
func (w *readsWorld) inRoom(i int) bool {
	_, _, held := w.views[i].Room(w.id)
	return held
}

package chatclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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

// recorder is a chat.Fanout that keeps what is published.
type recorder struct {
	mu      sync.Mutex
	records [][]byte
	firsts  map[api.RoomID]api.Seq // where logs begin, as it was told last
}

func (r *recorder) Publish(_ api.RoomID, _ api.Seq, record []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record)
}

func (r *recorder) Signal(_ api.RoomID, msg []byte) {
	p, ok := truncated(string(msg))
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firsts == nil {
		r.firsts = map[api.RoomID]api.Seq{}
	}
	r.firsts[p.RoomID] = p.FirstSeq
}

// first is where a room's log begins, as it was told last; 0: it was not.
func (r *recorder) first(room api.RoomID) api.Seq {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.firsts[room]
}

// since gives the events that were published after the first seen of them, each held against the document.
func (r *recorder) since(rt *rapid.T, seen int) []api.Event {
	r.mu.Lock()
	records := r.records[seen:]
	r.mu.Unlock()
	events := make([]api.Event, len(records))
	for i, record := range records {
		if err := contract.New().Received(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"room.event","params":%s}`, record)); err != nil {
			rt.Fatal(err)
		}
		if err := json.Unmarshal(record, &events[i]); err != nil {
			rt.Fatal(err)
		}
	}
	return events
}

// What a client keeps from events is what it would fetch, whatever happens, on every store; and each event is as the contract says.
func TestMessagesFoldIsFresh(t *testing.T) {
	foldOnStores(t, folk, func() folding {
		w := &foldWorld{fan: &recorder{}, did: deeds{}}
		return folding{fan: w.fan, port: followingPort, run: func(_ *chat.Service, people []*chat.Session, rt *rapid.T) { w.people = people; w.run(rt) }, did: w.did}
	})
}

// foldWorld is a room, three people, and what each has kept of it.
type foldWorld struct {
	fan    *recorder
	people []*chat.Session
	did    deeds

	rt    *rapid.T
	rooms int
	room  string
	id    api.RoomID
	views []*chatclient.Messages
	head  api.Seq
	seen  int     // records that have been applied
	first api.Seq // where the views have been told that the log begins
}

// run plays in a new room.
func (w *foldWorld) run(rt *rapid.T) {
	w.rooms++
	w.rt, w.room, w.views, w.head, w.first = rt, fmt.Sprint("room", w.rooms), nil, 0, 0
	made, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: w.room})
	if err != nil {
		rt.Fatal(err)
	}
	w.id = made.Room.ID
	for _, s := range w.people {
		res, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: w.room}) // and follows, so that records are published
		if err != nil {
			rt.Fatal(err)
		}
		s.Replied()
		w.head = res.Head.Seq
	}
	w.fan.mu.Lock()
	w.fan.records, w.seen = nil, 0
	w.fan.mu.Unlock()
	for i, s := range w.people {
		w.views = append(w.views, chatclient.NewMessages(s.UserID()))
		w.views[i].Load(w.fresh(rt, i))
	}
	play(rt, w.compare, map[string]func(*rapid.T){
		"post": w.post, "post too": w.post, "edit": w.edit, "react": w.react, "unreact": w.unreact, "pin": w.pin,
	}, map[string]func(*rapid.T){
		"delete": w.delete, "reload": w.reload, "purge": w.purge, "ban": w.ban, "retain": w.retain, "give back": w.giveBack,
	})
}

var ctx = context.Background()

type followPort struct{}

func (followPort) Queued()                                             {}
func (followPort) Replay(context.Context, [][]byte) error              { return nil }
func (followPort) Notify([]byte)                                       {}
func (followPort) Follow(api.RoomID, api.Seq, bool)                    {}
func (followPort) Signals(api.RoomID, bool)                            {}
func (followPort) Unfollow(api.RoomID)                                 {}
func (followPort) Close(api.CloseCode, api.CloseReason, time.Duration) {}

// done notes that a call made the event seq; nil: none.
func (w *foldWorld) done(method string, seq *api.Seq, err error) {
	if w.did.done(w.rt, method, err) && seq != nil {
		w.head = *seq
	}
}

func (w *foldWorld) who() *chat.Session { return w.people[rapid.IntRange(0, 2).Draw(w.rt, "who")] }

// seq is that of a message that there is, most likely, or of any event.
func (w *foldWorld) seq() api.Seq {
	if all := w.views[0].All(); len(all) > 0 && rapid.IntRange(0, 3).Draw(w.rt, "of a message") > 0 {
		return rapid.SampledFrom(all).Draw(w.rt, "message").Seq
	}
	return api.Seq(rapid.Int64Range(5, int64(w.head)+1).Draw(w.rt, "seq"))
}

// sender is who has said the message seq, most likely.
func (w *foldWorld) sender(seq api.Seq) *chat.Session {
	m, _ := w.views[0].Get(seq)
	i := slices.IndexFunc(w.people, func(s *chat.Session) bool { return s.UserID() == m.SenderID })
	if i < 0 || rapid.IntRange(0, 3).Draw(w.rt, "another") == 0 {
		return w.who()
	}
	return w.people[i]
}

var foldFormats = rapid.SampledFrom([]api.TextFormat{"", "plain", "markdown"})

var foldTexts = rapid.SampledFrom([]string{"x", "", "hi @ann", "@room", "`@bob` and @cy"})

func (w *foldWorld) post(rt *rapid.T) {
	w.rt = rt
	p := &api.MessagePostParams{Room: w.room, Text: foldTexts.Draw(rt, "text"), Format: foldFormats.Draw(rt, "format")}
	seq := w.seq()
	switch rapid.IntRange(0, 4).Draw(rt, "kind") {
	case 0:
		p.Thread = &seq
	case 1:
		p.ReplyTo = &seq
	case 2:
		p.Data = json.RawMessage(`{"n":1}`)
	case 3:
		p.Mentions = []string{"bob"}
	}
	res, err := w.who().MessagePost(ctx, p)
	if err != nil {
		res = &api.MessagePostResult{}
	}
	w.done(api.MethodMessagePost, &res.Seq, err)
}

func (w *foldWorld) edit(rt *rapid.T) {
	w.rt = rt
	p := &api.MessageEditParams{Room: w.room, Seq: w.seq(), Text: foldTexts.Draw(rt, "text"), Format: foldFormats.Draw(rt, "format")}
	switch rapid.IntRange(0, 2).Draw(rt, "kind") {
	case 0:
		p.Data = json.RawMessage(`{"n":2}`)
	case 1:
		p.Mentions = []string{"cy"}
	}
	res, err := w.sender(p.Seq).MessageEdit(ctx, p)
	if err != nil {
		res = &api.MessageEditResult{}
	}
	w.done(api.MethodMessageEdit, res.Seq, err)
}

func (w *foldWorld) delete(rt *rapid.T) {
	w.rt = rt
	res, err := w.who().MessageDelete(ctx, &api.MessageDeleteParams{Room: w.room, Seq: w.seq()})
	if err != nil {
		res = &api.MessageDeleteResult{}
	}
	w.done(api.MethodMessageDelete, res.Seq, err)
}

// ban bans somebody who is not there, and deletes all that they have said: everybody is there, so that it is one who was.
func (w *foldWorld) ban(rt *rapid.T) {
	w.rt = rt
	i, clean := rapid.IntRange(1, len(folk)-1).Draw(rt, "who"), true
	banned, err := w.people[0].MemberBan(ctx, &api.MemberBanParams{Room: w.room, User: folk[i], RemoveMessages: &clean})
	w.did.must(rt, api.MethodMemberBan, err)
	w.done(api.MethodMemberBan, banned.Seq, err)
	unbanned, err := w.people[0].MemberUnban(ctx, &api.MemberUnbanParams{Room: w.room, User: folk[i]})
	w.did.must(rt, api.MethodMemberUnban, err)
	w.done(api.MethodMemberUnban, unbanned.Seq, err)
	back, err := w.people[i].RoomJoin(ctx, &api.RoomJoinParams{Room: w.room})
	w.did.must(rt, api.MethodRoomJoin, err)
	w.head = back.Room.Head.Seq
	w.people[i].Replied()
}

// retain sets how much is kept, which a purge by the rules does.
func (w *foldWorld) retain(rt *rapid.T) {
	w.rt = rt
	n := rapid.Int64Range(1, 5).Draw(rt, "messages")
	res, err := w.people[0].RetentionSet(ctx, &api.RetentionSetParams{Room: w.room, MaxMessages: &n})
	w.did.must(rt, api.MethodRetentionSet, err)
	w.done(api.MethodRetentionSet, res.Seq, err)
}

// giveBack deletes the room and imports it again; all load it again.
func (w *foldWorld) giveBack(rt *rapid.T) {
	if !w.did.giveBack(rt, w.people[0], w.people[0], w.room, func() { w.post(rt) }) {
		rt.Fatal("it was not given back")
	}
	w.take(rt)
	for i, s := range w.people {
		_, err := s.RoomJoin(ctx, &api.RoomJoinParams{Room: w.room})
		w.did.must(rt, api.MethodRoomJoin, err)
		s.Replied()
		page := w.fresh(rt, i)
		w.views[i].Load(page)
		w.head = page.Head.Seq
	}
}

var foldEmoji = rapid.SampledFrom([]string{"👍", "🌱"})

func (w *foldWorld) react(rt *rapid.T) {
	w.rt = rt
	res, err := w.who().ReactionAdd(ctx, &api.ReactionAddParams{Room: w.room, Seq: w.seq(), Emoji: foldEmoji.Draw(rt, "emoji")})
	if err != nil {
		res = &api.ReactionAddResult{}
	}
	w.done(api.MethodReactionAdd, res.Seq, err)
}

func (w *foldWorld) unreact(rt *rapid.T) {
	w.rt = rt
	res, err := w.who().ReactionRemove(ctx, &api.ReactionRemoveParams{Room: w.room, Seq: w.seq(), Emoji: foldEmoji.Draw(rt, "emoji")})
	if err != nil {
		res = &api.ReactionRemoveResult{}
	}
	w.done(api.MethodReactionRemove, res.Seq, err)
}

func (w *foldWorld) pin(rt *rapid.T) {
	w.rt = rt
	if rapid.Bool().Draw(rt, "unpin") {
		res, err := w.who().PinRemove(ctx, &api.PinRemoveParams{Room: w.room, Seq: w.seq()})
		if err != nil {
			res = &api.PinRemoveResult{}
		}
		w.done(api.MethodPinRemove, res.Seq, err)
		return
	}
	res, err := w.who().PinAdd(ctx, &api.PinAddParams{Room: w.room, Seq: w.seq()})
	if err != nil {
		res = &api.PinAddResult{}
	}
	w.done(api.MethodPinAdd, res.Seq, err)
}

// reload is what a client does that comes anew: a page, and the events after it.
func (w *foldWorld) reload(rt *rapid.T) {
	i := rapid.IntRange(0, len(w.people)-1).Draw(rt, "who")
	w.views[i] = chatclient.NewMessages(w.people[i].UserID())
	w.views[i].Load(w.fresh(rt, i))
}

// purge removes the beginning of the log, while somebody has asked for a page and hears of it first.
func (w *foldWorld) purge(rt *rapid.T) {
	i := rapid.IntRange(0, len(w.people)-1).Draw(rt, "late")
	late := w.fresh(rt, i)
	w.did.purge(rt, w.people[0], w.room)
	w.truncate()
	w.views[i].Load(late)
}

// truncate tells all where the log begins, if that is news.
func (w *foldWorld) truncate() {
	first := w.fan.first(w.id)
	if first <= w.first {
		return
	}
	w.first = first
	for _, v := range w.views {
		v.Truncate(first)
	}
}

func (w *foldWorld) fresh(rt *rapid.T, i int) *api.MessageListResult {
	limit := int64(200)
	page, err := w.people[i].MessageList(ctx, &api.MessageListParams{Room: w.room, Limit: &limit})
	if err != nil {
		rt.Fatal(err)
	}
	return page
}

// take takes in what was published.
func (w *foldWorld) take(rt *rapid.T) {
	for _, e := range w.fan.since(rt, w.seen) {
		w.seen++
		w.head = max(w.head, e.Seq)
		for _, v := range w.views {
			if err := v.Apply(&e); err != nil {
				rt.Fatal(err)
			}
		}
	}
}

// compare holds after each act.
func (w *foldWorld) compare(rt *rapid.T) {
	for w.take(rt); w.views[0].Head() < w.head; { // the last event is committed, and may be about to be published
		w.take(rt)
	}
	w.truncate()
	for i, v := range w.views {
		if d := cmp.Diff(w.fresh(rt, i).Messages, v.All(), cmp.Transformer("nothing", func(b json.RawMessage) string { return string(b) })); d != "" {
			rt.Fatalf("%d: -fresh +kept:\n%s", i, d)
		}
	}
}

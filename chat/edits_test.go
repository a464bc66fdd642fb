package chat_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) message(t testing.TB, room string, seq api.Seq) *api.Message {
	t.Helper()
	res, err := c.MessageGet(t.Context(), &api.MessageGetParams{Room: room, Seq: seq})
	if err != nil {
		t.Fatalf("message %d: %v", seq, err)
	}
	return &res.Message
}

func (c *client) edit(t testing.TB, seq api.Seq, text string) (*api.MessageEditResult, error) {
	t.Helper()
	return c.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: seq, Text: text})
}

func (c *client) history(t testing.TB, room string) []api.Event {
	t.Helper()
	res, err := c.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: room, After: ptr(api.Seq(0)), Limit: ptr(int64(200))})
	if err != nil {
		t.Fatal(err)
	}
	events := make([]api.Event, len(res.Events))
	for i := range events {
		if err := json.Unmarshal(res.Events[i].Raw, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// must fails the test unless the call went well.
func must[T any](t testing.TB) func(res T, err error) T {
	return func(res T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
}

func TestMessageEdit(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby")
	groot.post("lobby", "I am Groot") // 4
	first := must[*api.MessageEditResult](t)(groot.edit(t, 4, "I am Groot."))
	if !first.Edited || *first.Seq != 5 || first.Message != 4 {
		t.Errorf("%+v", first)
	}
	// The same again changes nothing, nor does the default spelled out.
	again := must[*api.MessageEditResult](t)(groot.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: 4, Text: "I am Groot.", Format: api.TextFormatPlain}))
	if again.Edited || again.Seq != nil {
		t.Errorf("again: %+v", again)
	}
	m := groot.message(t, "lobby", 4)
	if m.Text != "I am Groot." || m.EditedSeq == nil || *m.EditedSeq != 5 || m.EditedAt == nil || m.MsgNo != 1 {
		t.Errorf("%+v", m)
	}
	if h := groot.history(t, "lobby"); h[3].Type != api.EventTypeMessagePosted || !strings.Contains(string(h[3].Data), `"I am Groot"`) {
		t.Errorf("the post is %s", h[3].Data)
	}
	// if_seq names what was seen.
	for _, seen := range []api.Seq{4, 6} {
		_, err := groot.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: 4, Text: "no", IfSeq: &seen})
		wantCode(t, err, api.CodeConflict, "if_seq")
	}
	must[*api.MessageEditResult](t)(groot.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: 4, Text: "We are Groot.", Data: json.RawMessage(`{"n":1}`), IfSeq: ptr(api.Seq(5))}))
	if m := thanos.message(t, "lobby", 4); m.Text != "We are Groot." || string(m.Data) != `{"n":1}` {
		t.Errorf("%+v", m)
	}

	for _, c := range []struct {
		who   *client
		p     api.MessageEditParams
		code  api.Code
		field string
	}{
		{thanos, api.MessageEditParams{Room: "lobby", Seq: 4, Text: "mine"}, api.CodePermissionDenied, "seq"},
		{groot, api.MessageEditParams{Room: "lobby", Seq: 1, Text: "no message"}, api.CodeNotFound, "seq"},
		{groot, api.MessageEditParams{Room: "lobby", Seq: 5, Text: "an edit"}, api.CodeNotFound, "seq"},
		{groot, api.MessageEditParams{Room: "lobby", Seq: 99, Text: "beyond the end"}, api.CodeNotFound, "seq"},
		{groot, api.MessageEditParams{Room: "nowhere", Seq: 4, Text: "x"}, api.CodeNotFound, "room"},
		{w.user("hulk"), api.MessageEditParams{Room: "lobby", Seq: 4, Text: "x"}, api.CodePermissionDenied, "room"},
	} {
		_, err := c.who.MessageEdit(t.Context(), &c.p)
		wantCode(t, err, c.code, c.field)
	}
	if m := groot.message(t, "lobby", 4); *m.EditedSeq != 6 {
		t.Errorf("a refused edit left %+v", m)
	}
}

func TestMessageEditLimit(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	groot.create("lobby")
	seq := groot.post("lobby", "0").Seq
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = groot.edit(t, seq, fmt.Sprint(n+1))
	}
	wantCode(t, err, api.CodeFailedPrecondition, "seq")
	if n != 1001 {
		t.Errorf("refused at edit %d", n)
	}
}

// A deleted message leaves nothing of what it said, in the log or anywhere.
func TestMessageDelete(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := groot.create("lobby")
	thanos.join("lobby")
	post := must[*api.MessagePostResult](t)(thanos.MessagePost(t.Context(), &api.MessagePostParams{
		Room: "lobby", Text: "secret one for @groot", Data: json.RawMessage(`{"secret":2}`), ReplyTo: nil, IdempotencyKey: "k", Mentions: []string{"groot"},
	})) // 4
	must[*api.MessageEditResult](t)(thanos.edit(t, 4, "secret three"))
	must[*api.ReactionAddResult](t)(groot.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: 4, Emoji: "👍"}))
	must[*api.PinAddResult](t)(groot.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: 4}))
	hulk := w.user("hulk")
	hulk.join("lobby")
	_, err := hulk.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 4})
	wantCode(t, err, api.CodePermissionDenied, "seq")
	res := must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 4, Reason: "too loud"}))
	if !res.Deleted || *res.Seq != 9 {
		t.Errorf("%+v", res)
	}
	if res := must[*api.MessageDeleteResult](t)(thanos.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 4})); res.Deleted || res.Seq != nil {
		t.Errorf("twice: %+v", res)
	}
	records := must[[]chat.Record](t)(w.store.History(t.Context(), &chat.HistoryQuery{Room: room, Limit: 100}))
	for _, r := range records {
		if strings.Contains(string(r.Bytes), "secret") {
			t.Errorf("record %d: %s", r.Seq, r.Bytes)
		}
	}
	want := &api.Message{RoomID: room, Seq: 4, MsgNo: 1, At: post.At, SenderID: thanos.UserID(), SenderName: "thanos", Deleted: true}
	if d := cmp.Diff(want, groot.message(t, "lobby", 4)); d != "" {
		t.Error(d)
	}
	for _, h := range groot.history(t, "lobby")[3:5] {
		if !strings.Contains(string(h.Data), `"deleted":true`) {
			t.Errorf("%d is %s", h.Seq, h.Data)
		}
	}
	// The key stands for it all the same, and nothing more happens to it.
	dup := must[*api.MessagePostResult](t)(thanos.MessagePost(t.Context(), &api.MessagePostParams{
		Room: "lobby", Text: "secret one for @groot", Data: json.RawMessage(`{"secret":2}`), IdempotencyKey: "k", Mentions: []string{"groot"},
	}))
	if !dup.Duplicate || dup.Seq != 4 {
		t.Errorf("a retry: %+v", dup)
	}
	_, err = thanos.edit(t, 4, "back again")
	wantCode(t, err, api.CodeNotFound, "seq")
	_, err = groot.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: 4, Emoji: "👍"})
	wantCode(t, err, api.CodeNotFound, "seq")
	_, err = groot.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: 4})
	wantCode(t, err, api.CodeNotFound, "seq")
	if pins := must[*api.PinListResult](t)(groot.PinList(t.Context(), &api.PinListParams{Room: "lobby"})); len(pins.Messages) != 0 {
		t.Errorf("%+v", pins)
	}
}

func TestReactions(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby")
	groot.post("lobby", "hello") // 4
	react := func(c *client, emoji string) *api.ReactionAddResult {
		t.Helper()
		return must[*api.ReactionAddResult](t)(c.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: 4, Emoji: emoji}))
	}
	react(groot, "b")
	react(thanos, "👩‍👩‍👧") // several characters, joined
	react(thanos, "🏴󠁧󠁢󠁥󠁮󠁧󠁿")
	react(groot, "👩‍👩‍👧")
	if res := react(groot, "b"); res.Added || res.Seq != nil {
		t.Errorf("twice: %+v", res)
	}
	want := []api.ReactionCount{{Emoji: "👩‍👩‍👧", Count: 2, Mine: true}, {Emoji: "b", Count: 1}, {Emoji: "🏴󠁧󠁢󠁥󠁮󠁧󠁿", Count: 1, Mine: true}}
	if d := cmp.Diff(want, thanos.message(t, "lobby", 4).Reactions); d != "" {
		t.Error(d)
	}
	for range 2 {
		if _, err := thanos.ReactionRemove(t.Context(), &api.ReactionRemoveParams{Room: "lobby", Seq: 4, Emoji: "👩‍👩‍👧"}); err != nil {
			t.Error(err)
		}
	}
	if got := thanos.message(t, "lobby", 4).Reactions[0]; got != (api.ReactionCount{Emoji: "b", Count: 1}) {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"a b", "\x07", "\u202e", "a\u00a0b"} {
		_, err := groot.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: 4, Emoji: bad})
		wantCode(t, err, api.CodeInvalidParams, "emoji")
	}
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = groot.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: 4, Emoji: fmt.Sprint("x", n)})
	}
	wantCode(t, err, api.CodeFailedPrecondition, "emoji")
	if got := len(groot.message(t, "lobby", 4).Reactions); got != 50 {
		t.Errorf("%d kinds", got)
	}
	react(thanos, "x0") // a kind that is there
}

func TestPins(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby")
	for range 101 {
		groot.post("lobby", "x") // from 4
	}
	_, err := thanos.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: 4})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = thanos.PinRemove(t.Context(), &api.PinRemoveParams{Room: "lobby", Seq: 4})
	wantCode(t, err, api.CodePermissionDenied, "room")
	for seq := api.Seq(4); seq < 104; seq++ {
		must[*api.PinAddResult](t)(groot.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: seq}))
	}
	if res := must[*api.PinAddResult](t)(groot.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: 4})); res.Added {
		t.Errorf("twice: %+v", res)
	}
	_, err = groot.PinAdd(t.Context(), &api.PinAddParams{Room: "lobby", Seq: 104})
	wantCode(t, err, api.CodeFailedPrecondition, "seq")
	must[*api.PinRemoveResult](t)(groot.PinRemove(t.Context(), &api.PinRemoveParams{Room: "lobby", Seq: 50}))
	if res := must[*api.PinRemoveResult](t)(groot.PinRemove(t.Context(), &api.PinRemoveParams{Room: "lobby", Seq: 50})); res.Removed {
		t.Errorf("twice: %+v", res)
	}
	pins := must[*api.PinListResult](t)(thanos.PinList(t.Context(), &api.PinListParams{Room: "lobby"})).Messages
	if len(pins) != 99 || pins[0].Seq != 103 || pins[98].Seq != 4 || !pins[0].Pinned {
		t.Errorf("%d pins from %d to %d", len(pins), pins[0].Seq, pins[len(pins)-1].Seq)
	}
}

func TestThreads(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby")
	groot.post("lobby", "one") // 4
	groot.post("lobby", "two") // 5
	answer := func(root api.Seq, text string) (*api.MessagePostResult, error) {
		return thanos.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: text, Thread: &root, IdempotencyKey: text})
	}
	for i, root := range []api.Seq{4, 5, 4, 4} { // 6, 7, 8, 9
		must[*api.MessagePostResult](t)(answer(root, fmt.Sprint("answer ", i)))
	}
	if dup := must[*api.MessagePostResult](t)(answer(4, "answer 3")); !dup.Duplicate {
		t.Error("not a duplicate")
	}
	_, err := answer(5, "answer 3") // elsewhere
	wantCode(t, err, api.CodeIdempotencyConflict, "idempotency_key")
	_, err = answer(6, "under an answer")
	wantCode(t, err, api.CodeFailedPrecondition, "thread")
	for _, none := range []api.Seq{1, 99} {
		_, err = answer(none, "under nothing")
		wantCode(t, err, api.CodeNotFound, "thread")
	}
	list := func(p api.ThreadListParams) (seqs []api.Seq, next string) {
		t.Helper()
		p.Room = "lobby"
		res := must[*api.ThreadListResult](t)(groot.ThreadList(t.Context(), &p))
		for _, th := range res.Threads {
			seqs = append(seqs, th.Root)
		}
		return seqs, res.NextCursor
	}
	if got, next := list(api.ThreadListParams{}); !slices.Equal(got, []api.Seq{4, 5}) || next != "" {
		t.Errorf("threads %v, next %q", got, next)
	}
	got, next := list(api.ThreadListParams{Limit: ptr(int64(1))})
	if !slices.Equal(got, []api.Seq{4}) || next == "" {
		t.Errorf("threads %v, next %q", got, next)
	}
	if got, next := list(api.ThreadListParams{Cursor: next}); !slices.Equal(got, []api.Seq{5}) || next != "" {
		t.Errorf("threads %v, next %q", got, next)
	}
	_, err = groot.ThreadList(t.Context(), &api.ThreadListParams{Room: "lobby", Cursor: "x"})
	wantCode(t, err, api.CodeInvalidParams, "cursor")
	if m := groot.message(t, "lobby", 4); *m.Replies != 3 || *m.LastReply != 9 {
		t.Errorf("%+v", m)
	}
	page := must[*api.MessageListResult](t)(groot.MessageList(t.Context(), &api.MessageListParams{Room: "lobby", Thread: ptr(api.Seq(4)), Limit: ptr(int64(2))}))
	if len(page.Messages) != 2 || page.Messages[0].Seq != 8 || page.Messages[1].Seq != 9 || !page.HasMoreBefore || page.HasMoreAfter {
		t.Errorf("%+v", page)
	}
	// A deleted answer does not count, and what is deleted takes none.
	must[*api.MessageDeleteResult](t)(thanos.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 7}))
	if m := groot.message(t, "lobby", 5); m.Replies != nil || m.LastReply != nil {
		t.Errorf("%+v", m)
	}
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 4}))
	_, err = answer(4, "too late")
	wantCode(t, err, api.CodeNotFound, "thread")
	if m := groot.message(t, "lobby", 4); !m.Deleted || *m.Replies != 3 {
		t.Errorf("%+v", m)
	}
}

func TestMentions(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := groot.create("lobby")
	thanos.join("lobby")
	w.user("hulk")
	mentions := func(who *client, p api.MessagePostParams) string {
		t.Helper()
		p.Room = "lobby"
		res := must[*api.MessagePostResult](t)(who.MessagePost(t.Context(), &p))
		m := groot.message(t, "lobby", res.Seq)
		var names []string
		for _, id := range m.Mentions {
			names = append(names, map[api.UserID]string{groot.UserID(): "groot", thanos.UserID(): "thanos"}[id])
		}
		if m.MentionsRoom {
			names = append(names, "@room")
		}
		return strings.Join(names, " ")
	}
	for text, want := range map[string]string{
		"hello": "", "@thanos": "thanos", "hi @Thanos, @groot.": "thanos groot", "@thanos @thanos": "thanos", "a@thanos": "", "(@thanos)": "thanos", "@hulk": "", "@nobody": "",
		"@": "", "@@thanos": "", "@thanos_": "thanos", "@thanosx": "", "@room": "@room", "@room and @thanos": "thanos @room", "`@thanos`": "thanos", "@thanos's": "thanos",
	} {
		if got := mentions(groot, api.MessagePostParams{Text: text}); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"`@thanos`": "", "``@thanos ` x`` @groot": "groot", "```\n@thanos\n```": "", "`@thanos": "thanos", "**@thanos**": "thanos",
	} {
		if got := mentions(groot, api.MessagePostParams{Text: text, Format: api.TextFormatMarkdown}); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
	if got := mentions(thanos, api.MessagePostParams{Text: "@room"}); got != "" {
		t.Errorf("a member's @room means %q", got)
	}
	if got := mentions(groot, api.MessagePostParams{Text: "@thanos", Mentions: []string{}}); got != "" {
		t.Errorf("an empty list means %q", got)
	}
	if got := mentions(groot, api.MessagePostParams{Text: "hi", Mentions: []string{string(thanos.UserID()), "groot", "thanos", "@room"}}); got != "thanos groot @room" {
		t.Errorf("a list means %q", got)
	}
	for _, c := range []struct {
		who  *client
		refs []string
		code api.Code
	}{{groot, []string{"hulk"}, api.CodeNotFound}, {groot, []string{"user_01kb1z3c8efyvs6tjv5vz0q7xn"}, api.CodeNotFound}, {thanos, []string{"@room"}, api.CodePermissionDenied}} {
		_, err := c.who.MessagePost(t.Context(), &api.MessagePostParams{Room: string(room), Text: "x", Mentions: c.refs})
		wantCode(t, err, c.code, "mentions")
	}
	seq := groot.post("lobby", "nobody").Seq
	must[*api.MessageEditResult](t)(groot.edit(t, seq, "@thanos after all"))
	if m := groot.message(t, "lobby", seq); len(m.Mentions) != 1 || m.Mentions[0] != thanos.UserID() {
		t.Errorf("%+v", m)
	}
}

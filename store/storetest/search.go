package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
	"github.com/chatd-dev/chatd/store/memory"
)

// town is a whole chat on a store: ann and bob in the rooms a and b, and ann alone in the private room p.
type town struct {
	store    chat.Store
	svc      *chat.Service
	now      time.Time
	sessions map[string]*chat.Session
	names    map[api.RoomID]string
}

var townNames = []string{"ann", "bob"}

func newTown(t testing.TB, store chat.Store) *town {
	w := &town{store: store, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), sessions: map[string]*chat.Session{}, names: map[api.RoomID]string{}}
	w.svc = chat.New(store, &chat.Options{
		Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, Now: func() time.Time { return w.now }, Rand: &counting{},
		Limits: api.Limits{HistoryBytes: 2000},
	})
	for _, name := range townNames {
		s := w.svc.Connect(nil, chat.Peer{Loopback: true})
		if _, err := s.AuthRegister(t.Context(), &api.AuthRegisterParams{Username: name, Password: "correct horse"}); err != nil {
			t.Fatal(err)
		}
		w.sessions[name] = s
	}
	for _, name := range []string{"a", "b", "p"} {
		res, err := w.sessions["ann"].RoomCreate(t.Context(), &api.RoomCreateParams{Name: name, Visibility: map[string]api.Visibility{"p": api.VisibilityPrivate}[name]})
		if err != nil {
			t.Fatal(err)
		}
		w.names[res.Room.ID] = name
		if name != "p" {
			if _, err := w.sessions["bob"].RoomJoin(t.Context(), &api.RoomJoinParams{Room: name}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func (w *town) close() {
	for _, s := range w.sessions {
		s.Close()
	}
	w.svc.Close()
}

// counting is a source of numbers, each greater than the one before: so ids sort as they were made.
type counting struct{ n uint64 }

// Read implements io.Reader.
func (c *counting) Read(b []byte) (int, error) {
	c.n++
	clear(b)
	binary.BigEndian.PutUint64(b[max(0, len(b)-8):], c.n)
	return len(b), nil
}

// say posts and gives the seq.
func (w *town) say(t testing.TB, who, room, text string) api.Seq {
	t.Helper()
	res, err := w.sessions[who].MessagePost(t.Context(), &api.MessagePostParams{Room: room, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return res.Seq
}

// find gives all pages of what query finds for who: a line for each hit, and one between pages.
func (w *town) find(ctx context.Context, who string, p *api.MessageSearchParams) []string {
	var lines []string
	for {
		res, err := w.sessions[who].MessageSearch(ctx, p)
		if err != nil {
			var coded *api.Error
			if !errors.As(err, &coded) {
				return append(lines, "internal: "+err.Error())
			}
			return append(lines, coded.Message)
		}
		for i := range res.Hits {
			m, x := &res.Hits[i].Message, &res.Hits[i].Snippet
			lines = append(lines, fmt.Sprintf("%s %d %q %v %v %s %t", w.names[m.RoomID], m.Seq, x.Text, x.Marks, m.Reactions, m.SenderName, m.Pinned))
		}
		if res.Behind != nil {
			lines = append(lines, "behind")
		}
		if res.NextCursor == "" {
			return lines
		}
		if p.Cursor == res.NextCursor {
			return append(lines, "does not move on")
		}
		lines = append(lines, "next page")
		p.Cursor = res.NextCursor
	}
}

func (f *fixture) town() *town {
	w := newTown(f.T, f.Store)
	f.Cleanup(w.close)
	return w
}

// wantFound checks what query finds, before and after the index has everything.
func (f *fixture) wantFound(w *town, who, query string, texts ...string) {
	f.Helper()
	for _, when := range []string{"at once", "from the index"} {
		var got []string
		for _, line := range w.find(f.ctx(), who, &api.MessageSearchParams{Query: query}) {
			_, text, _ := strings.Cut(line, `"`)
			text, _, _ = strings.Cut(text, `"`)
			got = append(got, text)
		}
		f.want(query+" "+when, got, texts)
		f.settle()
	}
}

// settle waits until the store's index has everything.
func (f *fixture) settle() {
	f.Helper()
	if f.indexed != nil {
		if err := f.indexed(f.ctx(), f.Store); err != nil {
			f.Fatalf("index: %v", err)
		}
	}
}

var searchTests = []test{
	{"SearchFollowsWhatBecomesOfMessages", func(f *fixture) {
		w := f.town()
		first := w.say(f, "ann", "a", "the first deploy")
		w.now = w.now.Add(time.Hour)
		w.say(f, "bob", "b", "the second deployment")
		w.now = w.now.Add(time.Hour)
		w.say(f, "ann", "p", "the secret deploy")
		f.wantFound(w, "ann", "deploy*", "the secret deploy", "the second deployment", "the first deploy")
		f.wantFound(w, "bob", "deploy*", "the second deployment", "the first deploy")
		f.wantFound(w, "ann", "deploy", "the secret deploy", "the first deploy")
		f.wantFound(w, "ann", "in:a -secret", "the first deploy")
		f.wantFound(w, "ann", "-deploy", "the second deployment")
		f.wantFound(w, "ann", "from:bob the", "the second deployment")

		ann := w.sessions["ann"]
		_, err := ann.MessageEdit(f.ctx(), &api.MessageEditParams{Room: "a", Seq: first, Text: "the first rollback"})
		f.wantErr(err, nil)
		f.wantFound(w, "ann", "deploy", "the secret deploy")
		f.wantFound(w, "bob", "rollback", "the first rollback")
		f.wantFound(w, "bob", "has:reaction")
		_, err = ann.ReactionAdd(f.ctx(), &api.ReactionAddParams{Room: "a", Seq: first, Emoji: "x"})
		f.wantErr(err, nil)
		_, err = ann.PinAdd(f.ctx(), &api.PinAddParams{Room: "a", Seq: first})
		f.wantErr(err, nil)
		answer, err := ann.MessagePost(f.ctx(), &api.MessagePostParams{Room: "a", Text: "why", Thread: &first})
		f.wantErr(err, nil)
		f.wantFound(w, "bob", "has:reaction has:pin has:thread rollback", "the first rollback")
		_, err = ann.MessageDelete(f.ctx(), &api.MessageDeleteParams{Room: "a", Seq: answer.Seq})
		f.wantErr(err, nil)
		_, err = ann.PinRemove(f.ctx(), &api.PinRemoveParams{Room: "a", Seq: first})
		f.wantErr(err, nil)
		f.wantFound(w, "bob", "has:thread")
		f.wantFound(w, "bob", "why")
		f.wantFound(w, "bob", "has:reaction -has:pin", "the first rollback")
		_, err = w.sessions["bob"].RoomLeave(f.ctx(), &api.RoomLeaveParams{Room: "a"})
		f.wantErr(err, nil)
		f.wantFound(w, "bob", "rollback")
		_, err = ann.MessageDelete(f.ctx(), &api.MessageDeleteParams{Room: "a", Seq: first})
		f.wantErr(err, nil)
		f.wantFound(w, "ann", "rollback")
		f.wantFound(w, "ann", "in:a")
	}},
	{"SearchPagesStayWhereTheyAre", func(f *fixture) {
		w := f.town()
		var seqs []api.Seq
		for i := range 10 {
			w.now = w.now.Add(time.Duration(i%3) * time.Millisecond) // some at the same time
			seqs = append(seqs, w.say(f, "ann", "a", fmt.Sprintf("word %d", i)))
		}
		ann := w.sessions["ann"]
		limit := int64(3)
		p := &api.MessageSearchParams{Query: "word", Limit: &limit}
		var got []string
		for page := range 4 {
			res, err := ann.MessageSearch(f.ctx(), p)
			f.wantErr(err, nil)
			for i := range res.Hits {
				got = append(got, res.Hits[i].Message.Text)
			}
			p.Cursor = res.NextCursor
			switch page {
			case 0: // 9, 8, 7 were shown
				_, err = ann.MessageDelete(f.ctx(), &api.MessageDeleteParams{Room: "a", Seq: seqs[7]})
				f.wantErr(err, nil)
				w.now = w.now.Add(time.Millisecond)
				w.say(f, "bob", "b", "a new word")
				f.settle()
			case 1: // 6, 5, 4
				_, err = ann.MessageEdit(f.ctx(), &api.MessageEditParams{Room: "a", Seq: seqs[4], Text: "no"})
				f.wantErr(err, nil)
				_, err = ann.MessageEdit(f.ctx(), &api.MessageEditParams{Room: "a", Seq: seqs[2], Text: "word, edited"})
				f.wantErr(err, nil)
			}
		}
		f.want("all pages", got, []string{"word 9", "word 8", "word 7", "word 6", "word 5", "word 4", "word 3", "word, edited", "word 1", "word 0"})
		f.want("no more", p.Cursor, "")
	}},
	{"SearchAfterReopening", func(f *fixture) {
		if f.reopen == nil {
			f.Skip("nothing outlives Close")
		}
		w := f.town()
		for i := range 600 {
			w.now = w.now.Add(time.Millisecond)
			w.say(f, "ann", "a", fmt.Sprintf("word%d", i))
		}
		for range 2 { // once with what was not indexed, once with what was
			f.Store = f.reopen(f.T, f.Store)
			f.settle()
			user, err := f.AccountByName(f.ctx(), "ann")
			f.wantErr(err, nil)
			for _, i := range []int{0, 300, 599} {
				page, err := f.Search(f.ctx(), &chat.SearchQuery{User: user.ID, Limit: 10, Text: must(search.Parse(fmt.Sprintf("word%d", i)))})
				f.wantErr(err, nil)
				f.want("found", len(page.Messages), 1)
			}
		}
	}},
}

// searchSameAsMemory does the same to a chat on a store and to one on store/memory, and compares what is found.
func searchSameAsMemory(t *testing.T, open func(t testing.TB) chat.Store, indexed func(ctx context.Context, s chat.Store) error) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &double{got: newTown(t, open(t)), want: newTown(t, memory.New()), indexed: indexed}
		defer func() {
			d.got.close()
			d.want.close()
			if err := d.got.store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"say": d.say, "say more": d.say, "change": d.change, "come and go": d.comeAndGo, "index": d.index, "find": d.find, "find more": d.find,
		})
	})
}

type double struct {
	got, want *town
	indexed   func(ctx context.Context, s chat.Store) error
	last      api.Seq
}

var (
	pieces = rapid.SampledFrom([]string{
		"Deploy", "deployed", "DÉPLOI", "the", "server", "サーバー", "東京都庁", "東京", "京", "서버를", "сервер", "Ёлка", "שָׁלוֹם", "مُحَمَّد", "https://x.org/a", "c++", "foo_bar", "v1.2", "👍", "straße", "a", "",
	})
	seams    = rapid.SampledFrom([]string{" ", " ", ", ", "", "\n", "-"})
	people   = rapid.SampledFrom(townNames)
	places   = rapid.SampledFrom([]string{"a", "a", "b", "p"})
	wantable = rapid.SampledFrom([]string{
		"deploy", "depl*", "d*", "deployed", "deploi", "the", "サーバ", "東", "京", "京都", "東京都", "庁", "서버", "СЕРВЕР", "елка", "שלום", "محمد", "x.org", "c++", "foo_bar", "bar", "v1", "👍", "STRASSE", "a",
		`"the server"`, `"deploy the"`, `"deployed d"*`, `"東京 the"`, `"京 a"`, "in:a", "in:b", "in:p", "in:none", "from:ann", "from:bob", "from:me", "from:none", "has:link", "has:data", "has:pin", "has:reaction", "has:thread", "has:mention",
		"before:2026-11-02", "after:2026-11-01", "after:2026-10", "before:2026-11-01T12:00:00.003Z", `"`, `" OR "`, "{text}:a", "NEAR(a b)", "*", "^a",
	})
)

func sentence(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(1, 5).Draw(t, "words") {
		b.WriteString(pieces.Draw(t, "word"))
		b.WriteString(seams.Draw(t, "seam"))
	}
	return b.String()
}

// both does the same in both towns and compares how it went.
func (d *double) both(t *rapid.T, what string, do func(w *town) (any, error)) {
	got, err := do(d.got)
	want, wantErr := do(d.want)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%s: %v, in memory %v", what, err, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-memory +store):\n%s", what, diff)
	}
}

func (d *double) say(t *rapid.T) {
	later := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Hour, -time.Hour}).Draw(t, "later")
	p := &api.MessagePostParams{Room: places.Draw(t, "room"), Text: sentence(t)}
	if rapid.IntRange(0, 4).Draw(t, "data") == 0 {
		p.Data = []byte(`{"x":1}`)
	}
	if rapid.IntRange(0, 4).Draw(t, "thread") == 0 && d.last > 0 {
		under := d.last
		p.Thread = &under
	}
	who := people.Draw(t, "who")
	d.both(t, "post", func(w *town) (any, error) {
		w.now = w.now.Add(later)
		res, err := w.sessions[who].MessagePost(ctx, p)
		if err != nil {
			return nil, err
		}
		d.last = res.Seq
		return res.Seq, nil
	})
}

func (d *double) change(t *rapid.T) {
	who, room, seq, text := people.Draw(t, "who"), places.Draw(t, "room"), api.Seq(rapid.Int64Range(3, 20).Draw(t, "seq")), sentence(t)
	what := rapid.SampledFrom([]string{"edit", "edit", "delete", "react", "unreact", "pin", "unpin"}).Draw(t, "what")
	d.both(t, what, func(w *town) (any, error) {
		s := w.sessions[who]
		var err error
		switch what {
		case "edit":
			_, err = s.MessageEdit(ctx, &api.MessageEditParams{Room: room, Seq: seq, Text: text})
		case "delete":
			_, err = s.MessageDelete(ctx, &api.MessageDeleteParams{Room: room, Seq: seq})
		case "react":
			_, err = s.ReactionAdd(ctx, &api.ReactionAddParams{Room: room, Seq: seq, Emoji: "x"})
		case "unreact":
			_, err = s.ReactionRemove(ctx, &api.ReactionRemoveParams{Room: room, Seq: seq, Emoji: "x"})
		case "pin":
			_, err = s.PinAdd(ctx, &api.PinAddParams{Room: room, Seq: seq})
		case "unpin":
			_, err = s.PinRemove(ctx, &api.PinRemoveParams{Room: room, Seq: seq})
		}
		return nil, err
	})
}

func (d *double) comeAndGo(t *rapid.T) {
	who, room, come := people.Draw(t, "who"), places.Draw(t, "room"), rapid.Bool().Draw(t, "come")
	d.both(t, "join or leave", func(w *town) (any, error) {
		var err error
		if come {
			_, err = w.sessions[who].RoomJoin(ctx, &api.RoomJoinParams{Room: room})
		} else {
			_, err = w.sessions[who].RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
		}
		return nil, err
	})
}

func (d *double) index(t *rapid.T) {
	if d.indexed == nil {
		t.Skip("there is none")
	}
	if err := d.indexed(ctx, d.got.store); err != nil {
		t.Fatal(err)
	}
}

func (d *double) find(t *rapid.T) {
	who, limit := people.Draw(t, "who"), rapid.Int64Range(1, 5).Draw(t, "limit")
	var parts []string
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		part := wantable.Draw(t, "part")
		if rapid.IntRange(0, 4).Draw(t, "not") == 0 {
			part = "-" + part
		}
		parts = append(parts, part)
	}
	room := rapid.SampledFrom([]string{"", "", "", "a", "p"}).Draw(t, "room")
	query := strings.Join(parts, " ")
	d.both(t, query, func(w *town) (any, error) {
		return w.find(ctx, who, &api.MessageSearchParams{Query: query, Room: room, Limit: &limit}), nil
	})
}

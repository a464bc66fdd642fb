package chat_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/fuzzing"
	"github.com/chatd-dev/chatd/store/memory"
)

// archive is a room whose log is known.
type archive struct {
	name string
	log  []chat.Record
}

// pages is what FuzzHistory asks: the same store behind a service without bounds and one with small ones.
type pages struct {
	rooms    []archive
	sessions []*chat.Session
	limits   []api.Limits
}

func newPages(t testing.TB) *pages {
	t.Helper()
	p := &pages{limits: []api.Limits{{}, {HistoryLimit: 20, HistoryBytes: 1500}}}
	store := memory.New()
	svc := serviceOn(t, store, api.Limits{})
	ada, bob := signUp(t, svc, "ada"), signUp(t, svc, "bob")
	ctx := t.Context()
	for _, n := range []int{0, 5, 260} {
		name := fmt.Sprintf("room%d", n)
		res, err := ada.RoomCreate(ctx, &api.RoomCreateParams{Name: name})
		for i := 0; i < n && err == nil; i++ {
			switch {
			case i%7 == 2:
				_, err = bob.RoomJoin(ctx, &api.RoomJoinParams{Room: name})
			case i%7 == 5:
				_, err = bob.RoomLeave(ctx, &api.RoomLeaveParams{Room: name})
			case i%50 < 20:
				_, err = ada.MessagePost(ctx, &api.MessagePostParams{Room: name, Text: fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("é"), i%40))})
			default:
				_, err = ada.MessagePost(ctx, &api.MessagePostParams{Room: name, Format: api.TextFormatMarkdown, Data: []byte(`{"n":1}`)})
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		log, err := store.History(ctx, &chat.HistoryQuery{Room: res.Room.ID, Limit: math.MaxInt})
		if err != nil || len(log) != n+2 {
			t.Fatalf("%d records, %v", len(log), err)
		}
		p.rooms = append(p.rooms, archive{name, log})
	}
	for _, limits := range p.limits {
		s := serviceOn(t, store, limits).Connect(nil, chat.Peer{Loopback: true})
		t.Cleanup(s.Close)
		if _, err := s.AuthLogin(ctx, &api.AuthLoginParams{Username: "ada", Password: "password of ada"}); err != nil {
			t.Fatal(err)
		}
		p.sessions = append(p.sessions, s)
	}
	return p
}

func serviceOn(t testing.TB, store chat.Store, limits api.Limits) *chat.Service {
	svc := chat.New(store, &chat.Options{Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, Limits: limits})
	t.Cleanup(svc.Close)
	return svc
}

func signUp(t testing.TB, svc *chat.Service, name string) *chat.Session {
	t.Helper()
	s := svc.Connect(nil, chat.Peer{Loopback: true})
	t.Cleanup(s.Close)
	if _, err := s.AuthRegister(t.Context(), &api.AuthRegisterParams{Username: name, Password: "password of " + name}); err != nil {
		t.Fatal(err)
	}
	return s
}

// question is one input: which page of which room.
type question struct {
	room, service         int
	messages              bool // message.list
	before, after, around *api.Seq
	limit                 *int64
	types                 []api.EventType
}

func readQuestion(in []byte, rooms []archive) *question {
	b := func() int {
		if len(in) == 0 {
			return 0
		}
		c := in[0]
		in = in[1:]
		return int(c)
	}
	what, given, types := b(), b(), b()
	q := &question{room: what % len(rooms), service: what >> 6 & 1, messages: what>>7 == 1}
	head := int64(len(rooms[q.room].log))
	seq := func(bit int) *api.Seq {
		if given>>bit&1 == 0 {
			return nil
		}
		n := int64(b()) | int64(b())<<8
		switch {
		case n >= 0xff00:
			n = 1<<53 - 1 - n&7
		default:
			n %= head + 5
		}
		return ptr(api.Seq(n))
	}
	if given>>3&1 == 1 {
		n := int64(b())
		if n < 192 { // long pages are slow to read, and no stranger than short ones
			n %= 12
		}
		q.limit = ptr(min(n, 199) + 1)
	}
	q.before, q.after, q.around = seq(0), seq(1), seq(2)
	if q.messages {
		q.types = []api.EventType{api.EventTypeMessagePosted}
		return q
	}
	for i, name := range []api.EventType{api.EventTypeRoomCreated, api.EventTypeMemberJoined, api.EventTypeMemberLeft, api.EventTypeMessagePosted, "moon.rose"} {
		if types>>i&1 == 1 {
			q.types = append(q.types, name)
		}
	}
	return q
}

// answer is what a page should be.
type answer struct {
	records       []chat.Record
	before, after bool
}

// model says it from the whole log.
func (q *question) model(log []chat.Record, limits api.Limits) answer {
	fit := log
	if len(q.types) > 0 {
		fit = nil
		for i := range log {
			if slices.Contains(q.types, log[i].Type) {
				fit = append(fit, log[i])
			}
		}
	}
	limit, size := 50, int(limits.HistoryBytes)
	if q.limit != nil {
		limit = int(*q.limit)
	}
	if n := int(limits.HistoryLimit); n > 0 {
		limit = min(limit, n)
	}
	split := len(fit) // the page lies before or behind it
	at := func(seq api.Seq) int {
		for i := range fit {
			if fit[i].Seq >= seq {
				return i
			}
		}
		return len(fit)
	}
	from, to := 0, 0
	switch {
	case q.after != nil:
		split = at(*q.after + 1)
		from, to = split, forward(fit, split, limit, size)
	case q.around != nil:
		split = at(*q.around)
		from = backward(fit, split, limit/2, size/2)
		to = forward(fit, split, limit-(split-from), size/2)
	default:
		if q.before != nil {
			split = at(*q.before)
		}
		from, to = backward(fit, split, limit, size), split
	}
	return answer{fit[from:to], from > 0, to < len(fit)}
}

// forward is where a page ends that begins at i and is full with n records or with size bytes, if that is not 0.
func forward(log []chat.Record, i, n, size int) int {
	for sum := 0; i < len(log) && n > 0 && (size == 0 || sum < size); n-- {
		sum += len(log[i].Bytes)
		i++
	}
	return i
}

// backward is where a page begins that ends before i.
func backward(log []chat.Record, i, n, size int) int {
	for sum := 0; i > 0 && n > 0 && (size == 0 || sum < size); n-- {
		i--
		sum += len(log[i].Bytes)
	}
	return i
}

// Every page of room.history and message.list is the one that a plain reading of the log gives.
func FuzzHistory(f *testing.F) {
	p := newPages(f)
	seeds := []string{"", "\x02\x00", "\x02\x01\x00\x10\x00", "\x82\x0a\x00\x05\x03\x00", "\x42\x0c\x08\x07\x80\x00", "\x02\x04\x02\xff\xff", "\x02\x03\x00\x01\x00\x02\x00", "\xc2\x0c\x00\x00\x00\x01", "\x02\x09\x1f\xc7\x04\x01", "\x01\x0f\x00\x01\x01\x01\x01\x01\x01\x01"}
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: []string{"\xff\xff", "\x00\x00", "\x01\x00", "\x06\x01"}, MaxSize: 10}, func(t testing.TB, in []byte) {
		q := readQuestion(in, p.rooms)
		room := &p.rooms[q.room]
		got, err := p.ask(t, q)
		given := []*api.Seq{q.before, q.after, q.around}
		if n := len(slices.DeleteFunc(given, func(s *api.Seq) bool { return s == nil })); n > 1 {
			field := "around"
			if q.before != nil && q.after != nil {
				field = "after"
			}
			wantCode(t, err, api.CodeInvalidParams, field)
			return
		}
		want := q.model(room.log, p.limits[q.service])
		if err != nil || got.before != want.before || got.after != want.after || !slices.EqualFunc(got.records, want.records, func(a, b chat.Record) bool { return a.Seq == b.Seq && bytes.Equal(a.Bytes, b.Bytes) }) {
			t.Fatalf("%s:\ngot  %s, %v\nwant %s", q, got, err, want)
		}
	})
}

// ask calls the method. A message has no bytes of its own: it is taken for its record when it says the same.
func (p *pages) ask(t testing.TB, q *question) (answer, error) {
	s, room := p.sessions[q.service], &p.rooms[q.room]
	var a answer
	head := api.Head{}
	if q.messages {
		res, err := s.MessageList(t.Context(), &api.MessageListParams{Room: room.name, Before: q.before, After: q.after, Around: q.around, Limit: q.limit})
		if err != nil {
			return a, err
		}
		a.before, a.after, head = res.HasMoreBefore, res.HasMoreAfter, res.Head
		for i := range res.Messages {
			m := &res.Messages[i]
			data := api.MessagePosted{MsgNo: m.MsgNo, Text: m.Text, Format: m.Format, ReplyTo: m.ReplyTo, Data: m.Data}
			ev := api.Event{RoomID: m.RoomID, Seq: m.Seq, Type: api.EventTypeMessagePosted, At: m.At, SenderID: m.SenderID, SenderName: m.SenderName, Data: data.AppendJSON(nil)}
			a.records = append(a.records, chat.Record{Seq: m.Seq, Bytes: ev.AppendJSON(nil)})
		}
	} else {
		res, err := s.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: room.name, Before: q.before, After: q.after, Around: q.around, Limit: q.limit, Types: q.types})
		if err != nil {
			return a, err
		}
		a.before, a.after, head = res.HasMoreBefore, res.HasMoreAfter, res.Head
		for i := range res.Events {
			raw := res.Events[i].Raw
			at := bytes.Index(raw, []byte(`"seq":`))
			seq := api.Seq(0)
			for _, c := range raw[at+6:] {
				if c < '0' || c > '9' {
					break
				}
				seq = seq*10 + api.Seq(c-'0')
			}
			a.records = append(a.records, chat.Record{Seq: seq, Bytes: raw})
		}
	}
	if last := room.log[len(room.log)-1]; head.Seq != last.Seq {
		t.Fatalf("%s: head %d, want %d", q, head.Seq, last.Seq)
	}
	return a, nil
}

func (q *question) String() string {
	show := func(name string, n *api.Seq) string {
		if n == nil {
			return ""
		}
		return fmt.Sprintf(" %s %d", name, *n)
	}
	text := fmt.Sprintf("room %d, service %d, messages %v:", q.room, q.service, q.messages) + show("before", q.before) + show("after", q.after) + show("around", q.around)
	if q.limit != nil {
		text += fmt.Sprintf(" limit %d", *q.limit)
	}
	return fmt.Sprint(text, " types ", q.types)
}

func (a answer) String() string {
	var seqs []api.Seq
	for _, r := range a.records {
		seqs = append(seqs, r.Seq)
	}
	return fmt.Sprintf("%d, more before %v, after %v", seqs, a.before, a.after)
}

package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func TestRooms(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	res, err := groot.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby", Title: "The lobby"})
	if err != nil {
		t.Fatal(err)
	}
	if r := res.Room; r.Role != api.RoleOwner || r.MemberCount != 1 || r.Head != (api.Head{Seq: 2}) || r.Visibility != api.VisibilityPublic {
		t.Errorf("created %+v", r)
	}
	_, err = thanos.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby"})
	wantCode(t, err, api.CodeAlreadyExists, "name")
	_, err = thanos.RoomCreate(ctx, &api.RoomCreateParams{Name: "room_01kb1z3c8efyvs6tjv5vz0q7xn"})
	wantCode(t, err, api.CodeInvalidParams, "name")

	// By name and by id; for a stranger to the room without a role.
	for _, ref := range []string{"lobby", string(res.Room.ID)} {
		got, err := thanos.RoomGet(ctx, &api.RoomGetParams{Room: ref})
		if err != nil || got.Room.ID != res.Room.ID || got.Room.Role != "" {
			t.Errorf("get %s: %+v, %v", ref, got, err)
		}
	}
	_, err = thanos.RoomGet(ctx, &api.RoomGetParams{Room: "nowhere"})
	wantCode(t, err, api.CodeNotFound, "room")

	// What only members may.
	_, err = thanos.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "hi"})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = thanos.RoomHistory(ctx, &api.RoomHistoryParams{Room: "lobby"})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = thanos.MemberList(ctx, &api.MemberListParams{Room: "lobby"})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = thanos.SyncOpen(ctx, &api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: "lobby"}}}})
	wantCode(t, err, api.CodePermissionDenied, "rooms[0].room")

	if j := thanos.join("lobby"); !j.Joined || j.Head.Seq != 3 || j.Room.MemberCount != 2 || j.Room.Role != api.RoleMember {
		t.Errorf("join %+v", j)
	}
	if j := thanos.join("lobby"); j.Joined || j.Head.Seq != 3 {
		t.Errorf("join again %+v", j)
	}
	members, err := groot.MemberList(ctx, &api.MemberListParams{Room: "lobby", Limit: ptr(int64(1))})
	if err != nil || len(members.Members) != 1 || members.Members[0].Username != "groot" || !members.Members[0].Online || members.NextCursor == "" {
		t.Errorf("members %+v, %v", members, err)
	}
	members, err = groot.MemberList(ctx, &api.MemberListParams{Room: "lobby", Limit: ptr(int64(1)), Cursor: members.NextCursor})
	if err != nil || len(members.Members) != 1 || members.Members[0].Username != "thanos" || members.NextCursor != "" {
		t.Errorf("members, page 2: %+v, %v", members, err)
	}
	left, err := thanos.RoomLeave(ctx, &api.RoomLeaveParams{Room: "lobby"})
	if err != nil || !left.Left || *left.Seq != 4 {
		t.Errorf("leave %+v, %v", left, err)
	}
	left, err = thanos.RoomLeave(ctx, &api.RoomLeaveParams{Room: "lobby"})
	if err != nil || left.Left || left.Seq != nil {
		t.Errorf("leave again %+v, %v", left, err)
	}
	_, err = thanos.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "hi"})
	wantCode(t, err, api.CodePermissionDenied, "room")
}

func TestPrivateRoomsLookMissing(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	res, err := groot.RoomCreate(ctx, &api.RoomCreateParams{Name: "secret", Visibility: api.VisibilityPrivate})
	if err != nil {
		t.Fatal(err)
	}
	id := string(res.Room.ID)
	absent := id[:len(id)-1] + "0"
	if absent == id {
		absent = id[:len(id)-1] + "1"
	}
	calls := map[string]func(ref string) error{
		"room.get":   func(ref string) error { _, err := thanos.RoomGet(ctx, &api.RoomGetParams{Room: ref}); return err },
		"room.join":  func(ref string) error { _, err := thanos.RoomJoin(ctx, &api.RoomJoinParams{Room: ref}); return err },
		"room.leave": func(ref string) error { _, err := thanos.RoomLeave(ctx, &api.RoomLeaveParams{Room: ref}); return err },
		"room.history": func(ref string) error {
			_, err := thanos.RoomHistory(ctx, &api.RoomHistoryParams{Room: ref})
			return err
		},
		"message.list": func(ref string) error {
			_, err := thanos.MessageList(ctx, &api.MessageListParams{Room: ref})
			return err
		},
		"message.post": func(ref string) error {
			_, err := thanos.MessagePost(ctx, &api.MessagePostParams{Room: ref, Text: "x"})
			return err
		},
		"member.list": func(ref string) error { _, err := thanos.MemberList(ctx, &api.MemberListParams{Room: ref}); return err },
		"sync.close": func(ref string) error {
			_, err := thanos.SyncClose(ctx, &api.SyncCloseParams{Rooms: []string{ref}})
			return err
		},
	}
	for method, call := range calls {
		for real, missing := range map[string]string{"secret": "nothing", id: absent} {
			a, b := call(real), call(missing)
			if a == nil || b == nil || a.Error() != b.Error() {
				t.Errorf("%s: a private room answers %v, a missing one %v", method, a, b)
			}
		}
	}
	list, err := thanos.RoomList(ctx, &api.RoomListParams{})
	if err != nil || len(list.Rooms) != 0 {
		t.Errorf("list shows %+v, %v", list, err)
	}
	if list, err = groot.RoomList(ctx, &api.RoomListParams{}); err != nil || len(list.Rooms) != 1 {
		t.Errorf("its owner's list shows %+v, %v", list, err)
	}
}

func TestRoomListPages(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	for i := range 7 {
		groot.create(fmt.Sprintf("r%d", i))
	}
	var names []string
	p := &api.RoomListParams{Limit: ptr(int64(3)), Joined: ptr(true)}
	for {
		res, err := groot.RoomList(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Rooms {
			names = append(names, r.Name)
		}
		if res.NextCursor == "" {
			break
		}
		p.Cursor = res.NextCursor
	}
	if got := strings.Join(names, " "); got != "r0 r1 r2 r3 r4 r5 r6" {
		t.Error(got)
	}
}

func TestPost(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Limits: api.Limits{MaxTextBytes: 16, MaxDataBytes: 16}})
	ctx := t.Context()
	groot := w.user("groot")
	room := groot.create("lobby")
	first, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "héllo", IdempotencyKey: "k1", Data: json.RawMessage(`{"n": 1.50}`)})
	if err != nil || first.RoomID != room || first.Seq != 3 || first.MsgNo != 1 || first.Duplicate {
		t.Fatalf("post %+v, %v", first, err)
	}
	again, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: string(room), Text: "héllo", IdempotencyKey: "k1", Data: json.RawMessage(`{"n": 1.50}`)})
	if err != nil || !again.Duplicate || again.Seq != first.Seq || again.MsgNo != first.MsgNo || again.At != first.At {
		t.Errorf("retry %+v, %v", again, err)
	}
	for _, p := range []*api.MessagePostParams{
		{Text: "hello", Data: json.RawMessage(`{"n": 1.50}`)},
		{Text: "héllo", Data: json.RawMessage(`{"n": 1.5}`)},
		{Text: "héllo"},
		{Text: "héllo", Data: json.RawMessage(`{"n": 1.50}`), Format: api.TextFormatMarkdown},
		{Text: "héllo", Data: json.RawMessage(`{"n": 1.50}`), ReplyTo: ptr(api.Seq(3))},
	} {
		p.Room, p.IdempotencyKey = "lobby", "k1"
		_, err = groot.MessagePost(ctx, p)
		wantCode(t, err, api.CodeIdempotencyConflict, "idempotency_key")
	}
	_, err = groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: strings.Repeat("é", 9)})
	wantCode(t, err, api.CodeTooLarge, "text")
	_, err = groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Data: json.RawMessage(`{"n":"123456789012"}`)})
	wantCode(t, err, api.CodeTooLarge, "data")
	_, err = groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "x", ReplyTo: ptr(api.Seq(1))})
	wantCode(t, err, api.CodeNotFound, "reply_to")
	reply, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "yes", ReplyTo: ptr(api.Seq(3))})
	if err != nil || reply.Seq != 4 || reply.MsgNo != 2 {
		t.Errorf("reply %+v, %v", reply, err)
	}
	list, err := groot.MessageList(ctx, &api.MessageListParams{Room: "lobby"})
	if err != nil || len(list.Messages) != 2 || string(list.Messages[0].Data) != `{"n": 1.50}` || *list.Messages[1].ReplyTo != 3 || list.Head != (api.Head{Seq: 4, MsgNo: 2}) {
		t.Errorf("list %+v, %v", list, err)
	}
	if groot.port.queued != 9 {
		t.Errorf("the turn was passed %d times, want once a post that reached the lane (9)", groot.port.queued)
	}
}

// TestHistoryPages compares each kind of page with a slice of the whole log.
func TestHistoryPages(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	for i := range 12 {
		switch i % 3 {
		case 0:
			thanos.join("lobby")
		case 2:
			if _, err := thanos.RoomLeave(ctx, &api.RoomLeaveParams{Room: "lobby"}); err != nil {
				t.Fatal(err)
			}
		}
		groot.post("lobby", fmt.Sprint(i))
	}
	all, err := groot.RoomHistory(ctx, &api.RoomHistoryParams{Room: "lobby", Limit: ptr(int64(200))})
	if err != nil {
		t.Fatal(err)
	}
	log := decode(t, all.Events)
	head := api.Seq(len(log))
	wantDense(t, log, 1, head)
	for _, types := range [][]api.EventType{nil, {api.EventTypeMessagePosted}, {api.EventTypeMemberJoined, api.EventTypeMemberLeft}, {"no.such"}} {
		var want []api.Event
		for _, ev := range log {
			if len(types) == 0 || ev.Type == types[0] || ev.Type == types[len(types)-1] {
				want = append(want, ev)
			}
		}
		for seq := api.Seq(0); seq <= head+3; seq++ {
			for _, limit := range []int64{1, 4, 200} {
				for _, kind := range []string{"after", "before", "around"} {
					p := &api.RoomHistoryParams{Room: "lobby", Limit: &limit, Types: types}
					lo, hi := 0, 0 // of want
					at := 0        // first of want with seq ≥ seq
					for at < len(want) && want[at].Seq < seq {
						at++
					}
					switch kind {
					case "after":
						p.After = &seq
						for lo = at; lo < len(want) && want[lo].Seq <= seq; lo++ {
						}
						hi = min(len(want), lo+int(limit))
					case "before":
						p.Before = &seq
						lo, hi = max(0, at-int(limit)), at
					case "around":
						p.Around = &seq
						lo = max(0, at-int(limit)/2)
						hi = min(len(want), at+int(limit)-(at-lo))
					}
					got, err := groot.RoomHistory(ctx, p)
					if err != nil {
						t.Fatal(err)
					}
					name := fmt.Sprintf("%s %d limit %d types %v", kind, seq, limit, types)
					if g, w := fmt.Sprint(seqs(decode(t, got.Events))), fmt.Sprint(seqs(want[lo:hi])); g != w {
						t.Errorf("%s: %s, want %s", name, g, w)
					}
					if got.HasMoreBefore != (lo > 0) || got.HasMoreAfter != (hi < len(want)) {
						t.Errorf("%s: more %v %v, want %v %v", name, got.HasMoreBefore, got.HasMoreAfter, lo > 0, hi < len(want))
					}
					if got.Head.Seq != head {
						t.Errorf("%s: head %d", name, got.Head.Seq)
					}
				}
			}
		}
	}
	_, err = groot.RoomHistory(ctx, &api.RoomHistoryParams{Room: "lobby", Before: ptr(api.Seq(3)), Around: ptr(api.Seq(3))})
	wantCode(t, err, api.CodeInvalidParams, "around")
}

func decode(t testing.TB, events []api.Event) []api.Event {
	t.Helper()
	out := make([]api.Event, len(events))
	for i := range events {
		if err := json.Unmarshal(events[i].Raw, &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func seqs(events []api.Event) []api.Seq {
	out := []api.Seq{}
	for _, ev := range events {
		out = append(out, ev.Seq)
	}
	return out
}

// TestParallelRetriesAgree sends one key from many connections at once.
func TestParallelRetriesAgree(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	groot.create("lobby")
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for range 32 {
		wg.Go(func() {
			res, err := groot.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "once", IdempotencyKey: "k"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || res.Seq != 3 {
				t.Errorf("%+v, %v", res, err)
			} else if !res.Duplicate {
				fresh++
			}
		})
	}
	wg.Wait()
	if fresh != 1 {
		t.Errorf("%d posts took effect", fresh)
	}
}

// failing is a store whose commits fail.
type failing struct {
	chat.Store
	mu  sync.Mutex
	err error
}

func (f *failing) Commit(ctx context.Context, entries []*chat.Entry) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Commit(ctx, entries)
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

func TestStoreFailures(t *testing.T) {
	w := newWorld(t, nil)
	bad := &failing{Store: w.store}
	w.store = bad
	var broken []error
	w.start(&chat.Options{Registration: api.RegistrationOpen, Broken: func(err error) { broken = append(broken, err) }})
	groot := w.user("groot")
	groot.create("lobby")
	post := func() error {
		_, err := groot.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "x", IdempotencyKey: "k"})
		return err
	}
	bad.fail(fmt.Errorf("write page 7 of /secret/path: %w", chat.ErrUnavailable))
	err := post()
	wantCode(t, err, api.CodeUnavailable, "")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells too much: %v", err)
	}
	if _, err := groot.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby"}); err != nil {
		t.Errorf("reading while the store cannot write: %v", err)
	}
	bad.fail(nil)
	if err := post(); err != nil {
		t.Errorf("after recovery: %v", err)
	}
	bad.fail(errors.New("something else"))
	var e *api.Error
	if err := post(); err == nil || errors.As(err, &e) {
		t.Errorf("an unknown failure is %v, want one that the transport keeps to itself", err)
	}
	if len(broken) != 0 {
		t.Error("broken too early")
	}
	bad.fail(chat.ErrBroken)
	for range 2 {
		wantCode(t, post(), api.CodeUnavailable, "")
	}
	if len(broken) != 1 {
		t.Errorf("broken was told %d times", len(broken))
	}
}

// unwell is a store that a check finds broken.
type unwell struct{ chat.Store }

func (unwell) Check(context.Context) error { return fmt.Errorf("probe: %w", chat.ErrBroken) }

// A store may break when nobody but a check writes to it: that ends the process too.
func TestCheckFindsBrokenStore(t *testing.T) {
	w := newWorld(t, nil)
	w.store = unwell{w.store}
	broken := 0
	w.start(&chat.Options{Registration: api.RegistrationOpen, Broken: func(error) { broken++ }})
	for range 2 {
		if err := w.svc.Check(t.Context()); !errors.Is(err, chat.ErrBroken) {
			t.Error(err)
		}
	}
	if broken != 1 {
		t.Errorf("broken was told %d times", broken)
	}
}

// TestCloseCommitsWhatIsQueued closes the service under load: what was accepted is answered.
func TestCloseCommitsWhatIsQueued(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Lanes: 4})
	groot := w.user("groot")
	for i := range 4 {
		groot.create(fmt.Sprintf("r%d", i))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]int{}
	for i := range 16 {
		wg.Go(func() {
			room := fmt.Sprintf("r%d", i%4)
			for n := range 1000 {
				_, err := groot.MessagePost(context.Background(), &api.MessagePostParams{Room: room, Text: fmt.Sprint(n)})
				if err != nil {
					wantCode(t, err, api.CodeDraining, "")
					return
				}
				mu.Lock()
				acked[room]++
				mu.Unlock()
			}
		})
	}
	groot.post("r0", "one more")
	w.svc.Close()
	wg.Wait()
	for room, n := range acked {
		v, err := w.store.RoomByName(t.Context(), room, "")
		if err != nil {
			t.Fatal(err)
		}
		want := api.MsgNo(n)
		if room == "r0" {
			want++
		}
		if v.Head.MsgNo != want {
			t.Errorf("%s: %d posts acknowledged, %d stored", room, want, v.Head.MsgNo)
		}
	}
}

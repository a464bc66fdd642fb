package chat_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
)

func (c *client) read(t testing.TB, room string) api.ReadState {
	t.Helper()
	res := must[*api.RoomGetResult](t)(c.RoomGet(t.Context(), &api.RoomGetParams{Room: room}))
	if res.Room.Read == nil {
		t.Fatalf("%s: no read position", room)
	}
	return *res.Room.Read
}

func (c *client) mark(t testing.TB, room string, seq api.Seq) *api.ReadMarkResult {
	t.Helper()
	return must[*api.ReadMarkResult](t)(c.ReadMark(t.Context(), &api.ReadMarkParams{Room: room, Seq: &seq}))
}

func (c *client) wantRead(t testing.TB, room string, want api.ReadState) {
	t.Helper()
	if d := cmp.Diff(want, c.read(t, room)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestReadMark(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	phone := w.connect()
	phone.login("thanos")
	room := groot.create("lobby")
	groot.post("lobby", "before thanos came") // 3
	thanos.join("lobby")                      // 4
	thanos.wantRead(t, "lobby", api.ReadState{Seq: 3, MsgNo: 1})
	for i := range 3 {
		groot.post("lobby", fmt.Sprint(i)) // 5, 6, 7
	}
	thanos.wantRead(t, "lobby", api.ReadState{Seq: 3, MsgNo: 1, Unread: 3})
	groot.wantRead(t, "lobby", api.ReadState{Seq: 7, MsgNo: 4})

	res := thanos.mark(t, "lobby", 6)
	want := &api.ReadMarkResult{RoomID: room, Marked: true, Head: api.Head{Seq: 7, MsgNo: 4}, Read: api.ReadState{Seq: 6, MsgNo: 3, Unread: 1}}
	if d := cmp.Diff(want, res); d != "" {
		t.Error(d)
	}
	// Back is nothing.
	for _, seq := range []api.Seq{6, 5, 0} {
		want.Marked = false
		if d := cmp.Diff(want, thanos.mark(t, "lobby", seq)); d != "" {
			t.Errorf("%d: %s", seq, d)
		}
	}
	_, err := thanos.ReadMark(t.Context(), &api.ReadMarkParams{Room: "lobby", Seq: ptr(api.Seq(8))})
	wantCode(t, err, api.CodeInvalidParams, "seq")
	if res := must[*api.ReadMarkResult](t)(phone.ReadMark(t.Context(), &api.ReadMarkParams{Room: string(room)})); !res.Marked || res.Read.Seq != 7 || res.Read.Unread != 0 {
		t.Errorf("all: %+v", res)
	}
	// All connections learn what changed, and nobody else.
	for name, c := range map[string]*client{"thanos": thanos, "phone": phone} {
		told := c.port.account()
		if got := c.port.accountTypes(); !slices.Equal(got, []string{"room.added", "read.marked", "read.marked"}) {
			t.Fatalf("%s was told %v", name, got)
		}
		if d := cmp.Diff(api.AccountEventParams{Type: "read.marked", RoomID: room, Head: &want.Head, Read: &want.Read}, told[1]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(&api.ReadState{Seq: 3, MsgNo: 1}, told[0].Room.Read); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := groot.port.accountTypes(); len(got) != 1 {
		t.Errorf("groot was told %v", got)
	}
	// A message of one's own has been read.
	groot.post("lobby", "one more")
	thanos.post("lobby", "mine")
	thanos.wantRead(t, "lobby", api.ReadState{Seq: 9, MsgNo: 6})

	for _, c := range []struct {
		who   *client
		p     api.ReadMarkParams
		code  api.Code
		field string
	}{
		{w.user("hulk"), api.ReadMarkParams{Room: "lobby"}, api.CodePermissionDenied, "room"},
		{groot, api.ReadMarkParams{Room: "nowhere"}, api.CodeNotFound, "room"},
		{w.connect(), api.ReadMarkParams{Room: string(room)}, api.CodeUnauthenticated, ""},
	} {
		_, err := c.who.ReadMark(t.Context(), &c.p)
		wantCode(t, err, c.code, c.field)
	}
	if r := must[*api.RoomGetResult](t)(w.user("eve").RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"})); r.Room.Read != nil {
		t.Errorf("a stranger has read %+v", r.Room.Read)
	}
}

// Mentions are counted as messages now stand, whatever becomes of them.
func TestUnreadMentions(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos, hulk := w.user("groot"), w.user("thanos"), w.user("hulk")
	groot.create("lobby")
	thanos.join("lobby")
	hulk.join("lobby")             // 4
	groot.post("lobby", "@thanos") // 5
	groot.post("lobby", "@room")   // 6
	hulk.post("lobby", "hi @room") // 7: not his to say
	hulk.post("lobby", "@thanos")  // 8
	groot.post("lobby", "nobody")  // 9
	want := func(c *client, mentions int64) {
		t.Helper()
		if got := c.read(t, "lobby").Mentions; got != mentions {
			t.Errorf("%d mentions, want %d", got, mentions)
		}
	}
	want(thanos, 3)
	want(hulk, 0) // who has answered has read it
	want(groot, 0)
	// An edit changes whom it means.
	must[*api.MessageEditResult](t)(groot.edit(t, 9, "somebody: @thanos")) // 10
	want(thanos, 4)
	must[*api.MessageEditResult](t)(groot.edit(t, 9, "somebody: @thanos!")) // 11
	want(thanos, 4)
	must[*api.MessageEditResult](t)(hulk.edit(t, 8, "@groot")) // 12
	want(thanos, 3)
	want(groot, 0)                                                                                                                                                   // 8 is before his last message
	must[*api.MessageEditResult](t)(groot.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: 9, Text: "x", Mentions: []string{"thanos", "@room"}})) // 13
	want(thanos, 3)
	want(hulk, 1)
	// What is deleted means nobody; as a message it counts.
	for seq, left := range map[api.Seq]int64{9: 2} {
		must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: seq}))
		want(thanos, left)
	}
	if got := thanos.read(t, "lobby").Unread; got != 5 {
		t.Errorf("%d unread", got)
	}
	thanos.mark(t, "lobby", 5)
	want(thanos, 1)
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 6}))
	want(thanos, 0)
	if got := thanos.read(t, "lobby").Unread; got != 4 {
		t.Errorf("%d unread", got)
	}
	// An answer in a thread means people too.
	must[*api.MessagePostResult](t)(hulk.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "@thanos?", Thread: ptr(api.Seq(8))}))
	want(thanos, 1)
}

// What is told when following begins is what is told when asked.
func TestReadStateIsToldEverywhere(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	groot.create("attic")
	thanos.join("lobby")
	thanos.join("attic")
	groot.post("lobby", "@thanos 1")
	groot.post("lobby", "2")
	groot.post("attic", "@room")
	want := map[string]api.ReadState{"lobby": {Seq: 2, Unread: 2, Mentions: 1}, "attic": {Seq: 2, Unread: 1, Mentions: 1}}
	list := must[*api.RoomListResult](t)(thanos.RoomList(t.Context(), &api.RoomListParams{}))
	for _, r := range list.Rooms {
		if d := cmp.Diff(want[r.Name], *r.Read); d != "" {
			t.Errorf("room.list, %s: %s", r.Name, d)
		}
	}
	for _, rooms := range []api.SyncRooms{{Joined: true}, {List: []api.SyncRoom{{Room: "attic"}, {Room: "lobby"}}}} {
		for _, r := range thanos.open(&api.SyncOpenParams{Rooms: rooms}).Rooms {
			if d := cmp.Diff(want[r.Name], r.Read); d != "" {
				t.Errorf("sync.open, %s: %s", r.Name, d)
			}
		}
	}
	if r := thanos.join("lobby"); *r.Room.Read != want["lobby"] {
		t.Errorf("room.join: %+v", r.Room.Read)
	}
}

package chatclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What a client keeps of a room and its members from events is what it would fetch, on every store.
func TestRoomFoldIsFresh(t *testing.T) {
	foldOnStores(t, append([]string{"watch"}, folk...), func() folding {
		w := &roomWorld{fan: &recorder{}}
		return folding{w.fan, followingPort, func(people []*chat.Session, rt *rapid.T) { w.people = people; w.run(rt) }}
	})
}

// roomWorld is a room, people who come and go, one who stays and looks on, and what is kept of it.
type roomWorld struct {
	fan    *recorder
	people []*chat.Session // the first one stays

	rooms int
	room  api.RoomID
	view  *chatclient.RoomState // of who stays
	ann   *chatclient.RoomState // as ann sees it
	seen  int                   // records that have been applied
}

// run plays in a new room.
func (w *roomWorld) run(rt *rapid.T) {
	w.rooms++
	made, err := w.people[0].RoomCreate(ctx, &api.RoomCreateParams{Name: fmt.Sprint("room", w.rooms), Topic: "old"})
	if err != nil {
		rt.Fatal(err)
	}
	w.room = made.Room.ID
	if _, err := w.people[0].RoomJoin(ctx, &api.RoomJoinParams{Room: string(w.room)}); err != nil { // and follows, so that records are published
		rt.Fatal(err)
	}
	w.people[0].Replied()
	w.fan.mu.Lock()
	w.fan.records, w.seen = nil, 0
	w.fan.mu.Unlock()
	w.load(rt)
	seen, err := w.people[1].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	w.ann = chatclient.NewRoomState(w.people[1].UserID(), &seen.Room)
	rt.Repeat(map[string]func(*rapid.T){"": w.compare, "act": w.act, "act2": w.act, "act3": w.act, "reload": w.load, "purge": func(rt *rapid.T) { purge(rt, w.people[0], string(w.room)) }})
	if _, err := w.people[0].RoomDelete(ctx, &api.RoomDeleteParams{Room: string(w.room)}); err != nil {
		rt.Fatal(err)
	}
	w.take(rt)
	if _, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)}); !w.view.Deleted() || !errors.Is(err, api.ErrNotFound) {
		rt.Fatalf("deleted: %t, %v", w.view.Deleted(), err)
	}
}

// load is what a client does that comes anew. Events that it knows already may come again.
func (w *roomWorld) load(rt *rapid.T) {
	room, members := w.fresh(rt)
	w.view = chatclient.NewRoomState(w.people[0].UserID(), room)
	w.view.Load(members)
	if w.seen > 0 && rapid.Bool().Draw(rt, "again") {
		w.seen--
	}
}

func (w *roomWorld) fresh(rt *rapid.T) (*api.Room, *api.MemberListResult) {
	room, err := w.people[0].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	members, err := w.people[0].MemberList(ctx, &api.MemberListParams{Room: string(w.room)})
	if err != nil {
		rt.Fatal(err)
	}
	return &room.Room, members
}

// now is the server's time.
func (w *roomWorld) now(rt *rapid.T) api.Timestamp {
	pong, err := w.people[0].ServerPing(ctx, &api.ServerPingParams{})
	if err != nil {
		rt.Fatal(err)
	}
	return pong.At
}

func (w *roomWorld) act(rt *rapid.T) {
	s := rapid.SampledFrom(w.people).Draw(rt, "who")
	room, user := string(w.room), rapid.SampledFrom(folk).Draw(rt, "user")
	until := api.Timestamp(0)
	var end *api.Timestamp
	switch rapid.IntRange(0, 3).Draw(rt, "ends") {
	case 0:
		until = api.TimestampOf(time.Now().Add(5 * time.Millisecond)) // while others act
		end = &until
	case 1:
		until = api.TimestampOf(time.Date(2100, 1, rapid.IntRange(1, 2).Draw(rt, "day"), 0, 0, 0, 0, time.UTC))
		end = &until
	}
	var err error
	switch what := rapid.SampledFrom([]string{"join", "join", "leave", "invite", "remove", "ban", "unban", "role", "role", "mute", "mute", "unmute", "update", "post", "retain", "archive", "unarchive"}).Draw(rt, "what"); what {
	case "join":
		_, err = s.RoomJoin(ctx, &api.RoomJoinParams{Room: room, Follow: new(bool)})
	case "leave":
		if s != w.people[0] {
			_, err = s.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
		}
	case "invite":
		_, err = s.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
	case "remove":
		_, err = s.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: user})
	case "ban":
		_, err = s.MemberBan(ctx, &api.MemberBanParams{Room: room, User: user, Until: end})
	case "unban":
		_, err = s.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
	case "role":
		_, err = s.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: rapid.SampledFrom([]api.Role{api.RoleModerator, api.RoleMember}).Draw(rt, "role")})
	case "mute":
		_, err = s.MemberMute(ctx, &api.MemberMuteParams{Room: room, User: user, Until: end})
	case "unmute":
		_, err = s.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: room, User: user})
	case "update":
		p := &api.RoomUpdateParams{Room: room}
		switch rapid.IntRange(0, 4).Draw(rt, "field") {
		case 0:
			p.Title = rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "title")
		case 1:
			p.Clear = []api.RoomField{api.RoomFieldTitle, api.RoomFieldTopic}
		case 2:
			ms := rapid.Int64Range(0, 1).Draw(rt, "ms")
			p.SlowModeMS = &ms
		case 3:
			read := rapid.Bool().Draw(rt, "read only")
			p.ReadOnly = &read
		case 4:
			p.Visibility = rapid.SampledFrom([]api.Visibility{api.VisibilityPublic, api.VisibilityPrivate}).Draw(rt, "visibility")
		}
		_, err = s.RoomUpdate(ctx, p)
	case "retain":
		p := &api.RetentionSetParams{Room: room}
		if n := rapid.Int64Range(0, 2).Draw(rt, "messages"); n > 0 {
			p.MaxMessages = &n
		}
		if s := rapid.Int64Range(59, 61).Draw(rt, "seconds"); s > 59 {
			p.MaxAgeS = &s
		}
		_, err = s.RetentionSet(ctx, p)
	case "archive":
		_, err = s.RoomArchive(ctx, &api.RoomArchiveParams{Room: room})
	case "unarchive":
		_, err = s.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})
	case "post":
		_, err = s.MessagePost(ctx, &api.MessagePostParams{Room: room, Text: "hi"})
	}
	var refused *api.Error
	if err != nil && (!errors.As(err, &refused) || refused.Code == api.CodeInternal || refused.Code == api.CodeInternalError) {
		rt.Fatal(err)
	}
}

// take takes in what was published.
func (w *roomWorld) take(rt *rapid.T) {
	w.fan.mu.Lock()
	records := w.fan.records[w.seen:]
	w.fan.mu.Unlock()
	for _, r := range records {
		w.seen++
		if err := contract.New().Received(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"room.event","params":%s}`, r)); err != nil {
			rt.Fatal(err)
		}
		var e api.Event
		if err := json.Unmarshal(r, &e); err != nil {
			rt.Fatal(err)
		}
		if err := errors.Join(w.view.Apply(&e), w.ann.Apply(&e)); err != nil {
			rt.Fatal(err)
		}
	}
}

// compare holds after each act.
func (w *roomWorld) compare(rt *rapid.T) {
	before := w.now(rt)
	room, members := w.fresh(rt)
	now := w.now(rt)
	for w.view.Head() < room.Head.Seq { // the last event is committed, and may be about to be published
		w.take(rt)
	}
	if first := w.fan.first(w.room); first > 0 {
		w.view.Truncate(first)
		w.ann.Truncate(first)
	}
	for i := range members.Members {
		members.Members[i].Online = false
	}
	if ending := func(m api.Member) bool { return m.MutedUntil != nil && *m.MutedUntil > before && *m.MutedUntil <= now }; slices.ContainsFunc(w.view.Members(before), ending) {
		return // between the fresh look and the kept one
	}
	kept := w.view.Members(now)
	for i := range kept {
		kept[i].Online = false
	}
	if d := cmp.Diff(members.Members, kept); d != "" {
		rt.Fatalf("-fresh +kept:\n%s", d)
	}
	room.Read = nil // Reads keeps it
	if d := cmp.Diff(*room, w.view.Room()); d != "" {
		rt.Fatalf("-fresh +kept:\n%s", d)
	}
	if seen, err := w.people[1].RoomGet(ctx, &api.RoomGetParams{Room: string(w.room)}); err == nil && w.ann.Head() == seen.Room.Head.Seq {
		seen.Room.Read = nil
		if d := cmp.Diff(seen.Room, w.ann.Room()); d != "" {
			rt.Fatalf("of ann, -fresh +kept:\n%s", d)
		}
	}
}

package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// on is a world on a store.
func on(t *testing.T, s chat.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, fan: &fanout{followers: map[api.RoomID]map[*port]follower{}}}
	w.start(nil)
	return w
}

func onSQLite(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chat.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return on(t, s)
}

// export reads an export in pages of about so many lines.
func (c *client) export(limit int64, rooms ...string) (*api.ExportHeader, []api.ExportLine) {
	c.w.t.Helper()
	var header *api.ExportHeader
	var all []api.ExportLine
	for p := (&api.ExportReadParams{Rooms: rooms, Limit: &limit}); ; {
		page, err := c.ExportRead(c.w.t.Context(), p)
		if err != nil {
			c.w.t.Fatalf("export: %v", err)
		}
		if page.Header != nil {
			header = page.Header
		}
		all = append(all, page.Lines...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			return header, all
		}
	}
}

func endOf(lines []api.ExportLine) (end api.ExportEnd) {
	for i := range lines {
		switch l := &lines[i]; {
		case l.User != nil:
			end.Users++
		case l.Member != nil:
			end.Members++
		case l.Room != nil:
			end.Rooms++
		default:
			end.Events++
		}
	}
	return end
}

// begin begins an import and brings lines, so many at once; the last error counts.
func (c *client) begin(p *api.ImportBeginParams, lines []api.ExportLine, size int) (api.ImportID, error) {
	c.w.t.Helper()
	ctx := c.w.t.Context()
	begun, err := c.ImportBegin(ctx, p)
	if err != nil {
		c.w.t.Fatalf("begin: %v", err)
	}
	for at := 0; at < len(lines); at += size {
		some := lines[at:min(at+size, len(lines))]
		res, err := c.ImportWrite(ctx, &api.ImportWriteParams{Import: begun.Import.ID, Line: int64(at + 2), Lines: some})
		if err != nil {
			return begun.Import.ID, err
		}
		if want := int64(at + 2 + len(some)); res.NextLine != want {
			c.w.t.Fatalf("next line %d, want %d", res.NextLine, want)
		}
	}
	return begun.Import.ID, nil
}

func (c *client) bring(header *api.ExportHeader, lines []api.ExportLine, size int) {
	c.w.t.Helper()
	id, err := c.begin(&api.ImportBeginParams{Header: *header, KeepAdmins: ptr(true)}, lines, size)
	if err == nil {
		_, err = c.ImportFinish(c.w.t.Context(), &api.ImportFinishParams{Import: id, End: endOf(lines)})
	}
	if err != nil {
		c.w.t.Fatalf("import: %v", err)
	}
}

func written(lines []api.ExportLine) []string {
	all := make([]string, len(lines))
	for i := range lines {
		all[i] = string(lines[i].AppendJSON(nil))
	}
	return all
}

// Whatever happened in a few rooms: exported, imported into another store and exported again it is the same, and so is all that
// anybody sees of it. The log is the truth: what has become of messages is found out anew.
func TestExportIsGivenBack(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			first, second, third := on(t, memory.New()), onSQLite(t), on(t, memory.New())
			people := live(t, first, rng)
			header, lines := people[0].export(1 + rng.Int64N(20))

			mover := second.user("mover")
			mover.bring(header, lines, 1+rng.IntN(40))
			again, back := mover.export(1 + rng.Int64N(20))
			if d := cmp.Diff(written(lines), written(back)[1:]); d != "" {
				t.Fatalf("not given back (-first +second):\n%s", d)
			}
			mover3 := third.user("mover3")
			mover3.bring(again, back, 1+rng.IntN(40))
			_, last := mover3.export(1000)
			if d := cmp.Diff(written(back), written(last)[1:]); d != "" {
				t.Fatalf("not given back (-second +third):\n%s", d)
			}
			for _, c := range people {
				name := c.name()
				want := c.looks()
				for i, m := range []*client{mover, mover3} {
					if _, err := m.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: name, Password: "password of " + name}); err != nil {
						t.Fatal(err)
					}
					there := m.w.connect()
					there.login(name)
					if d := cmp.Diff(want, there.looks()); d != "" {
						t.Fatalf("%s does not see the same on server %d (-here +there):\n%s", name, i+2, d)
					}
				}
			}
		})
	}
}

func (c *client) name() string {
	res, err := c.AccountGet(c.w.t.Context(), nil)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return res.User.Username
}

// live lets four people do whatever they like in three rooms.
func live(t *testing.T, w *world, rng *rand.Rand) []*client {
	t.Helper()
	ctx := t.Context()
	var people []*client
	names := []string{"ada", "bob", "cy", "dee"}
	for _, name := range names {
		people = append(people, w.user(name))
	}
	if _, err := people[1].BotCreate(ctx, &api.BotCreateParams{Username: "bot", DisplayName: "Robot"}); err != nil {
		t.Fatal(err)
	}
	people = append(people, w.resumed(people[1].token(&api.TokenCreateParams{Name: "t", Bot: "bot"})))
	rooms := []string{"a", "b", "c"}
	for i, room := range rooms {
		v := api.VisibilityPublic
		if i == 1 {
			v = api.VisibilityPrivate
		}
		if _, err := people[i].RoomCreate(ctx, &api.RoomCreateParams{Name: room, Visibility: v}); err != nil {
			t.Fatal(err)
		}
	}
	for _, others := range [][]string{{"bob"}, {"cy", "dee"}, {}} {
		res, err := people[0].DmOpen(ctx, &api.DmOpenParams{Users: append(others, "ada")})
		if err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, string(res.Room.ID))
	}
	for i := range 400 {
		c, room, user, seq := people[rng.IntN(len(people))], rooms[rng.IntN(len(rooms))], names[rng.IntN(4)], api.Seq(1+rng.IntN(40))
		if err := something(ctx, c, rng, i, room, user, seq); err != nil && !errors.As(err, new(*api.Error)) {
			t.Fatal(err)
		}
	}
	return people[:4]
}

// something is an act of somebody's, which may be refused.
func something(ctx context.Context, c *client, rng *rand.Rand, i int, room, user string, seq api.Seq) error {
	until := ptr(api.TimestampOf(time.Now().Add(time.Hour)))
	if rng.IntN(2) == 0 {
		until = nil
	}
	emoji := []string{"👍", "x"}[rng.IntN(2)]
	post := &api.MessagePostParams{Room: room, Text: fmt.Sprintf("text %d @%s", i, user)}
	var err error
	switch rng.IntN(28) {
	case 0, 1, 2:
		_, err = c.RoomJoin(ctx, &api.RoomJoinParams{Room: room, Follow: ptr(false)})
	case 3:
		_, err = c.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
	case 4:
		_, err = c.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
	case 5, 6:
		_, err = c.MessageEdit(ctx, &api.MessageEditParams{Room: room, Seq: seq, Text: fmt.Sprintf("edit %d @%s", i, user)})
	case 7:
		_, err = c.MessageDelete(ctx, &api.MessageDeleteParams{Room: room, Seq: seq})
	case 8, 9:
		_, err = c.ReactionAdd(ctx, &api.ReactionAddParams{Room: room, Seq: seq, Emoji: emoji})
	case 10:
		_, err = c.ReactionRemove(ctx, &api.ReactionRemoveParams{Room: room, Seq: seq, Emoji: emoji})
	case 11:
		_, err = c.PinAdd(ctx, &api.PinAddParams{Room: room, Seq: seq})
	case 12:
		_, err = c.PinRemove(ctx, &api.PinRemoveParams{Room: room, Seq: seq})
	case 13:
		_, err = c.MemberMute(ctx, &api.MemberMuteParams{Room: room, User: user, Until: until, Reason: "loud"})
	case 14:
		_, err = c.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: room, User: user})
	case 15:
		_, err = c.MemberBan(ctx, &api.MemberBanParams{Room: room, User: user, Until: until, RemoveMessages: ptr(rng.IntN(3) == 0)})
	case 16:
		_, err = c.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
	case 17:
		_, err = c.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: []api.Role{api.RoleModerator, api.RoleOwner, api.RoleMember}[rng.IntN(3)]})
	case 18:
		_, err = c.RoomUpdate(ctx, &api.RoomUpdateParams{Room: room, Topic: fmt.Sprint("topic ", i), ReadOnly: ptr(rng.IntN(4) == 0)})
	case 19:
		_, err = c.ReadMark(ctx, &api.ReadMarkParams{Room: room, Seq: &seq})
	case 20, 23, 24:
		post.Thread = &seq
		_, err = c.MessagePost(ctx, post)
	case 21:
		post.ReplyTo, post.IdempotencyKey, post.Data = &seq, fmt.Sprint("key", i), json.RawMessage(`{"a": 1.50}`)
		_, err = c.MessagePost(ctx, post)
	case 25:
		_, err = c.ThreadFollow(ctx, &api.ThreadFollowParams{Room: room, Seq: seq})
	case 26:
		_, err = c.ThreadUnfollow(ctx, &api.ThreadUnfollowParams{Room: room, Seq: seq})
	case 27:
		_, err = c.ReadMark(ctx, &api.ReadMarkParams{Room: room, Seq: ptr(seq + 10), Thread: &seq})
	case 22:
		if rng.IntN(3) == 0 {
			_, err = c.RoomArchive(ctx, &api.RoomArchiveParams{Room: room})
		} else {
			_, err = c.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})
		}
	default:
		_, err = c.MessagePost(ctx, post)
	}
	return err
}

type appends interface{ AppendJSON(dst []byte) []byte }

// looks gives all that a user can ask for of rooms.
func (c *client) looks() []string {
	t, ctx := c.w.t, c.w.t.Context()
	t.Helper()
	var all []string
	add := func(what string, v appends, err error) {
		var refused *api.Error
		switch {
		case errors.As(err, &refused):
			all = append(all, what+": "+refused.Message)
		case err != nil:
			t.Fatal(err)
		default:
			all = append(all, what+": "+string(v.AppendJSON(nil)))
		}
	}
	rooms, err := c.RoomList(ctx, &api.RoomListParams{Archived: ptr(true)})
	add("rooms", rooms, err)
	for i := range rooms.Rooms {
		room := string(rooms.Rooms[i].ID)
		members, err := c.MemberList(ctx, &api.MemberListParams{Room: room})
		if err == nil {
			for i := range members.Members {
				members.Members[i].Online = false
			}
		}
		add("members", members, err)
		bans, err := c.MemberListBans(ctx, &api.MemberListBansParams{Room: room})
		add("bans", bans, err)
		messages, err := c.MessageList(ctx, &api.MessageListParams{Room: room, Limit: ptr(int64(200))})
		add("messages", messages, err)
		history, err := c.RoomHistory(ctx, &api.RoomHistoryParams{Room: room, Limit: ptr(int64(200))})
		add("history", history, err)
		pins, err := c.PinList(ctx, &api.PinListParams{Room: room})
		add("pins", pins, err)
		threads, err := c.ThreadList(ctx, &api.ThreadListParams{Room: room})
		add("threads", threads, err)
	}
	for _, unread := range []bool{false, true} {
		followed, err := c.ThreadList(ctx, &api.ThreadListParams{Unread: &unread, Limit: ptr(int64(200))})
		add("followed threads", followed, err)
	}
	found, err := c.MessageSearch(ctx, &api.MessageSearchParams{Query: "edit", Limit: ptr(int64(200))})
	add("found", found, err)
	return all
}

// Who leaves while a room is read page by page is none of its members in the export, and who comes is.
func TestExportWhilePeopleComeAndGo(t *testing.T) {
	w := newWorld(t, nil)
	ada, bob, cy := w.user("ada"), w.user("bob"), w.user("cy")
	room := ada.create("lobby")
	bob.join("lobby")
	limit := int64(2)
	p := &api.ExportReadParams{Rooms: []string{"lobby"}, Limit: &limit}
	page, err := ada.ExportRead(t.Context(), p) // ada, and no more
	if err != nil {
		t.Fatal(err)
	}
	header, lines := page.Header, page.Lines
	bob.post("lobby", "I am off")
	if _, err := bob.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	cy.join("lobby")
	for p.Cursor = page.NextCursor; p.Cursor != ""; p.Cursor = page.NextCursor {
		if page, err = ada.ExportRead(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, page.Lines...)
		cy.post("lobby", "and I go on")
	}
	there := on(t, memory.New())
	mover := there.user("mover")
	mover.bring(header, lines, 3)
	members, err := there.store.ListMembers(t.Context(), room, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.Username)
	}
	if !slices.Equal(names, []string{"ada", "cy"}) {
		t.Errorf("members %q", names)
	}
}

// What is deleted while its room is read is blank in the export, whose log ends before it says so; there it is deleted, too.
func TestExportOfWhatIsDeletedMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	ada := w.user("ada")
	ada.create("lobby")
	root := ada.post("lobby", "a question")
	answer, err := ada.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "an answer @ada", Thread: &root.Seq})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ada.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: answer.Seq, Emoji: "x"}); err != nil {
		t.Fatal(err)
	}
	two := int64(2)
	p := &api.ExportReadParams{Rooms: []string{"lobby"}, Limit: &two}
	var header *api.ExportHeader
	var lines []api.ExportLine
	for {
		page, err := ada.ExportRead(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if page.Header != nil {
			header = page.Header
		}
		lines = append(lines, page.Lines...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			break
		}
		if at(lines, isRoom) >= 0 { // its head is fixed
			if _, err := ada.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: answer.Seq}); err != nil {
				t.Fatal(err)
			}
		}
	}
	there := onSQLite(t)
	mover := there.user("mover")
	mover.bring(header, lines, 100)
	if _, err := mover.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: "ada", Password: "password of ada"}); err != nil {
		t.Fatal(err)
	}
	c := there.connect()
	c.login("ada")
	res, err := c.MessageList(t.Context(), &api.MessageListParams{Room: "lobby"})
	if err != nil || len(res.Messages) != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if m := res.Messages[0]; m.Replies != nil {
		t.Errorf("the question has %d answers", *m.Replies)
	}
	if m := res.Messages[1]; !m.Deleted || m.Text != "" || m.Reactions != nil {
		t.Errorf("the answer is %+v", m)
	}
	if len(logOf(t, there, res.Messages[0].RoomID)) != int(res.Head.Seq) || res.Head.Seq != answer.Seq+1 {
		t.Errorf("the log ends at %d", res.Head.Seq)
	}
}

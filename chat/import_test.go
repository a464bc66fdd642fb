package chat_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/store/memory"
)

// lobbyOf is an export of a lobby with a few things in it.
func lobbyOf(t *testing.T) (*api.ExportHeader, []api.ExportLine) {
	t.Helper()
	w := newWorld(t, nil)
	ada, bob := w.user("ada"), w.user("bob")
	ada.create("lobby")
	bob.join("lobby")
	said := ada.post("lobby", "hello @bob")
	bob.post("lobby", "hello")
	if _, err := bob.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: said.Seq, Emoji: "👍"}); err != nil {
		t.Fatal(err)
	}
	return ada.export(1000, "lobby")
}

// at finds the line of some kind.
func at(lines []api.ExportLine, is func(l *api.ExportLine) bool) int {
	return slices.IndexFunc(lines, func(l api.ExportLine) bool { return is(&l) })
}

func isRoom(l *api.ExportLine) bool  { return l.Room != nil }
func isEvent(l *api.ExportLine) bool { return l.Event != nil }

// deep is a copy that may be changed.
func deep(t *testing.T, lines []api.ExportLine) []api.ExportLine {
	t.Helper()
	raw, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	var c []api.ExportLine
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func swap(line *api.ExportLine, from, to string) {
	line.Event = json.RawMessage(strings.Replace(string(line.Event), from, to, 1))
}

// A line that cannot be taken is named, and what is wrong in it; the lines before it are taken.
func TestImportRefusals(t *testing.T) {
	header, good := lobbyOf(t)
	first, room := at(good, isEvent), at(good, isRoom)
	post := first + 3
	for _, tt := range []struct {
		name   string
		change func(lines []api.ExportLine)
		line   int
		field  string
		code   api.Code
	}{
		{"nothing", func(l []api.ExportLine) { l[1] = api.ExportLine{} }, 1, "", api.CodeInvalidParams},
		{"two things", func(l []api.ExportLine) { l[1].User = l[0].User }, 1, "", api.CodeInvalidParams},
		{"a name of another's", func(l []api.ExportLine) { l[0].User.Username = "mover" }, 0, "user.username", api.CodeAlreadyExists},
		{"a name like an id", func(l []api.ExportLine) { l[0].User.Username = "user_01kb1z3c8efyvs6tjv5vz0q7xn" }, 0, "user.username", api.CodeInvalidParams},
		{"a member who is nobody", func(l []api.ExportLine) { l[1].Member.UserID = "user_01kb1z3c8efyvs6tjv5vz0q7xn" }, 1, "member.user_id", api.CodeNotFound},
		{"banned by nobody", func(l []api.ExportLine) {
			l[1].Member.Ban = &api.ExportRestriction{By: "user_01kb1z3c8efyvs6tjv5vz0q7xn"}
		}, 1, "member.ban.by", api.CodeNotFound},
		{"a room of nobody", func(l []api.ExportLine) { l[room].Room.CreatedBy = "user_01kb1z3c8efyvs6tjv5vz0q7xn" }, room, "room.created_by", api.CodeNotFound},
		{"a room name that is taken", func(l []api.ExportLine) { l[room].Room.Name = "garden" }, room, "room.name", api.CodeAlreadyExists},
		{"a beginning behind the end", func(l []api.ExportLine) { l[room].Room.Before = &api.Head{Seq: 99} }, room, "room.before", api.CodeInvalidParams},
		{"a hole", func(l []api.ExportLine) { l[first+1] = l[first+2] }, first + 1, "event.seq", api.CodeInvalidParams},
		{"beyond the head", func(l []api.ExportLine) { l[room].Room.Head.Seq = 1 }, first + 1, "event.seq", api.CodeInvalidParams},
		{"of another room", func(l []api.ExportLine) { swap(&l[first], string(l[room].Room.ID), "room_01kb1z3c8efyvs6tjv5vz0q7xn") }, first, "event.room_id", api.CodeInvalidParams},
		{"sent by nobody", func(l []api.ExportLine) {
			swap(&l[first], `"sender_id":"`+string(l[0].User.ID), `"sender_id":"user_01kb1z3c8efyvs6tjv5vz0q7xn`)
		}, first, "event.sender_id", api.CodeNotFound},
		{"deleted", func(l []api.ExportLine) { swap(&l[first], "room.created", "room.deleted") }, first, "event.type", api.CodeInvalidParams},
		{"a room for all that is between some", func(l []api.ExportLine) {
			l[room].Room.Users = []api.RoomUser{{UserID: l[0].User.ID, Username: "ada"}}
		}, room, "room.users", api.CodeInvalidParams},
		{"a direct room between nobody", func(l []api.ExportLine) { l[room].Room.Visibility = api.VisibilityDirect }, room, "room.users", api.CodeInvalidParams},
		{"a direct room with a name", func(l []api.ExportLine) {
			l[room].Room.Visibility, l[room].Room.Users = api.VisibilityDirect, []api.RoomUser{{UserID: l[0].User.ID, Username: "ada"}}
		}, room, "room.name", api.CodeInvalidParams},
		{"a direct room with others in it", func(l []api.ExportLine) {
			l[room].Room.Name, l[room].Room.Visibility, l[room].Room.Users = string(l[room].Room.ID), api.VisibilityDirect, []api.RoomUser{{UserID: l[0].User.ID, Username: "ada"}}
		}, room, "room.users", api.CodeInvalidParams},
		{"a direct room of nobody", func(l []api.ExportLine) {
			l[room].Room.Name, l[room].Room.Visibility, l[room].Room.Users = string(l[room].Room.ID), api.VisibilityDirect, []api.RoomUser{{UserID: "user_01kb1z3c8efyvs6tjv5vz0q7xn", Username: "ada"}}
		}, room, "room.users[0].user_id", api.CodeNotFound},
		{"a miscounted answer", func(l []api.ExportLine) { swap(&l[post+1], `"msg_no":2`, `"msg_no":2,"thread":4,"thread_no":2`) }, post + 1, "event.data.thread_no", api.CodeInvalidParams},
		{"a type of tomorrow", func(l []api.ExportLine) { swap(&l[first], "room.created", "moon.rose") }, first, "event.type", api.CodeInvalidParams},
		{"no data", func(l []api.ExportLine) { swap(&l[post], `"data":{`, `"datum":{`) }, post, "event.data", api.CodeInvalidParams},
		{"a miscount", func(l []api.ExportLine) { swap(&l[post], `"msg_no":1`, `"msg_no":2`) }, post, "event.data.msg_no", api.CodeInvalidParams},
		{"a line in a line", func(l []api.ExportLine) { swap(&l[post], "{", "{\n") }, post, "event", api.CodeInvalidParams},
		{"a reaction to nothing", func(l []api.ExportLine) { swap(&l[len(l)-1], `"message":4`, `"message":2`) }, len(good) - 1, "event.data.message", api.CodeInvalidParams},
		{"a member after the room", func(l []api.ExportLine) { l[room], l[room-1] = l[room-1], l[room] }, room, "member", api.CodeInvalidParams},
		{"events without a room", func(l []api.ExportLine) { l[room] = l[first] }, room, "event", api.CodeInvalidParams},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mover := newWorld(t, nil).user("mover")
			mover.create("garden")
			lines := deep(t, good)
			tt.change(lines)
			id, err := mover.begin(&api.ImportBeginParams{Header: *header}, lines, 1000)
			field := fmt.Sprintf("lines[%d]", tt.line)
			if tt.field != "" {
				field += "." + tt.field
			}
			wantCode(t, err, tt.code, field)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", tt.line+2)) {
				t.Errorf("%v does not name line %d", err, tt.line+2)
			}
			// Mended, it goes on where it stopped.
			list, err := mover.ImportList(t.Context(), nil)
			if err != nil || len(list.Imports) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			next := list.Imports[0].NextLine
			if next > int64(tt.line+2) {
				t.Errorf("goes on at %d, after the fault at %d", next, tt.line+2)
			}
			if slices.Contains([]string{"beyond the head", "a member after the room"}, tt.name) {
				return // the fault is in a line that was taken
			}
			if _, err := mover.ImportWrite(t.Context(), &api.ImportWriteParams{Import: id, Line: 2, Lines: good}); err != nil {
				t.Fatalf("the good lines: %v", err)
			}
			if _, err := mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: endOf(good)}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Nobody sees anything of an import before it is finished, and everything then; members who are connected are told.
func TestImportIsSeenWhole(t *testing.T) {
	header, lines := lobbyOf(t)
	w := newWorld(t, nil)
	mover, other := w.user("mover"), w.user("other")
	before := [][]string{mover.looks(), other.looks()}
	room := lines[at(lines, isRoom)].Room.ID
	id, err := mover.begin(&api.ImportBeginParams{Header: *header}, lines, 2)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, [][]string{mover.looks(), other.looks()}); d != "" {
		t.Errorf("an open import is seen:\n%s", d)
	}
	for _, ref := range []string{"lobby", string(room)} {
		for _, c := range []*client{mover, other} {
			_, err := c.RoomGet(t.Context(), &api.RoomGetParams{Room: ref})
			wantCode(t, err, api.CodeNotFound, "room")
			_, err = c.RoomJoin(t.Context(), &api.RoomJoinParams{Room: ref})
			wantCode(t, err, api.CodeNotFound, "room")
			_, err = c.MessagePost(t.Context(), &api.MessagePostParams{Room: ref, Text: "x"})
			wantCode(t, err, api.CodeNotFound, "room")
			_, err = c.ExportRead(t.Context(), &api.ExportReadParams{Rooms: []string{ref}})
			wantCode(t, err, api.CodeNotFound, "rooms[0]")
		}
	}
	_, err = other.UserGet(t.Context(), &api.UserGetParams{User: "ada"})
	wantCode(t, err, api.CodeNotFound, "user")
	_, err = other.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"})
	wantCode(t, err, api.CodeAlreadyExists, "name") // it is coming

	end := endOf(lines)
	short := end
	short.Events++
	_, err = mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: short})
	wantCode(t, err, api.CodeFailedPrecondition, "end.events")
	res, err := mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: end})
	if err != nil || res.Import.FinishedAt == nil {
		t.Fatalf("%+v, %v", res, err)
	}
	if other.join("lobby").Room.MemberCount != 3 {
		t.Error("the lobby is not there")
	}
	again, err := mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: end})
	if d := cmp.Diff(res, again); d != "" || err != nil {
		t.Errorf("finished twice: %v\n%s", err, d)
	}
	_, err = mover.ImportWrite(t.Context(), &api.ImportWriteParams{Import: id, Line: 2, Lines: lines})
	wantCode(t, err, api.CodeFailedPrecondition, "import")
	begun, err := mover.ImportBegin(t.Context(), &api.ImportBeginParams{Header: *header})
	if err != nil || begun.Import.FinishedAt == nil {
		t.Errorf("the same export again: %+v, %v", begun, err)
	}
	if res, err := mover.ImportAbort(t.Context(), &api.ImportAbortParams{Import: id}); err != nil || res.Aborted {
		t.Errorf("a finished import was aborted: %v, %v", res, err)
	}
}

// Members of an imported room who are here already and connected hear of it, and follow it.
func TestImportTellsMembers(t *testing.T) {
	header, lines := lobbyOf(t)
	w := newWorld(t, nil)
	mover := w.user("mover")
	mover.bring(header, lines, 100)
	if _, err := mover.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: "bob", Password: "password of bob"}); err != nil {
		t.Fatal(err)
	}
	bob := w.connect()
	bob.login("bob")
	bob.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	second := deep(t, lines)
	i := at(second, isRoom)
	was := string(second[i].Room.ID)
	now := was[:len(was)-1] + string("01"[boolToInt(was[len(was)-1] == '0')])
	for j := range second {
		switch l := &second[j]; {
		case l.Event != nil:
			swap(l, was, now)
		case l.Member != nil:
			l.Member.RoomID = api.RoomID(now)
		case l.Room != nil:
			l.Room.ID = api.RoomID(now)
		}
	}
	other := *header
	other.ID = "export_01kb1z3c8efyvs6tjv5vz0q7y3"
	id, err := mover.begin(&api.ImportBeginParams{Header: other, RenameRooms: []api.RoomRename{{From: "lobby", To: "hall"}}}, second, 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: endOf(second)}); err != nil {
		t.Fatal(err)
	}
	v, err := bob.RoomGet(t.Context(), &api.RoomGetParams{Room: "hall"})
	if err != nil || v.Room.Role != api.RoleMember {
		t.Fatalf("%+v, %v", v, err)
	}
	bob.port.awaitNote(string(api.AppendAccountEvent(nil, &api.AccountEventParams{Type: api.AccountEventTypeRoomAdded, RoomID: v.Room.ID, Room: &v.Room})))
	bob.post("hall", "here too")
	events := bob.port.awaitEvents(1)
	if events[0].RoomID != v.Room.ID || events[0].Seq != v.Room.Head.Seq+1 {
		t.Errorf("followed %+v", events[0])
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// An import that was thrown away leaves nothing, and what it would have taken is free.
func TestImportAbort(t *testing.T) {
	header, lines := lobbyOf(t)
	for name, w := range map[string]*world{"memory": on(t, memory.New()), "sqlite": onSQLite(t)} {
		t.Run(name, func(t *testing.T) {
			mover := w.user("mover")
			id, err := mover.begin(&api.ImportBeginParams{Header: *header}, lines[:len(lines)-1], 4)
			if err != nil {
				t.Fatal(err)
			}
			other := *header
			other.ID = "export_01kb1z3c8efyvs6tjv5vz0q7y3"
			_, err = mover.ImportBegin(t.Context(), &api.ImportBeginParams{Header: other})
			wantCode(t, err, api.CodeFailedPrecondition, "header")
			res, err := mover.ImportAbort(t.Context(), &api.ImportAbortParams{Import: id})
			if err != nil || !res.Aborted {
				t.Fatalf("%+v, %v", res, err)
			}
			if res, err := mover.ImportAbort(t.Context(), &api.ImportAbortParams{Import: id}); err != nil || res.Aborted {
				t.Errorf("twice: %+v, %v", res, err)
			}
			w.user("ada")
			mover.create("lobby")
			_, all := mover.export(1000)
			if end := endOf(all); end != (api.ExportEnd{Users: 2, Members: 1, Rooms: 1, Events: 2}) {
				t.Errorf("there is %+v", end)
			}
			_, err = mover.begin(&api.ImportBeginParams{Header: *header}, lines, 100)
			wantCode(t, err, api.CodeAlreadyExists, "lines[0].user.username")
		})
	}
}

// Names that are taken can be given others; records keep what they say.
func TestImportRenames(t *testing.T) {
	header, lines := lobbyOf(t)
	w := newWorld(t, nil)
	ada := w.user("ada")
	ada.create("lobby")
	p := &api.ImportBeginParams{Header: *header, RenameUsers: []api.UserRename{{From: "ada", To: "ada-2"}}, RenameRooms: []api.RoomRename{{From: "lobby", To: "old-lobby"}}}
	check := &api.ImportCheckParams{Lines: lines}
	_, err := ada.ImportCheck(t.Context(), check)
	wantCode(t, err, api.CodeAlreadyExists, "lines[0].user.username")
	check.RenameUsers = p.RenameUsers
	_, err = ada.ImportCheck(t.Context(), check)
	wantCode(t, err, api.CodeAlreadyExists, fmt.Sprintf("lines[%d].room.name", at(lines, isRoom)))
	check.RenameRooms = p.RenameRooms
	if res, err := ada.ImportCheck(t.Context(), check); err != nil || res.KnownUsers != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	id, err := ada.begin(p, lines, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ada.ImportFinish(t.Context(), &api.ImportFinishParams{Import: id, End: endOf(lines)}); err != nil {
		t.Fatal(err)
	}
	_, back := ada.export(1000, "old-lobby")
	want := deep(t, lines)
	for i := range want {
		switch l := &want[i]; {
		case l.User != nil && l.User.Username == "ada":
			l.User.Username, l.User.Admin = "ada-2", false // nobody said keep_admins
		case l.Room != nil:
			l.Room.Name = "old-lobby"
		}
	}
	if d := cmp.Diff(written(want), written(back)); d != "" {
		t.Errorf("(-file +here):\n%s", d)
	}
	if res, err := ada.ImportCheck(t.Context(), &api.ImportCheckParams{Lines: lines[:1]}); err != nil || res.KnownUsers != 1 {
		t.Errorf("who is here already: %+v, %v", res, err)
	}
}

// Who exported and imported what is in the audit log, once each.
func TestExportAndImportAreAudited(t *testing.T) {
	header, lines := lobbyOf(t)
	w := newWorld(t, nil)
	mover, eve := w.user("mover"), w.user("eve")
	mover.bring(header, lines, 1)
	eve.create("nest")
	mover.export(1, "nest") // a room that she is not in
	mover.export(2)
	eve.export(1000, "nest")
	wantCode(t, eve.call(api.MethodExportRead, &api.ExportReadParams{}), api.CodePermissionDenied, "")
	wantCode(t, eve.call(api.MethodExportRead, &api.ExportReadParams{Rooms: []string{"lobby"}}), api.CodePermissionDenied, "rooms[0]")
	res, err := mover.AuditList(t.Context(), &api.AuditListParams{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range slices.Backward(res.Records) {
		if noun, _, _ := strings.Cut(r.Action, "."); noun == "export" || noun == "import" {
			got = append(got, fmt.Sprintf("%s %s %s %s %s", r.ActorName, r.Action, r.SubjectName, r.Outcome, r.Detail))
		}
	}
	want := []string{
		"mover import.begin  ok ", "mover import.finish  ok 2 users, 1 rooms, 6 events", "mover export.read nest ok ", "mover export.read  ok the whole server", "eve export.read nest ok ",
		"eve export.read  permission_denied ", "eve export.read  permission_denied ", // without words, which may name a room
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A cursor is good for its caller and its rooms alone.
func TestExportCursors(t *testing.T) {
	w := newWorld(t, nil)
	ada, bob := w.user("ada"), w.user("bob")
	ada.create("a")
	ada.create("b")
	bob.join("a")
	if _, err := ada.MemberSetRole(t.Context(), &api.MemberSetRoleParams{Room: "a", User: "bob", Role: api.RoleOwner}); err != nil {
		t.Fatal(err)
	}
	one := int64(1)
	page, err := bob.ExportRead(t.Context(), &api.ExportReadParams{Rooms: []string{"a"}, Limit: &one})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who    *client
		rooms  []string
		cursor string
	}{
		{bob, []string{"b"}, page.NextCursor},
		{bob, []string{"a", "b"}, page.NextCursor},
		{ada, []string{"a"}, page.NextCursor},
		{ada, nil, page.NextCursor},
		{bob, []string{"a"}, "x"},
		{bob, []string{"a"}, page.NextCursor + "0"},
		{bob, []string{"a"}, strings.Replace(page.NextCursor, ".", ".0", 1)},
	} {
		_, err := tt.who.ExportRead(t.Context(), &api.ExportReadParams{Rooms: tt.rooms, Cursor: tt.cursor})
		wantCode(t, err, api.CodeInvalidParams, "cursor")
	}
	// Who is no owner any more gets no further.
	if _, err := ada.MemberSetRole(t.Context(), &api.MemberSetRoleParams{Room: "a", User: "bob", Role: api.RoleMember}); err != nil {
		t.Fatal(err)
	}
	_, err = bob.ExportRead(t.Context(), &api.ExportReadParams{Rooms: []string{"a"}, Cursor: page.NextCursor})
	wantCode(t, err, api.CodePermissionDenied, "rooms[0]")
}

// An administrator lets somebody in who has no password, and signs them out elsewhere.
func TestUserSetPassword(t *testing.T) {
	w := newWorld(t, nil)
	ada, bob := w.user("ada"), w.user("bob")
	if _, err := bob.BotCreate(t.Context(), &api.BotCreateParams{Username: "bot"}); err != nil {
		t.Fatal(err)
	}
	set := func(user string) (*api.UserSetPasswordResult, error) {
		return ada.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: user, Password: "another password"})
	}
	res, err := set("bob")
	if err != nil || res.SessionsEnded != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	if bob.SignedIn() {
		t.Error("bob is signed in still")
	}
	if _, err := w.connect().AuthLogin(t.Context(), &api.AuthLoginParams{Username: "bob", Password: "another password"}); err != nil {
		t.Error(err)
	}
	_, err = set("bot")
	wantCode(t, err, api.CodeFailedPrecondition, "user")
	_, err = set("nobody")
	wantCode(t, err, api.CodeNotFound, "user")
	if res, err := set("ada"); err != nil || res.SessionsEnded != 0 || !ada.SignedIn() {
		t.Errorf("one's own: %+v, %v", res, err)
	}
}

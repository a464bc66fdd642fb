package chat_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/store/memory"
)

// stores are worlds on each store.
func stores(t *testing.T) map[string]*world {
	t.Helper()
	return map[string]*world{"memory": on(t, memory.New()), "sqlite": onSQLite(t)}
}

// directOf is an export of a server with a direct room.
func directOf(t *testing.T) (*api.ExportHeader, []api.ExportLine) {
	t.Helper()
	w := newWorld(t, nil)
	ada, bob := w.user("ada"), w.user("bob")
	res, err := ada.DmOpen(t.Context(), &api.DmOpenParams{Users: []string{"bob"}})
	if err != nil {
		t.Fatal(err)
	}
	bob.post(string(res.Room.ID), "for your eyes only")
	return ada.export(1000)
}

// enters lets somebody in whom an import has brought.
func enters(mover *client, name string) *client {
	t := mover.w.t
	t.Helper()
	if _, err := mover.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: name, Password: "password of " + name}); err != nil {
		t.Fatal(err)
	}
	c := mover.w.connect()
	c.login(name)
	return c
}

// A direct room is with its people again, whatever they are called here, and there is one for them; while it comes there is none.
func TestImportOfDirectRooms(t *testing.T) {
	header, lines := directOf(t)
	id := lines[at(lines, isRoom)].Room.ID
	for name, w := range stores(t) {
		t.Run(name, func(t *testing.T) {
			w.t = t
			mover := w.user("mover")
			import1, err := mover.begin(&api.ImportBeginParams{Header: *header, RenameUsers: []api.UserRename{{From: "ada", To: "zoe"}}}, lines, 2)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mover.ImportFinish(t.Context(), &api.ImportFinishParams{Import: import1, End: endOf(lines)}); err != nil {
				t.Fatal(err)
			}
			zoe, bob := enters(mover, "zoe"), enters(mover, "bob")
			for c, other := range map[*client]string{zoe: "bob", bob: "zoe"} {
				res, err := c.DmOpen(t.Context(), &api.DmOpenParams{Users: []string{other}})
				if err != nil || res.Opened || res.Room.ID != id || res.Room.Visibility != api.VisibilityDirect {
					t.Fatalf("%+v, %v", res, err)
				}
				var names []string
				for _, u := range res.Room.Users {
					names = append(names, u.Username)
				}
				if !slices.Equal(names, []string{"bob", "zoe"}) {
					t.Errorf("it is between %q", names)
				}
			}
			_, err = mover.RoomGet(t.Context(), &api.RoomGetParams{Room: string(id)})
			wantCode(t, err, api.CodeNotFound, "room")

			// Another direct room between them.
			second := deep(t, lines)
			now := "room_01kb1z3c8efyvs6tjv5vz0q7xn"
			for i := range second {
				switch l := &second[i]; {
				case l.Event != nil:
					swap(l, string(id), now)
				case l.Member != nil:
					l.Member.RoomID = api.RoomID(now)
				case l.Room != nil:
					l.Room.ID, l.Room.Name = api.RoomID(now), now
				}
			}
			other := *header
			other.ID = "export_01kb1z3c8efyvs6tjv5vz0q7y3"
			field := fmt.Sprintf("lines[%d].room.users", at(lines, isRoom))
			_, err = mover.ImportCheck(t.Context(), &api.ImportCheckParams{Lines: second})
			wantCode(t, err, api.CodeAlreadyExists, field)
			_, err = mover.begin(&api.ImportBeginParams{Header: other}, second, 1000)
			wantCode(t, err, api.CodeAlreadyExists, field)
		})
	}
}

// Who opens a direct room that an import is bringing learns that it comes.
func TestDirectRoomWhileItComes(t *testing.T) {
	header, lines := directOf(t)
	for name, w := range stores(t) {
		t.Run(name, func(t *testing.T) {
			w.t = t
			mover := w.user("mover")
			users := lines[:2]
			first := *header
			first.ID = "export_01kb1z3c8efyvs6tjv5vz0q7y3"
			mover.bring(&first, users, 10)
			ada := enters(mover, "ada")
			id, err := mover.begin(&api.ImportBeginParams{Header: *header}, lines, 10)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ada.DmOpen(t.Context(), &api.DmOpenParams{Users: []string{"bob"}})
			wantCode(t, err, api.CodeUnavailable, "")
			if _, err := mover.ImportAbort(t.Context(), &api.ImportAbortParams{Import: id}); err != nil {
				t.Fatal(err)
			}
			if res, err := ada.DmOpen(t.Context(), &api.DmOpenParams{Users: []string{"bob"}}); err != nil || !res.Opened {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
}

// A direct room is nobody's to export; the whole server has it.
func TestExportOfADirectRoom(t *testing.T) {
	w := newWorld(t, nil)
	ada, bob, cy := w.user("ada"), w.user("bob"), w.user("cy")
	res, err := cy.DmOpen(t.Context(), &api.DmOpenParams{Users: []string{"bob"}})
	if err != nil {
		t.Fatal(err)
	}
	p := &api.ExportReadParams{Rooms: []string{string(res.Room.ID)}}
	_, err = bob.ExportRead(t.Context(), p)
	wantCode(t, err, api.CodeFailedPrecondition, "rooms[0]")
	_, err = ada.ExportRead(t.Context(), p)
	wantCode(t, err, api.CodeNotFound, "rooms[0]")
	_, lines := ada.export(3)
	if room := lines[at(lines, isRoom)].Room; room.ID != res.Room.ID || len(room.Users) != 2 {
		t.Errorf("it is exported as %+v", room)
	}
}

// A deleted room is in no export, ends one that it was in, and can be given back under its name and id.
func TestExportOfADeletedRoom(t *testing.T) {
	for name, w := range stores(t) {
		t.Run(name, func(t *testing.T) {
			w.t = t
			ada, bob := w.user("ada"), w.user("bob")
			room := ada.create("lobby")
			bob.join("lobby")
			root := bob.post("lobby", "a question")
			if _, err := ada.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "an answer", Thread: &root.Seq, IdempotencyKey: "k"}); err != nil {
				t.Fatal(err)
			}
			bob.post("lobby", "thanks")
			ada.create("other")
			header, lines := ada.export(1000, "lobby")
			before := bob.looks()

			five := int64(5)
			whole, some := &api.ExportReadParams{Limit: &five}, &api.ExportReadParams{Limit: &five, Rooms: []string{"lobby"}}
			for _, p := range []*api.ExportReadParams{whole, some} {
				for seen := false; !seen; { // until it is in the midst of the lobby
					page, err := ada.ExportRead(t.Context(), p)
					if err != nil || page.NextCursor == "" {
						t.Fatalf("%+v, %v", page, err)
					}
					p.Cursor, seen = page.NextCursor, at(page.Lines, isRoom) >= 0
				}
			}
			if _, err := ada.RoomDelete(t.Context(), &api.RoomDeleteParams{Room: "lobby"}); err != nil {
				t.Fatal(err)
			}
			_, err := ada.ExportRead(t.Context(), whole)
			wantCode(t, err, api.CodeConflict, "cursor")
			_, err = ada.ExportRead(t.Context(), some)
			wantCode(t, err, api.CodeNotFound, "rooms[0]")
			_, rest := ada.export(1000)
			for i := range rest {
				if l := &rest[i]; l.Room != nil && l.Room.ID == room || l.Member != nil && l.Member.RoomID == room {
					t.Errorf("exported: %s", l.AppendJSON(nil))
				}
			}
			ada.bring(header, lines, 3)
			if d := cmp.Diff(before, bob.looks()); d != "" {
				t.Errorf("not given back (-before +now):\n%s", d)
			}
			_, again := ada.export(1000, "lobby")
			if d := cmp.Diff(written(lines), written(again)); d != "" {
				t.Errorf("not given back (-before +now):\n%s", d)
			}
		})
	}
}

// Whom somebody else's message makes follow a thread while the room is read follows it in the export.
func TestExportOfThreadsThatBeginMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	ada, bob := w.user("ada"), w.user("bob")
	ada.create("lobby")
	bob.join("lobby")
	root := ada.post("lobby", "a question")
	two := int64(2)
	p := &api.ExportReadParams{Rooms: []string{"lobby"}, Limit: &two}
	var lines []api.ExportLine
	for {
		page, err := ada.ExportRead(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if lines == nil { // ada has been read
			if _, err := bob.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "an answer", Thread: &root.Seq}); err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, page.Lines...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			break
		}
	}
	last := map[api.UserID]*api.ExportMember{}
	for i := range lines {
		if m := lines[i].Member; m != nil {
			last[m.UserID] = m
		}
	}
	for _, c := range []*client{ada, bob} {
		if m := last[c.UserID()]; len(m.Threads) != 1 || m.Threads[0].Root != root.Seq || m.Threads[0].Read == nil {
			t.Errorf("%s has %s", c.name(), m.AppendJSON(nil))
		}
	}
}

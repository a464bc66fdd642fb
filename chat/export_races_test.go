package chat_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// While people post, an export is a prefix of each room's log, as the room was at its end; while an import goes on, people post.
func TestExportAndImportWhilePosting(t *testing.T) {
	here, there := onSQLite(t), onSQLite(t)
	ada, bob := here.user("ada"), here.user("bob")
	rooms := []string{"a", "b"}
	for _, room := range rooms {
		ada.create(room)
		bob.join(room)
	}
	header, lines := busily(here, []*client{ada, bob}, rooms, func() (*api.ExportHeader, []api.ExportLine) { return ada.export(7) })

	logs := map[api.RoomID][][]byte{}
	for i := range lines {
		switch l := &lines[i]; {
		case l.Room != nil:
			logs[l.Room.ID] = nil
			if records := logOf(t, here, l.Room.ID); int(l.Room.Head.Seq) > len(records) || l.Room.Head.MsgNo != api.MsgNo(l.Room.Head.Seq)-3 {
				t.Errorf("head %+v of %d events", l.Room.Head, len(records))
			}
		case l.Event != nil:
			var ev api.Event
			if err := ev.UnmarshalJSON(l.Event); err != nil {
				t.Fatal(err)
			}
			logs[ev.RoomID] = append(logs[ev.RoomID], l.Event)
		}
	}
	for id, log := range logs {
		for i, rec := range logOf(t, here, id)[:len(log)] {
			if !bytes.Equal(rec.Bytes, log[i]) {
				t.Fatalf("event %d is exported as\n%s\nand stored as\n%s", i+1, log[i], rec.Bytes)
			}
		}
	}

	mover, poster := there.user("mover"), there.user("poster")
	poster.create("theirs")
	busily(there, []*client{poster}, []string{"theirs"}, func() (*api.ExportHeader, []api.ExportLine) {
		mover.bring(header, lines, 20)
		return nil, nil
	})
	for id, log := range logs {
		if got := logOf(t, there, id); len(got) != len(log) {
			t.Errorf("%d events of %d came", len(got), len(log))
		}
	}
}

// busily does something while people post, and until they have posted a few times.
func busily(w *world, people []*client, rooms []string, do func() (*api.ExportHeader, []api.ExportLine)) (*api.ExportHeader, []api.ExportLine) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range people {
		wg.Go(func() { // ends when it is done
			for i := 0; ; i++ {
				select {
				case <-done:
					if i > 20 {
						return
					}
				default:
				}
				if _, err := c.MessagePost(w.t.Context(), &api.MessagePostParams{Room: rooms[i%len(rooms)], Text: fmt.Sprint("text ", i)}); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	people[0].await(rooms[0])
	header, lines := do()
	close(done)
	wg.Wait()
	return header, lines
}

// await waits until something was posted in a room.
func (c *client) await(room string) {
	for {
		page, err := c.w.store.RoomByName(c.w.t.Context(), room, "")
		if err != nil {
			c.w.t.Fatal(err)
		}
		if page.Head.MsgNo > 5 {
			return
		}
	}
}

func logOf(t *testing.T, w *world, room api.RoomID) []chat.Record {
	t.Helper()
	records, err := w.store.History(t.Context(), &chat.HistoryQuery{Room: room, Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

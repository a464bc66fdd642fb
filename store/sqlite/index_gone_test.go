package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

func eraseAll(t *testing.T, s *sqlite.Store) {
	t.Helper()
	for {
		step, err := s.Erase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if step == nil {
			return
		}
	}
}

// What the index has of a room goes with it, in steps, and also when the process ends in between.
func TestIndexForgetsDeletedRooms(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		path, index := filepath.Join(dir, "chatd.db"), filepath.Join(dir, "chatd.search.db")
		s := talkative(t, path)
		attic, groot := storetest.RoomID("attic"), storetest.User("groot")
		commit(t, s, storetest.Create("attic", groot))
		var entries []*chat.Entry
		for range 600 { // more than goes into one step
			entries = append(entries, say(attic, groot, 1_764_000_000_000, "one secret"))
		}
		commit(t, s, append(entries, storetest.Partake(attic, 3, &chat.ThreadPart{UserID: groot, Followed: true}))...)
		sayInLobby(t, s, "one", "two")
		indexedNow(t, s)
		wantHits(t, s, map[string]int{"secret": 100, "two": 1})
		commit(t, s, storetest.Delete(attic, groot))
		wantHits(t, s, map[string]int{"secret": 0, "one": 1, "two": 1})
		if restart {
			mustClose(t, s)
			s = mustOpen(t, path)
		}
		indexedNow(t, s)
		eraseAll(t, s)
		wantHits(t, s, map[string]int{"secret": 0, "one": 1, "two": 1})
		mustClose(t, s)
		for q, want := range map[string]string{
			"SELECT COUNT(*) FROM doc": "2", "SELECT COUNT(*) FROM room": "1", "SELECT COUNT(*) FROM word WHERE word MATCH 'secret'": "0", "SELECT COUNT(*) FROM word WHERE word MATCH 'one'": "1",
		} {
			if got := query(t, index, q); got != want {
				t.Errorf("%s: %s, want %s", q, got, want)
			}
		}
		for _, table := range []string{"erasure", "message", "reaction", "mention", "thread", "restriction"} {
			if got := query(t, path, "SELECT COUNT(*) FROM "+table); got != "0" {
				t.Errorf("%s in %s", got, table)
			}
		}
		if got := query(t, path, "SELECT COUNT(*) FROM event"); got != "4" {
			t.Errorf("%s events", got)
		}
	}
}

// The number of a deleted room is never another's, so what is left of it anywhere is nobody's.
func TestNumbersOfRoomsAreNotTakenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := talkative(t, path)
	groot := storetest.User("groot")
	commit(t, s, storetest.Create("attic", groot))
	commit(t, s, storetest.Delete(storetest.RoomID("attic"), groot))
	eraseAll(t, s)
	commit(t, s, storetest.Create("attic", groot))
	mustClose(t, s)
	if got := query(t, path, "SELECT room_no FROM room WHERE name = 'attic'"); got != "3" {
		t.Errorf("number %s", got)
	}
	if got := query(t, path, "SELECT id || name || title || topic FROM room WHERE deleted = 1"); got != "deleted 2deleted 2" {
		t.Errorf("left of it: %q", got)
	}
}

// An index beside an older copy of the database may know another room by a number that is new there.
func TestIndexOfARoomThatNeverWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "chatd.db")
	s := talkative(t, path)
	groot := storetest.User("groot")
	sayInLobby(t, s, "one")
	indexedNow(t, s)
	mustClose(t, s)
	copyFile(t, path, path+".backup")
	s = mustOpen(t, path)
	commit(t, s, storetest.Create("attic", groot))
	commit(t, s, say(storetest.RoomID("attic"), groot, 1_764_000_000_000, "old"), say(storetest.RoomID("attic"), groot, 1_764_000_000_000, "older"))
	indexedNow(t, s)
	mustClose(t, s)

	copyFile(t, path+".backup", path)
	s = mustOpen(t, path)
	commit(t, s, storetest.Create("cellar", groot))
	commit(t, s, say(storetest.RoomID("cellar"), groot, 1_764_000_000_000, "new"))
	wantHits(t, s, map[string]int{"one": 1, "old": 0, "new": 1})
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"one": 1, "old": 0, "older": 0, "new": 1})
	mustClose(t, s)
	if got := query(t, filepath.Join(dir, "chatd.search.db"), "SELECT COUNT(*) FROM doc"); got != "2" {
		t.Errorf("%s docs", got)
	}
}

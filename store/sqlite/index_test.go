package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

// said is a message.posted as the domain writes it.
type said struct {
	entry *chat.Entry
	text  string
}

func (d *said) Type() api.EventType { return api.EventTypeMessagePosted }

func (d *said) About() api.Seq { return 0 }

func (d *said) Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte {
	data := api.MessagePosted{MsgNo: msgNo, Text: d.text}
	ev := api.Event{RoomID: d.entry.RoomID, Seq: seq, Type: d.Type(), At: d.entry.At, SenderID: d.entry.SenderID, SenderName: "name", Data: data.AppendJSON(nil)}
	return ev.AppendJSON(dst)
}

func say(room api.RoomID, user api.UserID, at api.Timestamp, text string) *chat.Entry {
	e := storetest.Post(room, user, "")
	e.At, e.Plain = at, &said{e, text}
	return e
}

// talkative opens a store in which groot can say something in the lobby.
func talkative(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s := mustOpen(t, path)
	if _, err := s.CreateAccount(t.Context(), storetest.NewAccount("groot")); err != nil {
		t.Fatal(err)
	}
	commit(t, s, storetest.Create("lobby", storetest.User("groot")))
	return s
}

func commit(t *testing.T, s *sqlite.Store, es ...*chat.Entry) {
	t.Helper()
	if err := s.Commit(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if e.Err != nil {
			t.Fatal(e.Err)
		}
	}
}

func sayInLobby(t *testing.T, s *sqlite.Store, texts ...string) {
	t.Helper()
	for _, text := range texts {
		commit(t, s, say(storetest.RoomID("lobby"), storetest.User("groot"), 1_764_000_000_000, text))
	}
}

func indexedNow(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Indexed(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantHits checks how many messages each query finds.
func wantHits(t *testing.T, s *sqlite.Store, want map[string]int) {
	t.Helper()
	for query, n := range want {
		got, err := hits(t, s, query)
		if err != nil || got != n {
			t.Errorf("%s: %d found, %v, want %d", query, got, err, n)
		}
	}
}

func hits(t *testing.T, s *sqlite.Store, query string) (int, error) {
	q, err := search.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Search(t.Context(), &chat.SearchQuery{User: storetest.User("groot"), Text: q, Limit: 100})
	if err != nil {
		return 0, err
	}
	return len(page.Messages), nil
}

func mustClose(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestIndexThatIsLostOrForeignIsMadeAnew(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	path, index := filepath.Join(dir, "chatd.db"), filepath.Join(dir, "chatd.search.db")
	s := talkative(t, path)
	sayInLobby(t, s, "one", "two")
	indexedNow(t, s)
	mustClose(t, s)
	o := talkative(t, filepath.Join(other, "chatd.db"))
	sayInLobby(t, o, "three", "four", "five")
	indexedNow(t, o)
	mustClose(t, o)

	for name, harm := range map[string]func(){
		"none":    func() {},
		"lost":    func() { os.Remove(index) },
		"foreign": func() { copyFile(t, filepath.Join(other, "chatd.search.db"), index) },
		"garbage": func() {
			os.WriteFile(index, []byte("this is no database, whatever it is called; and it is long enough to be looked at"), 0o600)
		},
		"another program's": func() {
			os.Remove(index)
			execIn(t, index, "CREATE TABLE song (title TEXT)", "PRAGMA user_version = 2")
		},
		"of a newer form":  func() { execIn(t, index, "PRAGMA user_version = 99") },
		"without a table":  func() { execIn(t, index, "DROP TABLE doc") },
		"with another one": func() { execIn(t, index, "ALTER TABLE doc ADD COLUMN more INTEGER") },
		"nobody's":         func() { execIn(t, index, "DELETE FROM meta") },
	} {
		harm()
		s := mustOpen(t, path)
		indexedNow(t, s)
		wantHits(t, s, map[string]int{"one": 1, "two": 1, "three": 0})
		mustClose(t, s)
		if t.Failed() {
			t.Fatalf("after an index that is %s", name)
		}
	}
}

// execIn changes a database behind chatd's back.
func execIn(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// An index that was beside another copy of the log is known by it, also when this one is longer by now: it would hide what
// was said under the same numbers here.
func TestIndexOfAnotherCopy(t *testing.T) {
	dir := t.TempDir()
	path, index := filepath.Join(dir, "chatd.db"), filepath.Join(dir, "chatd.search.db")
	lobby, groot := storetest.RoomID("lobby"), storetest.User("groot")
	at := api.Timestamp(1_764_000_000_000)
	s := talkative(t, path)
	talk := func(texts ...string) {
		for _, text := range texts {
			at += 1000
			commit(t, s, say(lobby, groot, at, text))
		}
		indexedNow(t, s)
	}
	talk("one", "two")
	mustClose(t, s)
	copyFile(t, path, path+".backup")
	s = mustOpen(t, path)
	talk("three", "four")
	mustClose(t, s)
	copyFile(t, index, index+".kept")

	copyFile(t, path+".backup", path)
	os.Remove(index)
	s = mustOpen(t, path)
	talk("five", "six", "seven")
	mustClose(t, s)
	copyFile(t, index+".kept", index)
	s = mustOpen(t, path)
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"one": 1, "two": 1, "three": 0, "four": 0, "five": 1, "six": 1, "seven": 1})
	mustClose(t, s)
}

// An index that is ahead of the log was beside a newer copy of it: what it knows of the future is forgotten.
func TestIndexAheadOfTheLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "chatd.db")
	s := talkative(t, path)
	sayInLobby(t, s, "one", "two")
	indexedNow(t, s)
	mustClose(t, s)
	copyFile(t, path, path+".backup")
	s = mustOpen(t, path)
	sayInLobby(t, s, "three", "four")
	indexedNow(t, s)
	mustClose(t, s)

	copyFile(t, path+".backup", path)
	s = mustOpen(t, path)
	sayInLobby(t, s, "five", "six", "seven")
	wantHits(t, s, map[string]int{"one": 1, "three": 0, "four": 0, "five": 1, "six": 1, "seven": 1})
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"one": 1, "three": 0, "four": 0, "five": 1, "six": 1, "seven": 1})
	mustClose(t, s)
}

// What was purged goes from the index too, also when the process ends before it has.
func TestIndexForgetsWhatWasPurged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	index := filepath.Join(filepath.Dir(path), "chatd.search.db")
	s := talkative(t, path)
	for i := range 600 { // 3 … 602
		sayInLobby(t, s, fmt.Sprintf("word%d and more", i))
	}
	indexedNow(t, s)
	mustClose(t, s)
	copyFile(t, index, index+".before")

	s = mustOpen(t, path)
	commit(t, s, storetest.Purge(storetest.RoomID("lobby"), 600))
	wantHits(t, s, map[string]int{"word0": 0, "word597": 0, "word598": 1, "more": 2})
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"word0": 0, "word598": 1, "more": 2})
	mustClose(t, s)
	for range 2 {
		if docs, words := query(t, index, `SELECT COUNT(*) FROM doc`), query(t, index, `SELECT COUNT(*) FROM word('and')`); docs != "2" || words != "2" {
			t.Errorf("%s messages are in the index, %s with a word that is in all of them", docs, words)
		}
		copyFile(t, index+".before", index) // as if it had not come to it
		s = mustOpen(t, path)
		indexedNow(t, s)
		wantHits(t, s, map[string]int{"more": 2})
		mustClose(t, s)
	}
}

// A damaged index is no damage to the store: searches are refused until it is made anew.
func TestIndexIsDamagedWhileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := talkative(t, path)
	for i := range 300 {
		sayInLobby(t, s, fmt.Sprintf("word%d and more", i))
	}
	indexedNow(t, s)
	mustClose(t, s)
	db, err := sql.Open("sqlite", filepath.Join(filepath.Dir(path), "chatd.search.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE word_data SET block = zeroblob(length(block)) WHERE id > 1000"); err != nil { // the words; it opens all the same
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, path)
	defer mustClose(t, s)
	refused := 0
	for {
		n, err := hits(t, s, "word7")
		if err == nil && n != 1 {
			t.Fatalf("%d found", n)
		}
		if err == nil {
			break
		}
		if refused++; errors.Is(err, chat.ErrBroken) || !errors.Is(err, chat.ErrUnavailable) || refused > 2 {
			t.Fatal(err)
		}
		indexedNow(t, s)
	}
	if refused == 0 {
		t.Fatal("the damage was not seen: the test tests nothing")
	}
	sayInLobby(t, s, "word7 again")
	wantHits(t, s, map[string]int{"word7": 2, "word299": 1})
}

// Who has posted finds it at once, whatever the index is about to do.
func TestFindsWhatWasJustPosted(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer mustClose(t, s)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("w%dn%d", w, i)
				sayInLobby(t, s, text)
				wantHits(t, s, map[string]int{text: 1})
			}
		})
	}
	stop := make(chan struct{})
	var hurried sync.WaitGroup
	hurried.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				indexedNow(t, s)
			}
		}
	})
	writers.Wait()
	close(stop)
	hurried.Wait()
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"w3*": 50})
}

// A room with more messages at one time than a page holds is read page by page all the same.
func TestManyMessagesOfOneTime(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer mustClose(t, s)
	for range 25 {
		sayInLobby(t, s, "same")
	}
	indexedNow(t, s)
	q, err := search.Parse("same")
	if err != nil {
		t.Fatal(err)
	}
	ask := &chat.SearchQuery{User: storetest.User("groot"), Text: q, Limit: 10}
	var seqs []api.Seq
	for {
		page, err := s.Search(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Messages {
			seqs = append(seqs, page.Messages[i].Seq)
		}
		if ask.After = page.Next; ask.After == nil {
			break
		}
	}
	for i, seq := range seqs {
		if want := api.Seq(27 - i); seq != want || len(seqs) != 25 {
			t.Fatalf("%v", seqs)
		}
	}
}

// What is found in rooms of others is passed by, whether the index is told which rooms count or not; and a page that ends
// before anything was found goes on.
func TestSearchPassesOtherRoomsBy(t *testing.T) {
	for _, c := range []struct{ rooms, foreign, pages int }{{5, 100, 1}, {10, 1500, 1}, {70, 11_000, 2}} {
		t.Run(fmt.Sprintf("rooms=%d", c.rooms), func(t *testing.T) {
			s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
			defer mustClose(t, s)
			if _, err := s.CreateAccount(t.Context(), storetest.NewAccount("rocket")); err != nil {
				t.Fatal(err)
			}
			rocket := storetest.User("rocket")
			for i := range c.rooms {
				commit(t, s, storetest.Create(fmt.Sprintf("r%d", i), rocket))
			}
			for i := range 3 {
				commit(t, s, say(storetest.RoomID("r1"), rocket, 1_763_000_000_000, fmt.Sprintf("word %d", i)))
			}
			var others []*chat.Entry
			for i := range c.foreign {
				others = append(others, say(storetest.RoomID("lobby"), storetest.User("groot"), api.Timestamp(1_764_000_000_000+i), "word"))
			}
			commit(t, s, others...)
			indexedNow(t, s)
			q, err := search.Parse("word")
			if err != nil {
				t.Fatal(err)
			}
			ask := &chat.SearchQuery{User: rocket, Text: q, Limit: 10}
			found, pages := 0, 0
			for ; pages == 0 || ask.After != nil; pages++ {
				page, err := s.Search(t.Context(), ask)
				if err != nil {
					t.Fatal(err)
				}
				found += len(page.Messages)
				ask.After = page.Next
			}
			if found != 3 || pages != c.pages {
				t.Errorf("%d found on %d pages, want 3 on %d", found, pages, c.pages)
			}
		})
	}
}

// What is not in the index and too much to be looked at is counted, not passed over in silence.
func TestSearchTellsWhatItLeavesOut(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer mustClose(t, s)
	const all = 1500
	var es []*chat.Entry
	for i := range all {
		es = append(es, say(storetest.RoomID("lobby"), storetest.User("groot"), api.Timestamp(1_764_000_000_000+i), "word"))
	}
	commit(t, s, es...)
	q, err := search.Parse("word")
	if err != nil {
		t.Fatal(err)
	}
	ask := &chat.SearchQuery{User: storetest.User("groot"), Text: q, Limit: 2 * all}
	page, err := s.Search(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if page.Next == nil && len(page.Messages)+int(page.Behind) < all { // with a next page the index had been quick
		t.Errorf("%d found, %d left out, of %d", len(page.Messages), page.Behind, all)
	}
	indexedNow(t, s)
	found := 0
	for pages := 0; pages == 0 || ask.After != nil; pages++ {
		page, err := s.Search(t.Context(), ask)
		if err != nil || page.Behind != 0 {
			t.Fatal(err, page)
		}
		found += len(page.Messages)
		ask.After = page.Next
	}
	if found != all {
		t.Errorf("%d found, of %d", found, all)
	}
}

// A message whose number was another's in a copy of the database that is gone is found by its own time.
func TestIndexOfOtherTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	lobby, groot := storetest.RoomID("lobby"), storetest.User("groot")
	const day = 24 * 60 * 60 * 1000
	const at = api.Timestamp(1_764_000_000_000)
	s := talkative(t, path)
	commit(t, s, say(lobby, groot, at, "one"))
	indexedNow(t, s)
	mustClose(t, s)
	copyFile(t, path, path+".backup")
	s = mustOpen(t, path)
	commit(t, s, say(lobby, groot, at+day, "two"))
	indexedNow(t, s)
	mustClose(t, s)

	copyFile(t, path+".backup", path)
	s = mustOpen(t, path)
	commit(t, s, say(lobby, groot, at+9*day, "three"))
	indexedNow(t, s)
	wantHits(t, s, map[string]int{"after:2025-11-27 three": 1, "before:2025-11-27 one": 1, "before:2025-11-27 three": 0})
	mustClose(t, s)
}

// Where the index cannot be written any more, what it has is found, and what came after it.
func TestSearchWithIndexThatIsFull(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	sayInLobby(t, s, "one")
	indexedNow(t, s)
	if err := s.FillIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		sayInLobby(t, s, fmt.Sprintf("two and %d of many", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	if err := s.Indexed(ctx); err == nil {
		t.Error("it is indexed")
	}
	wantHits(t, s, map[string]int{"one": 1, "two 299": 1})
	mustClose(t, s)
}

// Searches leave some of the readers to others, however slow they are and however many.
func TestSearchesLeaveReaders(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	sayInLobby(t, s, "one")
	indexedNow(t, s)
	letGo, err := s.HoldIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var searches sync.WaitGroup
	for range 8 {
		searches.Go(func() { wantHits(t, s, map[string]int{"one": 1}) })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil && s.WaitForIndex() < 2 {
		runtime.Gosched()
	}
	for range 200 {
		if _, err := s.AccountByID(ctx, storetest.User("groot")); err != nil {
			t.Fatal(err)
		}
	}
	if err := letGo(); err != nil {
		t.Fatal(err)
	}
	searches.Wait()
	mustClose(t, s)
}

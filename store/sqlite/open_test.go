package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

func TestFilesAreTheOwners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for this")
	s := mustOpen(t, filepath.Join(dir, "chat d?#%.db")) // SQLite reads names as URIs
	defer s.Close()
	if err := s.Indexed(t.Context()); err != nil { // all files are there
		t.Fatal(err)
	}
	modes := map[string]string{}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		modes[filepath.Base(d)] = info.Mode().String()
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		modes[f.Name()] = info.Mode().String()
	}
	want := map[string]string{
		"made": "drwx------", "for this": "drwx------", "chat d?#%.db": "-rw-------", "chat d?#%.db-wal": "-rw-------", "chat d?#%.db-shm": "-rw-------", "chat d?#%.db.lock": "-rw-------",
		"chat d?#%.search.db": "-rw-------", "chat d?#%.search.db-wal": "-rw-------", "chat d?#%.search.db-shm": "-rw-------",
	}
	if d := cmp.Diff(want, modes); d != "" {
		t.Error(d)
	}
	if s.Durability() != api.DurabilityFull || !strings.HasPrefix(string(s.Epoch()), "epoch_") || len(s.Epoch()) != 32 {
		t.Errorf("durability %s, epoch %s", s.Durability(), s.Epoch())
	}
}

// What Open refuses it leaves as it was, to the byte.
func TestRefusedUntouched(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
		text string
	}{
		{"NewerSchema", func(t *testing.T, path string) {
			if err := mustOpen(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			execSQL(t, path, `INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)`, `CREATE TABLE from_the_future (x)`)
		}, sqlite.ErrNewerSchema, "its schema is 99, this one knows "},
		{"OtherProgram", func(t *testing.T, path string) {
			execSQL(t, path, `CREATE TABLE bookmarks (url TEXT)`, `INSERT INTO bookmarks VALUES ('https://example.org')`)
		}, nil, "not a chatd database"},
		{"NoDatabase", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("a shopping list\n"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, chat.ErrBroken, "not a database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chatd.db")
			c.make(t, path)
			before := contents(t, path)
			_, err := sqlite.Open(t.Context(), path, nil)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want %v, saying %q", err, c.want, c.text)
			}
			after := contents(t, path)
			delete(after, "chatd.db.lock")
			delete(before, "chatd.db.lock")
			if d := cmp.Diff(before, after); d != "" {
				t.Fatalf("it was touched: %s", d)
			}
			// And not kept locked.
			if _, again := sqlite.Open(t.Context(), path, nil); errors.Is(again, sqlite.ErrInUse) {
				t.Fatal(again)
			}
		})
	}
}

func TestCorruptionIsTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := mustOpen(t, path)
	if err := populate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(db); i++ { // all but the schema
		db[i] ^= 0x5a
	}
	if err := os.WriteFile(path, db, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), path, nil); err == nil {
		defer s.Close()
		t.Fatal("opened")
	} else if !errors.Is(err, chat.ErrBroken) {
		t.Fatalf("error %v", err)
	}
}

// The write-ahead log starts over again and again while it is written, also while there are readers.
func TestLogIsBounded(t *testing.T) {
	t.Run("read", func(t *testing.T) { logIsBounded(t, true, 72<<20) })
	t.Run("only written", func(t *testing.T) { logIsBounded(t, false, 32<<20) })
}

func logIsBounded(t *testing.T, read bool, most int64) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := mustOpen(t, path)
	defer s.Close()
	if err := populate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() { // ends when done is closed
		defer close(stopped)
		for read {
			select {
			case <-done:
				return
			default:
			}
			if _, err := s.History(t.Context(), &chat.HistoryQuery{Room: storetest.RoomID("lobby"), Limit: 20, Newest: true}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	text := strings.Repeat("x", 32<<10)
	largest, written, enough := int64(0), 0, 96<<20
	if testing.Short() {
		enough = 40 << 20
	}
	for written < enough {
		var batch []*chat.Entry
		for range 32 {
			batch = append(batch, storetest.Post(storetest.RoomID("lobby"), storetest.User("groot"), text))
			written += len(text)
		}
		if err := s.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	close(done)
	<-stopped
	t.Logf("%d MiB written, the log was at most %d MiB", written>>20, largest>>20)
	if largest > most {
		t.Errorf("the log grew to %d MiB", largest>>20)
	}
}

// A draft that panics takes its whole batch with it, and nothing else.
func TestPanicLeavesNothing(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer s.Close()
	if err := populate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	room, user := storetest.RoomID("lobby"), storetest.User("groot")
	bad := storetest.Post(room, user, "bad")
	bad.Plain = panicking{}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		s.Commit(t.Context(), entries(storetest.Keyed(room, user, "good", "k"), bad))
	}()
	again := storetest.Keyed(room, user, "good", "k")
	if err := s.Commit(t.Context(), entries(again)); err != nil || again.Err != nil || again.Duplicate || again.Head != (api.Head{Seq: 3, MsgNo: 1}) {
		t.Fatalf("the next batch: %v, %v, duplicate %t, head %v", err, again.Err, again.Duplicate, again.Head)
	}
	if err := storetest.Dense(history(t, s)); err != nil {
		t.Fatal(err)
	}
}

type panicking struct{}

func (panicking) Type() api.EventType { return api.EventTypeMessagePosted }

func (panicking) About() api.Seq { return 0 }

func (panicking) Append([]byte, api.Seq, api.MsgNo) []byte { panic("a bug in an encoder") }

func TestCheckWritesOnceASecond(t *testing.T) {
	now := time.Unix(1_764_000_000, 0)
	path := filepath.Join(t.TempDir(), "chatd.db")
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	probed := func() string {
		t.Helper()
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		return query(t, path, `SELECT value FROM meta WHERE name = 'probed'`)
	}
	first := probed() // opening has just written
	now = now.Add(time.Second)
	second := probed()
	now = now.Add(time.Second / 2)
	third := probed()
	now = now.Add(-time.Hour) // a clock that is set back must not keep an old answer
	fourth := probed()
	if first != "0" || second != "2025-11-24T16:00:01Z" || third != second || fourth != "2025-11-24T15:00:01Z" {
		t.Errorf("probed %q, %q, %q, %q", first, second, third, fourth)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if err := s.Check(t.Context()); err == nil {
		t.Error("a closed store is ready")
	}
}

// Another process that holds the database stands for a disk that hangs: writes wait for it.
func TestCheckWaitsNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	var late atomic.Int64
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{Now: func() time.Time { return time.Now().Add(time.Duration(late.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	hang := func(hangs bool) {
		t.Helper()
		if _, err := other.ExecContext(t.Context(), map[bool]string{true: "BEGIN IMMEDIATE", false: "ROLLBACK"}[hangs]); err != nil {
			t.Fatal(err)
		}
	}
	checkBriefly := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return s.Check(ctx)
	}

	hang(true)
	late.Add(int64(time.Minute)) // what opening has written is long ago
	before := runtime.NumGoroutine()
	start := time.Now()
	for range 10 {
		if err := checkBriefly(); !errors.Is(err, chat.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want %v because of %v", err, chat.ErrUnavailable, context.DeadlineExceeded)
		}
	}
	if took := time.Since(start); took > 4*time.Second { // writes wait for 5 s
		t.Errorf("10 checks of 50 ms took %v", took)
	}
	if n := runtime.NumGoroutine() - before; n > 3 { // the probe, and a little for the driver
		t.Errorf("%d goroutines more", n)
	}
	hang(false)
	if err := s.Check(t.Context()); err != nil { // the probe that was under way
		t.Error(err)
	}

	hang(true)
	late.Add(int64(time.Minute))
	if err := checkBriefly(); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, chat.ErrUnavailable)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for range 10 { // with the closing
		if err := checkBriefly(); err == nil {
			t.Error("ready")
		}
	}
	hang(false)
	if err := <-closed; err != nil { // goleak sees whether the probe is over
		t.Error(err)
	}
}

func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m[filepath.Base(f)] = string(b)
	}
	return m
}

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func execSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

func query(t *testing.T, path, q string) (value string) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	if err := db.QueryRow(q).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to look at a database from outside

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// diskUsers post in every disk test; their tokens outlive restarts, so that nothing is hashed twice.
var diskUsers = []string{"ada", "bob"}

// diskTB ends with a part of a test: what is to be cleaned up after the part is not left to the test's end.
type diskTB struct {
	testing.TB
	cleanups []func()
}

func (p *diskTB) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

func (p *diskTB) end() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
	p.cleanups = nil
}

// diskTokens registers the users, or signs them in.
func diskTokens(s *rig.Server) (map[string]string, error) {
	tokens := map[string]string{}
	for _, user := range diskUsers {
		c, err := s.TryDial(user, &chatclient.Options{NoReconnect: true})
		if err != nil {
			return tokens, err
		}
		tokens[user] = c.Token()
		_ = c.Close()
	}
	return tokens, nil
}

// diskWriters are writers of all users, in one room.
func diskWriters(o *oracle.Oracle, room string, tokens map[string]string, window int) []*diskWriter {
	var list []*diskWriter
	for _, user := range diskUsers {
		if tokens[user] != "" {
			list = append(list, &diskWriter{o: o, room: room, user: user, token: tokens[user], window: window})
		}
	}
	return list
}

// diskEnter connects the writers and lets them into their room, which the first of them makes.
func diskEnter(s *rig.Server, writers []*diskWriter) error {
	for i, w := range writers {
		if err := w.dial(s); err != nil {
			return fmt.Errorf("%s: %w", w.user, err)
		}
		if i == 0 {
			_, err := diskCall[api.RoomCreateResult](w.conn, api.MethodRoomCreate, &api.RoomCreateParams{Name: w.room})
			if err != nil && !errors.Is(err, api.ErrAlreadyExists) {
				return fmt.Errorf("%s: %w", w.user, err)
			}
			continue
		}
		follow := false
		if _, err := diskCall[api.RoomJoinResult](w.conn, api.MethodRoomJoin, &api.RoomJoinParams{Room: w.room, Follow: &follow}); err != nil {
			return fmt.Errorf("%s: %w", w.user, err)
		}
	}
	return nil
}

// diskBegin lets all users into a room of a new server.
func diskBegin(t testing.TB, s *rig.Server) (*oracle.Oracle, []*diskWriter) {
	t.Helper()
	tokens, err := diskTokens(s)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle.New()
	writers := diskWriters(o, "room", tokens, 4)
	if err := diskEnter(s, writers); err != nil {
		t.Fatal(err)
	}
	return o, writers
}

// diskSettle checks a server that has been started again: the log as it is, then what comes of retries, and the log
// after them.
func diskSettle(t testing.TB, s *rig.Server, o *oracle.Oracle, room string, writers []*diskWriter) *oracle.Report {
	t.Helper()
	if len(o.Rooms()) > 0 {
		if err := writers[0].dial(s); err != nil {
			t.Errorf("after a restart a login that was acknowledged is lost: %s: %v", writers[0].user, err)
			return nil
		}
		if _, err := o.CheckRoom(t.Context(), &diskReader{writers[0].conn}, room); err != nil {
			t.Errorf("after a restart something acknowledged is lost: %v", err)
			return nil
		}
	}
	if err := diskEnter(s, writers); err != nil {
		t.Errorf("after a restart: %v", err)
		return nil
	}
	for _, w := range writers {
		if err := w.again(); err != nil || len(w.open) > 0 {
			t.Errorf("after a restart %s sends again what is open: %d posts still are, %v", w.user, len(w.open), err)
		}
	}
	report, err := o.CheckRoom(t.Context(), &diskReader{writers[0].conn}, room)
	if err != nil {
		t.Errorf("after the retries: %v", err)
	}
	for _, w := range writers {
		w.hangUp()
	}
	return report
}

// diskIntact lets SQLite look at the whole database, which nobody has open.
func diskIntact(t testing.TB, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file://"+filepath.Join(dir, "chatd.db"))
	if err != nil {
		t.Error(err)
		return
	}
	defer db.Close()
	var says string
	if err := db.QueryRowContext(context.Background(), "PRAGMA integrity_check").Scan(&says); err != nil || says != "ok" {
		t.Errorf("the database is damaged: %q, %v", says, err)
	}
}

// diskTemplate is a data directory to begin with, a copy each time.
type diskTemplate struct {
	name   string
	dir    string // "": none yet
	tokens map[string]string
	head   api.Seq // of the room before
	calls  map[string]int
}

// diskBefore is the room that is there before a test begins.
const diskBefore = "before"

// newDiskTemplate makes a data directory of a server that was killed when its write-ahead log was as long as that.
func newDiskTemplate(t testing.TB, name string, walBytes int64) *diskTemplate {
	t.Helper()
	tb := &diskTB{TB: t}
	defer tb.end()
	p := &diskTemplate{name: name, dir: filepath.Join(t.TempDir(), name)}
	s := rig.Start(tb, &rig.Options{Dir: p.dir})
	var err error
	if p.tokens, err = diskTokens(s); err != nil {
		t.Fatal(err)
	}
	writers := diskWriters(oracle.New(), diskBefore, p.tokens, 16)
	if err := diskEnter(s, writers); err != nil {
		t.Fatal(err)
	}
	w := writers[0]
	for wal := int64(0); wal < walBytes; {
		if err := w.post(w.make(16, strings.Repeat("x", 8000))); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(p.dir, "chatd.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		wal = info.Size()
	}
	s.Kill()
	p.head = w.head
	return p
}

// copy makes dir a copy of the template.
func (p *diskTemplate) copy(t testing.TB, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if p.dir != "" {
		if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
			t.Fatal(err)
		}
	}
}

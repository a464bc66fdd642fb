package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

// A log in the first schema, whose events other than messages did not count them, gets its heads right.
func TestHeadsOfFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	room, groot, thanos := storetest.RoomID("lobby"), storetest.User("groot"), storetest.User("thanos")
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := populate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateAccount(t.Context(), storetest.NewAccount("thanos")); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), entries(storetest.Post(room, groot, "1"), storetest.Post(room, groot, "2"), storetest.Join(room, thanos))); err != nil {
		t.Fatal(err)
	}
	want, err := s.Head(t.Context(), room)
	if err != nil || want != (api.Head{Seq: 5, MsgNo: 2}) {
		t.Fatalf("%+v, %v", want, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, `UPDATE event SET msg_no = 0 WHERE type <> 'message.posted'`)
	execSQL(t, path, `DROP INDEX event_about`, `ALTER TABLE event DROP COLUMN about`, `DROP TABLE message`, `DROP TABLE reaction`)
	execSQL(t, path, `DROP TABLE restriction`, `DROP INDEX member_owner`, `ALTER TABLE room DROP COLUMN slow_mode_ms`, `ALTER TABLE room DROP COLUMN read_only`, `ALTER TABLE room DROP COLUMN archived_at`)
	execSQL(t, path, `DELETE FROM schema_version WHERE version_id > 1`)
	if s, err = sqlite.Open(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Head(t.Context(), room); err != nil || got != want {
		t.Errorf("head %+v, %v, want %+v", got, err, want)
	}
	e := storetest.Post(room, thanos, "3")
	if err := s.Commit(t.Context(), entries(e)); err != nil || e.Err != nil || e.Head != (api.Head{Seq: 6, MsgNo: 3}) {
		t.Errorf("%v, %v, %+v", err, e.Err, e.Head)
	}
}

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
	execSQL(t, path, `DROP TRIGGER event_read`, `DROP TABLE mention`, `ALTER TABLE member DROP COLUMN read_seq`, `ALTER TABLE member DROP COLUMN read_msg_no`)
	for _, table := range []string{"account", "session"} {
		dropColumns(t, path, table)
	}
	execSQL(t, path, `DROP TABLE restriction`, `DROP INDEX member_owner`, `ALTER TABLE room DROP COLUMN slow_mode_ms`, `ALTER TABLE room DROP COLUMN read_only`, `ALTER TABLE room DROP COLUMN archived_at`)
	execSQL(t, path, `DROP TABLE import`, `DROP TABLE import_line`, `DROP INDEX account_hidden`, `ALTER TABLE account DROP COLUMN hidden`, `DROP INDEX room_hidden`, `ALTER TABLE room DROP COLUMN hidden`)
	execSQL(t, path, `DELETE FROM schema_version WHERE version_id > 1`)
	if s, err = sqlite.Open(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Head(t.Context(), room); err != nil || got != want {
		t.Errorf("head %+v, %v, want %+v", got, err, want)
	}
	// What was there when positions came counts as read.
	if v, err := s.RoomByID(t.Context(), room, thanos); err != nil || v.Read.Head != want {
		t.Errorf("read up to %+v, %v, want %+v", v.Read, err, want)
	}
	e := storetest.Post(room, thanos, "3")
	if err := s.Commit(t.Context(), entries(e)); err != nil || e.Err != nil || e.Head != (api.Head{Seq: 6, MsgNo: 3}) {
		t.Errorf("%v, %v, %+v", err, e.Err, e.Head)
	}
}

// dropColumns takes from a table what a later schema than the first gave it.
func dropColumns(t *testing.T, path, table string) {
	t.Helper()
	later := map[string][]string{
		"account": {"display_name", "owner_id", "deleted_at", "suspended_at", "suspended_until", "suspend_reason"},
		"session": {"addr", "seen_at", "made", "methods", "rooms", "per_minute"},
	}
	if table == "account" {
		execSQL(t, path, `DROP INDEX account_by_owner`, `DROP INDEX account_admin`, `DROP TABLE audit`)
	}
	for _, column := range later[table] {
		execSQL(t, path, `ALTER TABLE `+table+` DROP COLUMN `+column)
	}
}

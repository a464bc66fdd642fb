package sqlite_test

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
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
	execSQL(t, path, `DROP TABLE mention`, `ALTER TABLE member DROP COLUMN read_seq`, `ALTER TABLE member DROP COLUMN read_msg_no`)
	for _, table := range []string{"account", "session"} {
		dropColumns(t, path, table)
	}
	execSQL(t, path, `DROP TABLE thread`)
	execSQL(t, path, `DROP TABLE erasure`, `DROP INDEX room_direct`, `ALTER TABLE room DROP COLUMN deleted`, `ALTER TABLE room DROP COLUMN direct`)
	execSQL(t, path, `DROP INDEX invite_id`, `DROP INDEX invite_of_user`, `DROP INDEX invite_into_room`, `ALTER TABLE invite DROP COLUMN id`, `ALTER TABLE invite DROP COLUMN room_no`,
		`ALTER TABLE invite DROP COLUMN created_at`, `ALTER TABLE invite DROP COLUMN used`)
	execSQL(t, path, `INSERT INTO invite (hash, created_by, uses, expires_at) VALUES (x'01', 1, 2, 1764000000001), (x'02', 1, 1, 1764000000001)`)
	execSQL(t, path, `DROP TABLE restriction`, `DROP INDEX member_owner`, `ALTER TABLE room DROP COLUMN slow_mode_ms`, `ALTER TABLE room DROP COLUMN read_only`, `ALTER TABLE room DROP COLUMN archived_at`)
	dropSinceThreads(t, path)
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
	// Invitations from before have ids, each its own, and are good.
	ids := map[api.InviteID]bool{}
	for _, hash := range []byte{1, 2} {
		inv, err := s.InviteByHash(t.Context(), []byte{hash})
		if err != nil || !regexp.MustCompile(`^invite_[0-7][0-9a-hjkmnp-tv-z]{25}$`).MatchString(string(inv.ID)) || inv.CreatedAt == 0 || inv.Room != "" || inv.CreatedBy != groot {
			t.Fatalf("%+v, %v", inv, err)
		}
		ids[inv.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("%v", ids)
	}
	e := storetest.Post(room, thanos, "3")
	if err := s.Commit(t.Context(), entries(e)); err != nil || e.Err != nil || e.Head != (api.Head{Seq: 6, MsgNo: 3}) {
		t.Errorf("%v, %v, %+v", err, e.Err, e.Head)
	}
}

// Who has a part in threads that are older than parts are, follows them, and has read what is there.
func TestThreadsOfOlderSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"groot", "thanos", "hulk", "cap", "loki"} {
		if _, err := s.CreateAccount(t.Context(), storetest.NewAccount(name)); err != nil {
			t.Fatal(err)
		}
	}
	room, user := storetest.RoomID("lobby"), storetest.User
	if err := s.Commit(t.Context(), entries(
		storetest.Create("lobby", user("groot")), storetest.Join(room, user("thanos")), storetest.Join(room, user("hulk")), storetest.Join(room, user("cap")), storetest.Join(room, user("loki")),
		storetest.Post(room, user("groot"), "root"), storetest.Post(room, user("cap"), "nobody answers"), // 7, 8
		storetest.On(room, user("thanos"), 7, "answer", ""), storetest.On(room, user("loki"), 7, "answer", ""), storetest.On(room, user("thanos"), 7, "answer", ""), // 9, 10, 11
		storetest.Mean(room, user("thanos"), 9, user("hulk")), storetest.Mean(room, user("cap"), 8, user("hulk")), storetest.Leave(room, user("loki")),
	)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dropSinceThreads(t, path)
	execSQL(t, path, `CREATE TRIGGER event_read AFTER INSERT ON event BEGIN SELECT 1; END`)
	execSQL(t, path, `DROP TABLE thread`, `ALTER TABLE message DROP COLUMN answers`, `DELETE FROM schema_version WHERE version_id >= 8`)
	if s, err = sqlite.Open(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, follows := range map[string]bool{"groot": true, "thanos": true, "hulk": true, "cap": false, "loki": false} {
		v, err := s.Thread(t.Context(), room, 7, user(name))
		if err != nil || v.State.Answers != 3 || (v.Part != nil) != follows {
			t.Errorf("%s: %+v, %v", name, v, err)
		} else if follows && (!v.Part.Followed || v.Part.Read != chat.ThreadRead{ThreadHead: api.ThreadHead{Seq: 11, ThreadNo: 3}}) {
			t.Errorf("%s: %+v", name, v.Part)
		}
		if v, err := s.Thread(t.Context(), room, 8, user(name)); err != nil || v.Part != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// dropSinceThreads takes away what schemas after that of threads brought.
func dropSinceThreads(t *testing.T, path string) {
	t.Helper()
	execSQL(t, path, `DROP TABLE purged_key`, `DROP TABLE job`)
	dropColumns(t, path, "room")
	execSQL(t, path, `DROP TABLE import`, `DROP TABLE import_line`, `DROP INDEX account_hidden`, `ALTER TABLE account DROP COLUMN hidden`, `DROP INDEX room_hidden`, `ALTER TABLE room DROP COLUMN hidden`)
}

// dropColumns takes from a table what a later schema than the first gave it.
func dropColumns(t *testing.T, path, table string) {
	t.Helper()
	later := map[string][]string{
		"account": {"display_name", "owner_id", "deleted_at", "suspended_at", "suspended_until", "suspend_reason"},
		"room":    {"keep_ms", "keep_messages", "keep_longer", "gone_seq", "gone_msg_no"},
		"session": {"addr", "seen_at", "made", "methods", "rooms", "per_minute"},
	}
	if table == "account" {
		execSQL(t, path, `DROP INDEX account_by_owner`, `DROP INDEX account_admin`, `DROP TABLE audit`)
	}
	for _, column := range later[table] {
		execSQL(t, path, `ALTER TABLE `+table+` DROP COLUMN `+column)
	}
}

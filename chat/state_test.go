package chat_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// state is all that there is but when sessions were last used. Of a database it is each row of each table.
type state struct {
	Presence string // of those in the hall
	Tables   map[string][]string

	Accounts []*chat.Account
	Sessions []*chat.LoginSession
	Audit    []*chat.AuditRecord
	Invites  []*chat.Invite
	Rooms    []roomState
	Jobs     []*chat.Job
	Imports  []*chat.Import
	Hidden   []api.RoomID
}

type roomState struct {
	Room     *chat.RoomRecord
	Members  []*chat.Membership
	Reads    map[api.UserID]chat.Read
	Bans     []*chat.Restriction
	Events   []string
	Messages []chat.MessageView
	Threads  []*chat.ThreadPart // of each member under each message
}

func differ(a, b *state) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return gocmp.Diff(a, b)
}

// state reads it.
func (a *authz) state() *state {
	a.t.Helper()
	d := a.stored()
	hall, err := a.clients["member"].PresenceGet(a.t.Context(), &api.PresenceGetParams{Room: authzHall}) // whom nothing is done to
	a.must(err)
	d.Presence = string(hall.AppendJSON(nil))
	return d
}

// stored reads what the store has.
func (a *authz) stored() *state {
	a.t.Helper()
	for more := true; more; { // what a deleted room held goes by and by
		step, err := a.w.store.Erase(a.t.Context())
		a.must(err)
		more = step != nil
	}
	if a.dir != "" {
		return &state{Tables: a.tables.dump(a.t, filepath.Join(a.dir, authzDB))}
	}
	return dump(a.t, a.w.store)
}

// tables are those of a database that is in use.
type tables struct {
	db      *sql.DB // of one connection; nil: not open yet
	version string  // which of its versions all is of
	all     map[string][]string
}

// dump reads it, if anybody has written since.
func (d *tables) dump(t *testing.T, path string) map[string][]string {
	t.Helper()
	if d.db == nil {
		db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		d.db = db
	}
	version := queryAll(t, d.db, "PRAGMA data_version", nil)[0][0]
	if version == d.version {
		return d.all
	}
	all := map[string][]string{}
	for _, row := range queryAll(t, d.db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", nil) {
		table := row[0]
		for _, row := range queryAll(t, d.db, fmt.Sprintf("SELECT * FROM %q", table), []string{"seen_at", "addr"}) {
			all[table] = append(all[table], fmt.Sprint(row))
		}
		slices.Sort(all[table])
	}
	if len(all["audit"]) == 0 || len(all["invite"]) == 0 || len(all) < 12 {
		t.Fatalf("only %v", slices.Sorted(maps.Keys(all)))
	}
	d.version, d.all = version, all
	return all
}

func (d *tables) close() error {
	if d.db == nil {
		return nil
	}
	return d.db.Close()
}

// queryAll gives all that a query gives, as text, but for some columns.
func queryAll(t *testing.T, db *sql.DB, query string, without []string) (all [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		var row []string
		for i, name := range columns {
			if value := *values[i].(*any); !slices.Contains(without, name) {
				if b, ok := value.([]byte); ok {
					value = fmt.Sprintf("%q", b)
				}
				row = append(row, fmt.Sprint(value))
			}
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// dump reads a store.
func dump(t *testing.T, s chat.Store) *state {
	t.Helper()
	const all = 10_000
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &state{}
	var err error
	d.Accounts, err = s.ListAccounts(ctx, &chat.AccountQuery{Limit: all})
	must(err)
	d.Audit, err = s.ListAudit(ctx, &chat.AuditQuery{Limit: all})
	must(err)
	d.Invites, err = s.ListInvites(ctx, &chat.InviteQuery{Limit: all})
	must(err)
	d.Jobs, err = s.ListJobs(ctx, &chat.JobQuery{Limit: all})
	must(err)
	d.Imports, err = s.Imports(ctx, all)
	must(err)
	d.Hidden, err = s.HiddenRooms(ctx, all)
	must(err)
	rooms := map[api.RoomID]*chat.RoomRecord{}
	for _, a := range d.Accounts {
		for _, made := range []bool{false, true} {
			sessions, err := s.ListSessions(ctx, a.ID, made)
			must(err)
			for _, l := range sessions {
				l.SeenAt, l.Addr = 0, ""
			}
			d.Sessions = append(d.Sessions, sessions...)
		}
		views, err := s.ListRooms(ctx, a.ID, false, true, "", all)
		must(err)
		for _, v := range views {
			rooms[v.ID] = &v.RoomRecord
		}
	}
	for _, room := range slices.SortedFunc(maps.Values(rooms), func(a, b *chat.RoomRecord) int { return cmp.Compare(a.ID, b.ID) }) {
		r := roomState{Room: room, Reads: map[api.UserID]chat.Read{}}
		r.Members, err = s.ListMembers(ctx, room.ID, "", all)
		must(err)
		for _, m := range r.Members {
			v, err := s.RoomByID(ctx, room.ID, m.UserID)
			must(err)
			r.Reads[m.UserID] = v.Read
		}
		r.Bans, err = s.ListBans(ctx, room.ID, 0, "", all)
		must(err)
		records, err := s.History(ctx, &chat.HistoryQuery{Room: room.ID, Limit: all})
		must(err)
		var posted []chat.Record
		for i := range records {
			r.Events = append(r.Events, string(records[i].Bytes))
			if records[i].Type == api.EventTypeMessagePosted {
				posted = append(posted, records[i])
			}
		}
		r.Messages, err = s.Messages(ctx, room.ID, "", posted)
		must(err)
		for _, m := range r.Members {
			for i := range posted {
				v, err := s.Thread(ctx, room.ID, posted[i].Seq, m.UserID)
				must(err)
				r.Threads = append(r.Threads, v.Part)
			}
		}
		d.Rooms = append(d.Rooms, r)
	}
	return d
}

package chat_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// unchanging are the methods that change nothing that a store keeps: they read, or they are about the connection and the moment.
var unchanging = []string{
	"rpc.discover", "server.info", "server.ping", "server.stats", "auth.resume", "account.get", "account.export", "session.list", "user.get", "user.list", "token.list", "bot.list",
	"permission.explain", "audit.list", "invite.list", "room.get", "room.list", "export.read", "import.check", "import.list", "room.history", "member.list", "member.list_bans", "message.list", "message.get", "message.search", "thread.list", "thread.get", "pin.list",
	"presence.get", "presence.set", "typing.set", "sync.open", "sync.update", "sync.close", "retention.get", "job.get", "job.list",
}

// before is what has to happen first, by the same caller with the same parameters, so that a method has something to do.
var before = map[string]string{
	"reaction.remove": "reaction.add", "pin.remove": "pin.add", "member.unban": "member.ban", "member.unmute": "member.mute", "user.restore": "user.suspend",
	"bot.update": "bot.create", "token.revoke": "token.create",
}

// otherwiseAgain are the methods whose repetition is answered otherwise, and why.
var otherwiseAgain = map[string]api.Code{
	"auth.logout": api.CodeUnauthenticated, // its token is void
}

// growing are the methods of which each call leaves something of its own, which does no harm.
var growing = []string{
	"auth.login",        // a login session, which nobody uses
	"user.set_password", // a hash of the same password with another salt
}

// What the document says may be done again (x-idempotency: natural) may: each method, twice by the same caller with the same
// parameters, leaves the same state and the same events as once. The calls are made from the document's examples on each kind of
// target: a method that changes nothing there needs a case in the tables above.
func TestNaturalActsTwice(t *testing.T) {
	for _, m := range api.Methods {
		if m.Idempotency != api.IdempotencyNatural {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			a := &authz{t: t}
			defer a.close()
			called, changed := false, false
			for _, target := range naturalTargets(m) {
				for _, caller := range []string{"owner", "other", "admin", "member", "anonymous"} {
					did, ok := a.twice(m, target, caller)
					called, changed = called || ok, changed || did
					if did {
						break
					}
				}
			}
			switch reads := slices.Contains(unchanging, m.Name); {
			case !called:
				t.Error("no call of it succeeds: it needs a case")
			case reads == changed:
				t.Errorf("it changes something: %t; it needs a case", changed)
			}
		})
	}
}

func naturalTargets(m *api.Method) []authzTarget {
	targets := authzTargets(m)
	if slices.Contains(m.Params, "user") && slices.Contains(m.Params, "room") {
		targets = append(targets, authzTarget{name: "a stranger", room: authzHall, user: "stranger"})
	}
	return targets
}

// twice calls m twice, and tells whether the first time succeeded and changed something.
func (a *authz) twice(m *api.Method, target authzTarget, caller string) (changed, ok bool) {
	a.t.Helper()
	if a.w == nil {
		a.build()
	}
	c := a.clients[caller]
	params := a.params(m, target, caller)
	call := func(m *api.Method, params json.RawMessage) error {
		_, err := m.Dispatch(a.t.Context(), c, params, nil)
		c.Replied()
		return err
	}
	if first := before[m.Name]; first != "" {
		defer a.close()
		fm := api.Lookup(first)
		if err := call(fm, some(a.t, fm, a.params(fm, target, caller), params)); err != nil {
			return false, false
		}
	}
	if slices.Contains(m.Params, "job") {
		a.putJob(params)
	}
	state := dump(a.t, a.w.store)
	if c.SignedIn() {
		_, _ = c.PermissionExplain(a.t.Context(), &api.PermissionExplainParams{Method: m.Name, Params: params})
		if diff := differ(state, dump(a.t, a.w.store)); diff != "" {
			a.t.Errorf("%s, by %s: to ask whether it is allowed changes something:\n%s", target.name, caller, diff)
		}
	}
	if call(m, params) != nil {
		return false, false
	}
	defer func() {
		if changed {
			a.close()
		}
	}()
	once := dump(a.t, a.w.store)
	err := call(m, params)
	code, otherwise := otherwiseAgain[m.Name]
	var refused *api.Error
	if otherwise != (err != nil) || otherwise && (!errors.As(err, &refused) || refused.Code != code) {
		a.t.Errorf("%s, by %s: the second time: %v", target.name, caller, err)
	}
	if diff := differ(once, dump(a.t, a.w.store)); diff != "" && !slices.Contains(growing, m.Name) {
		a.t.Errorf("%s, by %s: twice is not as once:\n%s", target.name, caller, diff)
	}
	return !reflect.DeepEqual(state, once), true
}

// putJob puts the job that params name: it waits, and nobody wakes who would do it.
func (a *authz) putJob(params json.RawMessage) {
	a.t.Helper()
	var of api.JobGetParams
	if err := json.Unmarshal(params, &of); err != nil {
		a.t.Fatal(err)
	}
	err := a.w.store.ChangeJobs(a.t.Context(), func(t chat.JobTx) error {
		return t.PutJob(&chat.Job{ID: of.Job, Kind: api.JobKindPurge, State: api.JobStateQueued, Order: []byte(`{}`), CreatedAt: 1})
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// some are the parameters of m, but those which the next call has too are that call's.
func some(t *testing.T, m *api.Method, own, next json.RawMessage) json.RawMessage {
	t.Helper()
	params, theirs := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(own, &params), json.Unmarshal(next, &theirs)); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"bot": "username", "token": "name"} {
		if theirs[from] != nil && !slices.Contains(m.Params, from) {
			theirs[to] = theirs[from]
		}
	}
	switch m.Name {
	case api.MethodTokenCreate:
		params = map[string]json.RawMessage{}
	case api.MethodBotCreate:
		delete(theirs, "display_name")
	}
	for name, value := range theirs {
		if slices.Contains(m.Params, name) {
			params[name] = value
		}
	}
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What has a key (x-idempotency: key) is done once under it: again is answered as the first time, and other content is refused.
func TestKeyedActsTwice(t *testing.T) {
	for _, m := range api.Methods {
		if m.Idempotency != api.IdempotencyKeyed {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			a := &authz{t: t}
			defer a.close()
			a.build()
			c := a.clients["owner"]
			var params map[string]json.RawMessage
			if err := json.Unmarshal(a.params(m, authzTarget{room: authzHall, sender: "owner"}, "owner"), &params); err != nil {
				t.Fatal(err)
			}
			params["idempotency_key"] = json.RawMessage(`"once"`)
			call := func() (map[string]any, error) {
				raw, err := json.Marshal(params)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := m.Dispatch(t.Context(), c, raw, nil)
				res := map[string]any{}
				if err == nil {
					err = json.Unmarshal(answer, &res)
				}
				return res, err
			}
			first, err := call()
			if err != nil || first["duplicate"] != false {
				t.Fatalf("%v, %v", first, err)
			}
			once := dump(t, a.w.store)
			again, err := call()
			if err != nil || again["duplicate"] != true {
				t.Fatalf("again: %v, %v", again, err)
			}
			first["duplicate"] = true
			if diff := gocmp.Diff(first, again); diff != "" {
				t.Errorf("again it is answered otherwise:\n%s", diff)
			}
			if params["text"] == nil {
				t.Fatal("what is its content? It needs a case")
			}
			params["text"] = json.RawMessage(`"something else"`)
			_, err = call()
			wantCode(t, err, api.CodeIdempotencyConflict, "idempotency_key")
			if diff := differ(once, dump(t, a.w.store)); diff != "" {
				t.Errorf("twice is not as once:\n%s", diff)
			}
		})
	}
}

// state is all that a store keeps but the audit log and when sessions were last used.
type state struct {
	Accounts []*chat.Account
	Sessions []*chat.LoginSession
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

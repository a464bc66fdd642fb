package chat_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
)

// unchanging are the methods that change nothing that a store keeps: they read, or they are about the connection and the moment.
var unchanging = []string{
	"rpc.discover", "server.info", "server.ping", "server.stats", "auth.resume", "account.get", "session.list", "user.get", "user.list", "token.list", "bot.list",
	"permission.explain", "audit.list", "invite.list", "room.get", "room.list", "import.check", "import.list", "room.history", "member.list", "member.list_bans", "message.list", "message.get", "message.search", "thread.list", "thread.get", "pin.list",
	"presence.get", "typing.set", "sync.open", "sync.update", "sync.close", "retention.get", "job.get", "job.list",
}

// before is what has to happen first, by the same caller with the same parameters, so that a method has something to do.
var before = map[string]string{
	"reaction.remove": "reaction.add", "pin.remove": "pin.add", "member.unban": "member.ban", "member.unmute": "member.mute", "user.restore": "user.suspend",
	"bot.update": "bot.create", "token.revoke": "token.create",
}

// otherwiseAgain are the calls whose repetition is answered otherwise, by method and target, and why.
var otherwiseAgain = map[[2]string]api.Code{
	{api.MethodAuthLogout, "-"}:                  api.CodeUnauthenticated, // its token is void
	{api.MethodSessionRevoke, "this session"}:    api.CodeUnauthenticated, // likewise
	{api.MethodUserSuspend, "oneself"}:           api.CodeUnauthenticated,
	{api.MethodUserSetAdmin, "oneself, no more"}: api.CodePermissionDenied, // who is none may not say so again
	{api.MethodRoomLeave, "own private room"}:    api.CodeNotFound,         // it is seen no more
}

// growing are the methods of which each call leaves something of its own, which does no harm.
var growing = []string{
	"auth.login",        // a login session, which nobody uses
	"user.set_password", // a hash of the same password with another salt
	"account.export",    // a record of who took what along
	"export.read",       // likewise
}

// What the document says may be done again (x-idempotency: natural) may: each method, twice by the same caller with the same
// parameters, leaves the same state and the same events as once. The calls are made from the document's examples on each kind of
// target: a method that changes nothing there needs a case in the tables above.
func TestNaturalActsTwice(t *testing.T) {
	for _, store := range authzStores(t) {
		t.Run(store.name, func(t *testing.T) { actsTwice(t, store) })
	}
}

func actsTwice(t *testing.T, store *authzStore) {
	for _, m := range api.Methods {
		if m.Idempotency != api.IdempotencyNatural {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			a := &authz{t: t, from: store}
			defer a.close()
			called, changed := false, false
			for _, target := range authzTargets(m) {
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

// twice calls m twice, and tells whether the first time succeeded and changed something.
func (a *authz) twice(m *api.Method, target authzTarget, caller string) (changed, ok bool) {
	a.t.Helper()
	if a.authzHouse == nil {
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
	state := a.state()
	if c.SignedIn() {
		_, _ = c.PermissionExplain(a.t.Context(), &api.PermissionExplainParams{Method: m.Name, Params: params})
		if diff := differ(state, a.state()); diff != "" {
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
	once := a.state()
	err := call(m, params)
	code, otherwise := otherwiseAgain[[2]string{m.Name, target.name}]
	var refused *api.Error
	if otherwise != (err != nil) || otherwise && (!errors.As(err, &refused) || refused.Code != code) {
		a.t.Errorf("%s, by %s: the second time: %v", target.name, caller, err)
	}
	told := otherwise && m.Audit && code == api.CodePermissionDenied // the refusal, to the audit log
	if diff := differ(once, a.state()); diff != "" && !slices.Contains(growing, m.Name) && !told {
		a.t.Errorf("%s, by %s: twice is not as once:\n%s", target.name, caller, diff)
	}
	return !reflect.DeepEqual(state, once), true
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
	for _, store := range authzStores(t) {
		t.Run(store.name, func(t *testing.T) { keyedTwice(t, store) })
	}
}

func keyedTwice(t *testing.T, store *authzStore) {
	for _, m := range api.Methods {
		if m.Idempotency != api.IdempotencyKeyed {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			a := &authz{t: t, from: store}
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
			once := a.state()
			again, err := call()
			if err != nil || again["duplicate"] != true {
				t.Fatalf("again: %v, %v", again, err)
			}
			first["duplicate"] = true
			if diff := gocmp.Diff(first, again); diff != "" {
				t.Errorf("again it is answered otherwise:\n%s", diff)
			}
			for _, name := range m.Params {
				if name == "room" || name == "idempotency_key" {
					continue
				}
				other, was := a.otherContent(name), params[name]
				if params[name] = other; other == nil || string(other) == string(was) {
					t.Fatalf("what is another %s? It needs a case", name)
				}
				_, err = call()
				wantCode(t, err, api.CodeIdempotencyConflict, "idempotency_key")
				if params[name] = was; was == nil {
					delete(params, name)
				}
			}
			if diff := differ(once, a.state()); diff != "" {
				t.Errorf("twice is not as once:\n%s", diff)
			}

			// It is somebody's key in a room: another's, or in another room, it is another.
			c = a.clients["member"]
			if theirs, err := call(); err != nil || theirs["duplicate"] != false {
				t.Errorf("by somebody else: %v, %v", theirs, err)
			}
			c = a.clients["owner"]
			hall := params["room"]
			params["room"] = json.RawMessage(strconv.Quote(authzPrivate))
			if elsewhere, err := call(); err != nil || elsewhere["duplicate"] != false {
				t.Errorf("in another room: %v, %v", elsewhere, err)
			}
			params["room"] = hall

			// It stays so when what it made has become something else, or nothing.
			seq := api.Seq(first["seq"].(float64))
			_, err = c.MessageEdit(t.Context(), &api.MessageEditParams{Room: authzHall, Seq: seq, Text: "edited"})
			a.must(err)
			_, err = c.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: authzHall, Seq: seq})
			a.must(err)
			again, err = call()
			if diff := gocmp.Diff(first, again); err != nil || diff != "" {
				t.Errorf("when it is deleted, it is answered otherwise: %v\n%s", err, diff)
			}
			params["text"] = json.RawMessage(`"something else"`)
			_, err = call()
			wantCode(t, err, api.CodeIdempotencyConflict, "idempotency_key")
		})
	}
}

// otherContent is a value of a parameter that nothing is posted with unless it is said; nil: nobody knows one.
func (a *authz) otherContent(param string) json.RawMessage {
	switch param {
	case "text":
		return json.RawMessage(`"something else"`)
	case "format":
		return json.RawMessage(`"markdown"`)
	case "data":
		return json.RawMessage(`{"n":1}`)
	case "mentions":
		return json.RawMessage(`["member"]`)
	case "thread", "reply_to":
		return strconv.AppendInt(nil, int64(a.seqs[authzHall]["other"]), 10)
	}
	return nil
}

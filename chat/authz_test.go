package chat_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
)

var updateAuthz = flag.Bool("update", false, "write down what each caller may do now in testdata/authz.txt")

const authzFile = "testdata/authz.txt"

const authzHead = `# Who may do what: every method of openrpc.json, on each kind of target, by each kind of caller. TestAuthorization tries each
# cell; go test ./chat -run TestAuthorization -update writes them down anew, and whoever does that reads the difference.
# A cell is ok or the error's reason. What a caller may not see answers like what is not there.

`

// Who may do what is decided in testdata/authz.txt, cell by cell: a method that has no rows there does not pass.
func TestAuthorization(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(authzHead)
	rows := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(rows, "method\ttarget\t%s\n", strings.Join(authzCallers, "\t"))
	a := &authz{t: t}
	defer a.close()
	for _, m := range api.Methods {
		hidden := map[[2]string]string{} // refusals, by caller and room
		for _, target := range authzTargets(m) {
			cells := map[string]string{}
			line := []string{m.Name, target.name}
			for _, caller := range authzCallers {
				var refusal string
				cells[caller], refusal = a.try(m, target, caller)
				hidden[[2]string{caller, target.room}] = strings.ReplaceAll(refusal, a.ref(target.room), "ROOM")
				line = append(line, cells[caller])
			}
			fmt.Fprintln(rows, strings.Join(line, "\t"))
			checkAuthz(t, m, target, cells)
		}
		for _, caller := range authzCallers {
			not := hidden[[2]string{caller, authzMissing}]
			for _, room := range []string{authzPrivate, authzDirect, authzDeleted} {
				if m.Name == api.MethodExportRead && caller == "admin" && room == authzPrivate {
					continue // who may export every room that has an owner
				}
				if there := hidden[[2]string{caller, room}]; there != not && (room != authzDirect || caller != "member") {
					t.Errorf("%s: to %s the %s is not as a room that is not there:\n%s\n%s", m.Name, caller, room, there, not)
				}
			}
		}
	}
	if err := rows.Flush(); err != nil {
		t.Fatal(err)
	}
	have := b.Bytes()
	if *updateAuthz {
		if err := os.WriteFile(authzFile, have, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(authzFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(have), "\n")); diff != "" {
		t.Errorf("not as decided (-%s +now):\n%s", authzFile, diff)
	}
}

// checkAuthz holds a row against the document's x-authz, whatever the file says.
func checkAuthz(t *testing.T, m *api.Method, target authzTarget, cells map[string]string) {
	t.Helper()
	for caller, cell := range cells {
		wrong := false
		switch m.Authz {
		case api.AuthzAnyone:
		case api.AuthzUser:
			wrong = caller == "anonymous" && cell != "unauthenticated"
		case api.AuthzMember:
			outside := slices.Contains([]string{"stranger", "admin", "banned", "removed", "suspended"}, caller) || target.room == authzOthers || target.room == authzPrivate || target.room == authzDeleted ||
				target.room == authzDirect && caller != "member"
			wrong = caller == "anonymous" && cell != "unauthenticated" || outside && cell == "ok"
		case api.AuthzAdmin:
			wrong = caller == "anonymous" && cell != "unauthenticated" || caller != "admin" && cell == "ok"
		default:
			t.Errorf("%s: nobody knows what x-authz %v means", m.Name, m.Authz)
		}
		if wrong {
			t.Errorf("%s, %s: %s by %s", m.Name, target.name, cell, caller)
		}
	}
}

// authzCallers are who call: stranger is signed in, the next three and the bot, by its token, are in the hall and in the
// archive; the last three were there until it happened. The administrator is not.
var authzCallers = []string{"anonymous", "stranger", "member", "moderator", "owner", "admin", "bot", "banned", "removed", "suspended"}

// The rooms. Everybody's is the hall; nobody who calls is in the others.
const (
	authzHall      = "hall"
	authzOthers    = "garden"
	authzPrivate   = "cellar"
	authzArchived  = "archive"
	authzDirect    = "direct room" // between member and other
	authzDeleted   = "ruin"        // where all were who are in the hall
	authzMissing   = "nowhere"
	authzMalformed = "No Room!"
)

// authzTarget is what a call is about.
type authzTarget struct {
	name   string
	room   string
	sender string // of the message: "caller" or a name; "": there is none at that seq
	user   string // whom it concerns: "caller" or a name
	invite string // an invitation: where it leads
}

// authzRooms are the rooms as targets.
var authzRooms = []authzTarget{
	{name: "own room", room: authzHall},
	{name: "other's room", room: authzOthers},
	{name: "private room", room: authzPrivate},
	{name: "archived room", room: authzArchived},
	{name: "direct room", room: authzDirect},
	{name: "deleted room", room: authzDeleted},
	{name: "missing room", room: authzMissing},
	{name: "malformed room", room: authzMalformed},
}

// authzTargets are the targets of a method, by what its parameters name.
func authzTargets(m *api.Method) []authzTarget {
	has := func(name string) bool { return slices.Contains(m.Params, name) }
	switch {
	case has("room") && has("seq"):
		return []authzTarget{
			{name: "own message", room: authzHall, sender: "caller"},
			{name: "other's message", room: authzHall, sender: "other"},
			{name: "no message", room: authzHall},
			{name: "in other's room", room: authzOthers, sender: "other"},
			{name: "in private room", room: authzPrivate, sender: "other"},
			{name: "own, archived", room: authzArchived, sender: "caller"},
			{name: "other's, archived", room: authzArchived, sender: "other"},
			{name: "own, direct", room: authzDirect, sender: "caller"},
			{name: "other's, direct", room: authzDirect, sender: "other"},
			{name: "in deleted room", room: authzDeleted, sender: "caller"},
			{name: "in missing room", room: authzMissing},
			{name: "in malformed room", room: authzMalformed},
		}
	case has("room") && has("user"):
		return []authzTarget{
			{name: "oneself", room: authzHall, user: "caller"},
			{name: "a member", room: authzHall, user: "other"},
			{name: "the owner", room: authzHall, user: "owner"},
			{name: "nobody", room: authzHall, user: "nobody"},
			{name: "in other's room", room: authzOthers, user: "other"},
			{name: "in private room", room: authzPrivate, user: "other"},
			{name: "in archived room", room: authzArchived, user: "other"},
			{name: "in direct room", room: authzDirect, user: "other"},
			{name: "in deleted room", room: authzDeleted, user: "other"},
			{name: "in missing room", room: authzMissing, user: "other"},
			{name: "in malformed room", room: authzMalformed, user: "other"},
		}
	case m.Name == api.MethodExportRead:
		return append([]authzTarget{{name: "the server"}}, authzRooms...)
	case has("room"), has("rooms"):
		targets := slices.Clone(authzRooms)
		if has("invite") {
			targets = append(targets, authzTarget{name: "by invitation", invite: authzHall})
		}
		if m.Name == api.MethodInviteCreate || m.Name == api.MethodInviteList {
			targets = append(targets, authzTarget{name: "no room"})
		}
		return targets
	case m.Name == api.MethodInviteRevoke:
		return []authzTarget{{name: "into the hall", invite: authzHall}, {name: "into other's room", invite: authzOthers}, {name: "into no room", invite: "server"}, {name: "none", invite: "none"}}
	case has("user"), has("users"):
		return []authzTarget{{name: "oneself", user: "caller"}, {name: "another", user: "other"}, {name: "nobody", user: "nobody"}}
	default:
		return []authzTarget{{name: "-"}}
	}
}

// authz is a house that is built anew when somebody has changed something in it.
type authz struct {
	t       *testing.T
	w       *world
	clients map[string]*client
	seqs    map[string]map[string]api.Seq // of messages, by room and sender
	tokens  map[string]string
	ids     map[string]api.RoomID // of rooms that go by their id
	invites map[string]*api.InviteCreateResult
}

// ref is how a room is called.
func (a *authz) ref(room string) string {
	if id := a.ids[room]; id != "" {
		return string(id)
	}
	return room
}

func (a *authz) build() {
	a.close()
	w := newWorld(a.t, nil)
	a.w, a.clients, a.seqs, a.tokens = w, map[string]*client{}, map[string]map[string]api.Seq{}, map[string]string{}
	a.ids, a.invites = map[string]api.RoomID{}, map[string]*api.InviteCreateResult{"none": {ID: "invite_01kb1z3c8efyvs6tjv5vz0q7xn"}}
	a.clients["anonymous"] = w.connect()
	for _, name := range []string{"admin", "owner", "moderator", "member", "stranger", "other", "banned", "removed", "suspended"} { // the first user is an administrator
		a.clients[name] = w.user(name)
		a.tokens[name] = w.connect().login(name)
	}
	ctx, owner := a.t.Context(), a.clients["owner"]
	_, err := a.clients["other"].BotCreate(ctx, &api.BotCreateParams{Username: "bot"})
	a.must(err)
	a.clients["bot"] = w.resumed(a.clients["other"].token(&api.TokenCreateParams{Name: "bot", Bot: "bot"}))
	for _, room := range []string{authzHall, authzArchived, authzDeleted} {
		members := []string{"owner", "moderator", "member", "other", "bot", "banned", "removed", "suspended"}
		a.room(room, api.VisibilityPublic, members...)
		if room == authzDeleted { // nobody follows it when it ends, be it for a moment
			for _, name := range members {
				_, err := a.clients[name].SyncClose(ctx, &api.SyncCloseParams{Rooms: []string{room}})
				a.must(err)
			}
		}
		_, err := owner.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: "moderator", Role: api.RoleModerator})
		a.must(err)
		_, err = owner.MemberBan(ctx, &api.MemberBanParams{Room: room, User: "banned"})
		a.must(err)
		_, err = owner.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: "removed"})
		a.must(err)
	}
	a.room(authzOthers, api.VisibilityPublic, "other")
	a.room(authzPrivate, api.VisibilityPrivate, "other")
	_, err = owner.RoomArchive(ctx, &api.RoomArchiveParams{Room: authzArchived})
	a.must(err)
	gone, err := owner.RoomDelete(ctx, &api.RoomDeleteParams{Room: authzDeleted})
	a.must(err)
	direct, err := a.clients["other"].DmOpen(ctx, &api.DmOpenParams{Users: []string{"member"}})
	a.must(err)
	a.ids[authzDeleted], a.ids[authzDirect], a.seqs[authzDirect] = gone.RoomID, direct.Room.ID, map[string]api.Seq{}
	for _, name := range []string{"other", "member"} {
		a.seqs[authzDirect][name] = a.clients[name].post(string(direct.Room.ID), "said by "+name).Seq
	}
	for where, maker := range map[string]string{authzHall: "member", authzOthers: "other"} {
		a.invites[where], err = a.clients[maker].InviteCreate(ctx, &api.InviteCreateParams{Room: where})
		a.must(err)
	}
	a.invites["server"], err = a.clients["admin"].InviteCreate(ctx, &api.InviteCreateParams{})
	a.must(err)
	_, err = a.clients["admin"].UserSuspend(ctx, &api.UserSuspendParams{User: "suspended"})
	a.must(err)
}

func (a *authz) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// room makes a room of these members, each of whom says something in it.
func (a *authz) room(name string, v api.Visibility, members ...string) {
	a.seqs[name] = map[string]api.Seq{}
	for i, member := range members {
		c := a.clients[member]
		if i > 0 {
			c.join(name)
		} else if _, err := c.RoomCreate(a.t.Context(), &api.RoomCreateParams{Name: name, Visibility: v}); err != nil {
			a.t.Fatal(err)
		}
		a.seqs[name][member] = c.post(name, "said by "+member).Seq
	}
}

func (a *authz) close() {
	if a.w != nil {
		for _, c := range a.clients {
			c.Close()
		}
		a.w.svc.Close()
		a.w = nil
	}
}

// try calls m and gives ok or the error's reason, and the whole of the error.
func (a *authz) try(m *api.Method, target authzTarget, caller string) (cell, refusal string) {
	a.t.Helper()
	if a.w == nil {
		a.build()
	}
	c := a.clients[caller]
	params := a.params(m, target, caller)
	explained := a.explain(m, c, params)
	_, err := m.Dispatch(a.t.Context(), c, params, nil)
	c.Replied()
	if explained != nil {
		a.compare(m, target, caller, explained, err)
	}
	var e *api.Error
	switch {
	case err == nil:
		a.close() // it may have changed something
		return "ok", ""
	case !errors.As(err, &e):
		a.t.Errorf("%s, %s, by %s: %v", m.Name, target.name, caller, err)
		return "internal", ""
	}
	if e.Code == api.CodeInvalidParams && target.room != authzMalformed {
		a.t.Errorf("%s, %s, by %s: %s: %v", m.Name, target.name, caller, params, err) // the test's own mistake
	}
	return e.Code.Reason(), string(e.AppendJSON(nil))
}

// explain asks permission.explain about the very call; nil: there is nobody to ask.
func (a *authz) explain(m *api.Method, c *client, params json.RawMessage) *api.PermissionExplainResult {
	a.t.Helper()
	if !c.SignedIn() || m.Authz == api.AuthzAnyone || slices.Contains(m.Params, "rooms") || m.Name == api.MethodPermissionExplain {
		return nil
	}
	res, err := c.PermissionExplain(a.t.Context(), &api.PermissionExplainParams{Method: m.Name, Params: params})
	if err != nil {
		a.t.Errorf("%s: to explain %s: %v", m.Name, params, err)
	}
	return res
}

// onlyEntered are methods for members that nothing else decides on but who is in the room, and what there is.
var onlyEntered = []string{
	api.MethodMemberList, api.MethodMessageList, api.MethodMessageGet, api.MethodRoomHistory, api.MethodThreadGet, api.MethodPinList,
}

// compare holds the explanation against what happened: what is refused is so for that reason, and what is allowed to members is
// done, unless there is none. A method for members that is not explained to its end belongs into chat's tryable.
func (a *authz) compare(m *api.Method, target authzTarget, caller string, explained *api.PermissionExplainResult, err error) {
	a.t.Helper()
	var e *api.Error
	refused := errors.As(err, &e)
	if refused && !explained.Allowed && target.user == "nobody" {
		return // there are two reasons, and either will do
	}
	switch inRoom := m.Authz == api.AuthzMember && !slices.Contains(onlyEntered, m.Name) || m.Name == api.MethodRoomJoin && target.invite == "" || m.Name == api.MethodRoomLeave; {
	case !explained.Allowed && (!refused || e.Message != explained.Message), inRoom && explained.Allowed && refused:
		a.t.Errorf("%s, %s, by %s: explained as %+v, and it is %v", m.Name, target.name, caller, explained, err)
	}
}

// params are those of the method's first example, but for what is named by the target.
func (a *authz) params(m *api.Method, target authzTarget, caller string) json.RawMessage {
	a.t.Helper()
	params := maps.Clone(authzExamples()[m.Name])
	put := func(name string, value any) {
		if slices.Contains(m.Params, name) {
			raw, err := json.Marshal(value)
			if err != nil {
				a.t.Fatal(err)
			}
			params[name] = raw
		}
	}
	sender := target.sender
	if sender == "caller" {
		sender = caller
	}
	seq := a.seqs[target.room][sender]
	if seq == 0 && target.sender == "caller" { // who is not in the room has said nothing there
		seq = a.seqs[target.room]["other"]
	}
	if seq == 0 {
		seq = 1 // the room's making, or nothing at all
	}
	if target.room != "" {
		room := a.ref(target.room)
		put("room", room)
		put("rooms", []any{map[string]any{"room": room}})
		if m.Name == api.MethodSyncClose || m.Name == api.MethodSyncUpdate || m.Name == api.MethodTokenCreate || m.Name == api.MethodExportRead {
			put("rooms", []string{room})
		}
		put("seq", seq)
	}
	switch {
	case target.invite == "":
	case m.Name == api.MethodInviteRevoke:
		put("invite", a.invites[target.invite].ID)
	default:
		put("invite", a.invites[target.invite].Invite)
		delete(params, "room")
	}
	switch target.user {
	case "":
	case "caller":
		put("user", cmp.Or(strings.TrimPrefix(caller, "anonymous"), "other"))
		put("users", []string{cmp.Or(strings.TrimPrefix(caller, "anonymous"), "other")})
	default:
		put("user", target.user)
		put("users", []string{target.user})
	}
	switch m.Name {
	case api.MethodAuthLogin:
		put("username", "other")
		put("password", "password of other")
	case api.MethodMessageSearch:
		put("query", "said")
	case api.MethodAuthResume:
		put("token", a.tokens["other"])
	case api.MethodAccountSetPassword:
		put("old_password", "password of "+caller)
	case api.MethodAccountDelete:
		put("password", "password of "+caller)
	case api.MethodImportWrite, api.MethodImportFinish, api.MethodImportAbort:
		put("import", a.importing(m.Name == api.MethodImportFinish))
	}
	raw, err := json.Marshal(params)
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

// importing is an import that the administrator has begun, as the examples have it, and brought all of, or nothing.
func (a *authz) importing(all bool) api.ImportID {
	a.t.Helper()
	call := func(method string, params map[string]json.RawMessage, result any) {
		raw, err := json.Marshal(params)
		a.must(err)
		out, err := api.Lookup(method).Dispatch(a.t.Context(), a.clients["admin"], raw, nil)
		a.must(err)
		a.must(json.Unmarshal(out, result))
	}
	var begun api.ImportBeginResult
	call(api.MethodImportBegin, authzExamples()[api.MethodImportBegin], &begun)
	if all {
		params := maps.Clone(authzExamples()[api.MethodImportWrite])
		params["import"] = json.RawMessage(strconv.Quote(string(begun.Import.ID)))
		call(api.MethodImportWrite, params, new(api.ImportWriteResult))
	}
	return begun.Import.ID
}

// authzExamples are the parameters of each method's first example.
func authzExamples() map[string]map[string]json.RawMessage {
	all := map[string]map[string]json.RawMessage{}
	for _, m := range contract.Read().Methods {
		params := map[string]json.RawMessage{}
		if len(m.Examples) > 0 {
			for _, p := range m.Examples[0].Params {
				params[p.Name] = p.Value
			}
		}
		all[m.Name] = params
	}
	return all
}

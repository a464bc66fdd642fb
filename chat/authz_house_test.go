package chat_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// authzHouse is what somebody has furnished: rooms, people in them, and what they have.
type authzHouse struct {
	t     *testing.T
	w     *world
	seqs  map[string]map[string]api.Seq // of messages, by room and sender
	ids   map[string]api.RoomID         // of rooms that go by their id
	known map[string]string             // what else is named
}

// authzPeopleOf are who live in the house: the callers, and who does what others have.
var authzPeopleOf = []string{"admin", "admin-inside", "owner", "moderator", "member", "stranger", "other", "banned", "removed", "suspended"}

// furnish builds a house in a store.
func furnish(t *testing.T, s chat.Store) *authzHouse {
	t.Helper()
	h := &authzHouse{t: t, w: on(t, s), seqs: map[string]map[string]api.Seq{}, ids: map[string]api.RoomID{}, known: map[string]string{}}
	defer h.w.svc.Close()
	ctx := t.Context()
	clients := map[string]*client{}
	for _, name := range authzPeopleOf { // the first user is an administrator
		clients[name] = h.person(name, clients["admin"])
	}
	_, err := clients["other"].BotCreate(ctx, &api.BotCreateParams{Username: "bot"})
	h.must(err)
	h.known["secret of bot"] = clients["other"].token(&api.TokenCreateParams{Name: "bot", Bot: "bot"})
	clients["bot"] = h.w.resumed(h.known["secret of bot"])
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	owner := clients["owner"]
	for _, room := range []string{authzHall, authzPrivate, authzArchived, authzDeleted} {
		v := api.VisibilityPublic
		if room == authzPrivate {
			v = api.VisibilityPrivate
		}
		h.room(clients, room, v, "owner", "moderator", "member", "admin-inside", "other", "bot", "banned", "removed", "suspended")
		_, err := owner.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: "moderator", Role: api.RoleModerator})
		h.must(err)
		_, err = owner.MemberBan(ctx, &api.MemberBanParams{Room: room, User: "banned"})
		h.must(err)
		_, err = owner.MemberRemove(ctx, &api.MemberRemoveParams{Room: room, User: "removed"})
		h.must(err)
	}
	h.room(clients, authzOthers, api.VisibilityPublic, "other")
	h.room(clients, authzOtherPrivate, api.VisibilityPrivate, "other")
	direct, err := clients["other"].DmOpen(ctx, &api.DmOpenParams{Users: []string{"member"}})
	h.must(err)
	h.ids[authzDirect], h.seqs[authzDirect] = direct.Room.ID, map[string]api.Seq{}
	for _, name := range []string{"other", "member"} {
		h.seqs[authzDirect][name] = clients[name].post(string(direct.Room.ID), "said by "+name).Seq
	}
	for where, maker := range map[string]string{authzHall: "member", authzPrivate: "owner", authzOthers: "other", authzOtherPrivate: "other"} {
		h.invitation(clients[maker], where, &api.InviteCreateParams{Room: where})
	}
	h.invitation(clients["admin"], "no room", &api.InviteCreateParams{})
	_, err = owner.RoomArchive(ctx, &api.RoomArchiveParams{Room: authzArchived})
	h.must(err)
	gone, err := owner.RoomDelete(ctx, &api.RoomDeleteParams{Room: authzDeleted})
	h.must(err)
	h.ids[authzDeleted] = gone.RoomID
	return h
}

func (h *authzHouse) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// person registers somebody with two sessions, a token, and a bot that has one.
func (h *authzHouse) person(name string, admin *client) *client {
	h.t.Helper()
	ctx, c := h.t.Context(), h.w.connect()
	if name == "admin-inside" {
		_, err := admin.UserCreate(ctx, &api.UserCreateParams{Username: name, Password: "password of " + name, Admin: ptr(true)})
		h.must(err)
	} else {
		_, err := c.AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "password of " + name})
		h.must(err)
	}
	for _, which := range []string{" here of ", " of "} {
		res, err := c.AuthLogin(ctx, &api.AuthLoginParams{Username: name, Password: "password of " + name})
		h.must(err)
		h.known["session"+which+name], h.known["secret"+which+name] = string(res.SessionID), res.Token
	}
	bot := "bot-of-" + name
	_, err := c.BotCreate(ctx, &api.BotCreateParams{Username: bot})
	h.must(err)
	own, err := c.TokenCreate(ctx, &api.TokenCreateParams{Name: "made"})
	h.must(err)
	bots, err := c.TokenCreate(ctx, &api.TokenCreateParams{Name: "made", Bot: bot})
	h.must(err)
	h.known["bot of "+name], h.known["token of "+name], h.known["token of bot of "+name] = bot, string(own.Token.ID), string(bots.Token.ID)
	return c
}

func (h *authzHouse) invitation(by *client, where string, p *api.InviteCreateParams) {
	h.t.Helper()
	res, err := by.InviteCreate(h.t.Context(), p)
	h.must(err)
	h.known["invitation into "+where], h.known["secret into "+where] = string(res.ID), res.Invite
}

// room makes a room of these members, each of whom says something in it; other gives an answer, too, and takes something back.
func (h *authzHouse) room(clients map[string]*client, name string, v api.Visibility, members ...string) {
	h.t.Helper()
	ctx, maker, seqs := h.t.Context(), clients[members[0]], map[string]api.Seq{"beyond": 1_000_000}
	h.seqs[name] = seqs
	_, err := maker.RoomCreate(ctx, &api.RoomCreateParams{Name: name, Visibility: v})
	h.must(err)
	for i, member := range members {
		if i > 0 {
			_, err := maker.MemberInvite(ctx, &api.MemberInviteParams{Room: name, User: member})
			h.must(err)
		}
		seqs[member] = clients[member].post(name, "said by "+member).Seq
	}
	under := seqs["other"]
	answer, err := clients["other"].MessagePost(ctx, &api.MessagePostParams{Room: name, Text: "said by other", Thread: &under})
	h.must(err)
	seqs["answer"], seqs["deleted"] = answer.Seq, clients["other"].post(name, "taken back").Seq
	_, err = clients["other"].MessageDelete(ctx, &api.MessageDeleteParams{Room: name, Seq: seqs["deleted"]})
	h.must(err)
}

// authzStore gives houses, each as new.
type authzStore struct {
	name  string
	dir   string // of one that is furnished, and copied; "": it is furnished anew in memory
	house *authzHouse
}

// authzStores are the kinds of store.
func authzStores(t *testing.T) []*authzStore {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, authzDB), nil)
	if err != nil {
		t.Fatal(err)
	}
	house := furnish(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return []*authzStore{{name: "memory"}, {name: "sqlite", dir: dir, house: house}}
}

const authzDB = "chat.db"

// authz is a house with people in it, which is built anew when somebody has changed something there.
type authz struct {
	*authzHouse
	t       *testing.T
	from    *authzStore
	dir     string // of the database; "": there is none
	jobs    *jobless
	tables  tables
	clients map[string]*client
}

func (a *authz) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *authz) build() {
	a.t.Helper()
	a.close()
	ctx := a.t.Context()
	var s chat.Store
	if a.from.dir == "" {
		s = memory.New()
		a.authzHouse = furnish(a.t, s)
	} else {
		a.dir = a.t.TempDir()
		a.must(copyFiles(a.dir, a.from.dir))
		opened, err := sqlite.Open(ctx, filepath.Join(a.dir, authzDB), nil)
		a.must(err)
		house := *a.from.house
		s, a.authzHouse = opened, &house
	}
	a.jobs = &jobless{Store: s, asked: make(chan struct{})}
	w := on(a.t, a.jobs)
	a.w, a.clients = w, map[string]*client{"anonymous": w.connect(), "bot": w.resumed(a.known["secret of bot"])}
	for _, name := range authzPeopleOf {
		a.clients[name] = w.resumed(a.known["secret here of "+name])
	}
	_, err := a.clients["admin"].UserSuspend(ctx, &api.UserSuspendParams{User: "suspended"})
	a.must(err)
}

// copyFiles copies the files of a directory, but for locks.
func copyFiles(to, from string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type() != fs.FileMode(0) || strings.HasSuffix(f.Name(), ".lock") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// jobless is a store that tells when it was asked for jobs first, which is once at the start of a service.
type jobless struct {
	chat.Store
	asked chan struct{} // closed then
	once  sync.Once
}

func (s *jobless) ListJobs(ctx context.Context, q *chat.JobQuery) ([]*chat.Job, error) {
	if q.Open {
		defer s.once.Do(func() { close(s.asked) })
	}
	return s.Store.ListJobs(ctx, q)
}

// waitingJob puts a job: it waits, as nobody wakes who would do it.
func (a *authz) waitingJob() api.JobID {
	a.t.Helper()
	<-a.jobs.asked
	job := &chat.Job{ID: "job_01kb1z3c8efyvs6tjv5vz0q7xm", Kind: api.JobKindPurge, State: api.JobStateQueued, Order: []byte(`{}`), CreatedAt: 1}
	a.must(a.w.store.ChangeJobs(a.t.Context(), func(t chat.JobTx) error { return t.PutJob(job) }))
	return job.ID
}

func (a *authz) close() {
	if a.authzHouse != nil {
		for _, c := range a.clients {
			c.Close()
		}
		a.w.svc.Close()
		a.must(a.tables.close())
		a.must(a.w.store.Close())
		a.authzHouse, a.tables = nil, tables{}
	}
}

// ref is how a room is called.
func (h *authzHouse) ref(room string) string {
	if id := h.ids[room]; id != "" {
		return string(id)
	}
	return room
}

// named is what a name stands for.
func (a *authz) named(name, caller string) string {
	if caller == "anonymous" || caller == "bot" { // they have nothing of their own
		caller = "other"
	}
	name = strings.ReplaceAll(name, "CALLER", caller)
	if thing := a.known[name]; thing != "" {
		return thing
	}
	return name
}

// seq is that of the message which a target is about.
func (a *authz) seq(target *authzTarget, caller string) api.Seq {
	seqs, sender := a.seqs[target.room], target.sender
	if sender == "caller" {
		sender = caller
		if seqs[sender] == 0 { // who is not in the room has said nothing there
			sender = "other"
		}
	}
	return max(seqs[sender], 1) // the room's making, or nothing at all
}

// params are those of the method's first example, but for what is named by the target.
func (a *authz) params(m *api.Method, target authzTarget, caller string) json.RawMessage {
	a.t.Helper()
	params := maps.Clone(authzExamples()[m.Name])
	put := func(name string, value any) {
		if slices.Contains(m.Params, name) {
			raw, err := json.Marshal(value)
			a.must(err)
			params[name] = raw
		}
	}
	delete(params, "room")
	delete(params, "rooms")
	if target.room != "" {
		room := a.ref(target.room)
		put("room", room)
		put("rooms", []string{room})
		if m.Name == api.MethodSyncOpen {
			put("rooms", []any{map[string]any{"room": room}})
		}
	}
	if target.param != "" {
		put(target.param, a.seq(&target, caller))
	}
	if user := target.user; user != "" {
		if user == "caller" {
			user = caller
			if user == "anonymous" {
				user = "other"
			}
		}
		put("user", a.named(user, caller))
		put("users", []string{a.named(user, caller)})
	}
	switch m.Name {
	case api.MethodMessageSearch:
		put("query", "said")
	case api.MethodAccountSetPassword:
		put("old_password", "password of "+caller)
	case api.MethodAccountDelete:
		put("password", "password of "+caller)
	case api.MethodSessionRevoke:
		delete(params, "others")
	}
	for name, value := range target.with {
		if text, ok := value.(string); ok {
			switch text {
			case "import":
				value = a.importing(m.Name == api.MethodImportFinish)
			case "job":
				value = a.waitingJob()
			default:
				value = a.named(text, caller)
			}
		}
		put(name, value)
	}
	raw, err := json.Marshal(params)
	a.must(err)
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

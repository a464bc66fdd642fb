package chat_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func TestSuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, rocket := w.user("admin"), w.user("rocket")
		token := rocket.login("rocket")
		live := w.resumed(token)
		_, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "nobody"})
		wantCode(t, err, api.CodeNotFound, "user")
		_, err = admin.UserSuspend(ctx, &api.UserSuspendParams{User: "rocket", Until: ptr(api.TimestampOf(time.Now()))})
		wantCode(t, err, api.CodeInvalidParams, "until")
		_, err = admin.UserSuspend(ctx, &api.UserSuspendParams{User: "admin"})
		wantCode(t, err, api.CodeFailedPrecondition, "")
		for i := range 2 { // and again: only the reason is another
			res, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "rocket", Reason: "the bomb", Until: ptr(api.TimestampOf(time.Now().Add(time.Hour)))})
			if err != nil || res.Suspended != (i == 0) {
				t.Errorf("%+v, %v", res, err)
			}
		}
		rocket.wantEnded()
		live.wantEnded()
		wantCode(t, w.connect().Authenticate(ctx, token), api.CodeUnauthenticated, "token")
		login := func() error {
			_, err := w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "rocket", Password: "password of rocket"})
			return err
		}
		wantCode(t, login(), api.CodePermissionDenied, "")
		got, err := admin.UserGet(ctx, &api.UserGetParams{User: "rocket"})
		if err != nil || got.Suspension == nil || got.Suspension.Reason != "the bomb" || got.Suspension.Until == nil {
			t.Errorf("%+v, %v", got, err)
		}
		groot := w.user("groot")
		if got, err := groot.UserGet(ctx, &api.UserGetParams{User: "rocket"}); err != nil || got.Suspension != nil {
			t.Errorf("a user is told: %+v, %v", got, err)
		}
		time.Sleep(time.Hour) // it ends by itself
		if err := login(); err != nil {
			t.Error(err)
		}
		if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "rocket"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		wantCode(t, login(), api.CodePermissionDenied, "")
		for i := range 2 {
			res, err := admin.UserRestore(ctx, &api.UserRestoreParams{User: "rocket"})
			if err != nil || res.Restored != (i == 0) {
				t.Errorf("%+v, %v", res, err)
			}
		}
		if err := login(); err != nil {
			t.Error(err)
		}
		w.svc.Close()
	})
}

func TestUsersAreMadeAndFound(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin := w.user("admin")
	for _, name := range []string{"rocket", "root"} {
		res, err := admin.UserCreate(ctx, &api.UserCreateParams{Username: name, Password: "password of " + name, DisplayName: "The " + name})
		if err != nil || res.User.Admin {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	_, err := admin.UserCreate(ctx, &api.UserCreateParams{Username: "root", Password: "password"})
	wantCode(t, err, api.CodeAlreadyExists, "username")
	rocket := w.connect()
	rocket.login("rocket")
	page, err := rocket.UserList(ctx, &api.UserListParams{Prefix: "ro", Limit: ptr(int64(1))})
	if err != nil || len(page.Users) != 1 || page.Users[0].Username != "rocket" || page.NextCursor == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = rocket.UserList(ctx, &api.UserListParams{Prefix: "ro", Cursor: page.NextCursor})
	if err != nil || len(page.Users) != 1 || page.Users[0].DisplayName != "The root" || page.NextCursor != "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if res, err := rocket.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: ""}); err != nil || res.User.DisplayName != "" {
		t.Errorf("%+v, %v", res, err)
	}
	if me, err := rocket.AccountGet(ctx, &api.AccountGetParams{}); err != nil || me.User.DisplayName != "" {
		t.Errorf("the connection knows another name: %+v, %v", me, err)
	}
}

func TestDeletingAnAccount(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot := w.user("admin"), w.user("groot")
	admin.create("lobby")
	groot.join("lobby")
	groot.create("tree")
	groot.post("lobby", "I am Groot.")
	other := w.resumed(groot.login("groot"))
	token := groot.login("groot")

	var events []api.Event
	params := &api.AccountExportParams{Limit: ptr(int64(2))}
	for pages := 0; ; pages++ {
		page, err := groot.AccountExport(ctx, params)
		if err != nil || page.User.Username != "groot" || (pages == 0) != (len(page.Rooms) == 2 && len(page.Sessions) == 3) {
			t.Fatalf("%+v, %v", page, err)
		}
		events = append(events, page.Events...)
		if params.Cursor = page.NextCursor; params.Cursor == "" {
			break
		}
	}
	if len(events) != 4 { // joined, posted; created, joined
		t.Errorf("%d events of groot's", len(events))
	}
	_, err := groot.AccountExport(ctx, &api.AccountExportParams{Cursor: "x"})
	wantCode(t, err, api.CodeInvalidParams, "cursor")

	_, err = admin.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of admin"})
	wantCode(t, err, api.CodeFailedPrecondition, "")
	_, err = groot.AccountDelete(ctx, &api.AccountDeleteParams{Password: "wrong"})
	wantCode(t, err, api.CodePermissionDenied, "password")
	res, err := groot.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of groot"})
	if err != nil || res.RoomsLeft != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	other.wantEnded()
	if groot.SignedIn() || len(groot.port.closed) > 0 {
		t.Error("who asks is signed out, and gets the answer")
	}
	wantCode(t, w.connect().Authenticate(ctx, token), api.CodeUnauthenticated, "token")
	_, err = w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "password of groot"})
	wantCode(t, err, api.CodeUnauthenticated, "")
	_, err = w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "another groot"})
	wantCode(t, err, api.CodeAlreadyExists, "username")
	members, err := admin.MemberList(ctx, &api.MemberListParams{Room: "lobby"})
	if err != nil || len(members.Members) != 1 {
		t.Errorf("%+v, %v", members, err)
	}
	if got, err := admin.UserGet(ctx, &api.UserGetParams{User: "groot"}); err != nil || !got.User.Deleted {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"})
	wantCode(t, err, api.CodeNotFound, "user")
}

// Each act leaves one record, with what came of it.
func TestAuditRecords(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin := w.user("admin")
	if _, err := admin.UserCreate(ctx, &api.UserCreateParams{Username: "rocket", Password: "not a raccoon"}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.connect().call(api.MethodAuthLogin, &api.AuthLoginParams{Username: "rocket", Password: "a raccoon"}), api.CodeUnauthenticated, "")
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "rocket", Reason: "the bomb"}); err != nil {
		t.Fatal(err)
	}
	log, err := w.store.ListAudit(ctx, &chat.AuditQuery{Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	want := []chat.AuditRecord{
		{ActorName: "admin", Action: api.MethodUserSuspend, SubjectName: "rocket", Outcome: "ok", Detail: "the bomb"},
		{ActorName: "rocket", Action: api.MethodAuthLogin, Outcome: "unauthenticated", Detail: "wrong username or password"},
		{ActorName: "admin", Action: api.MethodUserCreate, SubjectName: "rocket", Outcome: "ok"},
		{ActorName: "admin", Action: api.MethodAuthRegister, Outcome: "ok"},
	}
	if len(log) != len(want) {
		t.Fatalf("%d records", len(log))
	}
	for i := range want {
		got := *log[i]
		if got.At == 0 || got.Addr != "127.0.0.1" || (got.SubjectName != "") != (got.Subject != "") {
			t.Errorf("%+v", got)
		}
		got.No, got.At, got.Addr, got.Subject, got.ActorID = 0, 0, "", "", ""
		if got != want[i] {
			t.Errorf("%+v, want %+v", got, want[i])
		}
	}
}

// hasty is a store on which whoever asks has gone as soon as something is decided.
type hasty struct {
	chat.Store
	gone context.CancelFunc // nil: nobody goes
}

func (s *hasty) ChangeAccounts(ctx context.Context, do func(t chat.AccountTx) error) error {
	err := s.Store.ChangeAccounts(ctx, do)
	if s.gone != nil {
		s.gone()
	}
	return err
}

func (s *hasty) ListAccounts(ctx context.Context, q *chat.AccountQuery) ([]*chat.Account, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Store.ListAccounts(ctx, q)
}

// Who suspends somebody and loses the connection that very moment has ended the bots' connections all the same.
func TestSuspendingEndsBotsWhateverBecomesOfWhoAsked(t *testing.T) {
	w := newWorld(t, nil)
	w.svc.Close()
	store := &hasty{Store: w.store}
	w.store = store
	w.start(nil)
	admin, groot := w.user("admin"), w.user("groot")
	if _, err := groot.BotCreate(t.Context(), &api.BotCreateParams{Username: "sapling"}); err != nil {
		t.Fatal(err)
	}
	bot := w.resumed(groot.token(&api.TokenCreateParams{Name: "bot", Bot: "sapling"}))
	ctx, cancel := context.WithCancel(t.Context())
	store.gone = cancel
	_, _ = admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"}) // its answer goes nowhere
	if bot.SignedIn() {
		t.Error("the bot of a suspended owner is signed in still")
	}
}

package chat_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

func (c *client) setAdmin(user string, admin bool) (*api.UserSetAdminResult, error) {
	return c.UserSetAdmin(c.w.t.Context(), &api.UserSetAdminParams{User: user, Admin: admin})
}

// mustSetAdmin wants it to be done, and news or none.
func (c *client) mustSetAdmin(user string, admin, news bool) {
	c.w.t.Helper()
	res, err := c.setAdmin(user, admin)
	if err != nil || res.User.Username != user || res.User.Admin != admin || res.Changed != news {
		c.w.t.Fatalf("%+v, %v", res, err)
	}
}

// Somebody becomes an administrator and ceases to be one, with the next call on whatever they have opened before.
func TestAdministratorsComeAndGo(t *testing.T) {
	w := newWorld(t, nil)
	admin, groot := w.user("admin"), w.user("groot")
	phone := w.resumed(groot.login("groot"))
	all := w.resumed(groot.token(&api.TokenCreateParams{Name: "all"}))
	posts := w.resumed(groot.token(&api.TokenCreateParams{Name: "posts", Methods: []string{"message.post"}}))
	if _, err := groot.BotCreate(t.Context(), &api.BotCreateParams{Username: "sapling"}); err != nil {
		t.Fatal(err)
	}
	bot := w.resumed(groot.token(&api.TokenCreateParams{Name: "bot", Bot: "sapling"}))
	may := func(want api.Code, who ...*client) {
		t.Helper()
		for _, c := range who {
			err := c.call(api.MethodServerStats, &api.ServerStatsParams{})
			var refused *api.Error
			if want == 0 && err != nil || want != 0 && (!errors.As(err, &refused) || refused.Code != want) {
				t.Errorf("%v, want %d", err, want)
			}
			explained, err := c.PermissionExplain(t.Context(), &api.PermissionExplainParams{Method: api.MethodServerStats})
			if err != nil || explained.Allowed != (want == 0) {
				t.Errorf("explained: %+v, %v", explained, err)
			}
			if me, err := c.AccountGet(t.Context(), &api.AccountGetParams{}); err != nil || c != posts && c != bot && me.User.Admin != (want == 0) {
				t.Errorf("%+v, %v", me, err)
			}
		}
	}
	may(0, admin)
	may(api.CodePermissionDenied, groot, phone, all, posts, bot)
	for range 2 {
		admin.mustSetAdmin("groot", true, true)
		admin.mustSetAdmin("groot", true, false)
		may(0, admin, groot, phone, all)
		may(api.CodePermissionDenied, posts, bot)
		admin.mustSetAdmin("groot", false, true)
		admin.mustSetAdmin("groot", false, false)
		may(0, admin)
		may(api.CodePermissionDenied, groot, phone, all, posts, bot)
	}
	for _, c := range []*client{groot, phone, all} {
		var told []bool
		for _, e := range c.port.account() {
			if e.Type == api.AccountEventTypeAccountUpdated {
				told = append(told, e.User.Admin)
			}
		}
		if !slices.Equal(told, []bool{true, false, true, false}) {
			t.Errorf("told %v", told)
		}
	}
	var log []string
	for _, r := range w.audit() {
		if r.Action == api.MethodUserSetAdmin {
			log = append(log, r.ActorName+" "+r.SubjectName+" "+r.Outcome+" "+r.Detail)
		}
	}
	given, taken := "admin groot ok administrator", "admin groot ok no longer an administrator"
	if !slices.Equal(log, []string{taken, given, taken, given}) {
		t.Errorf("%q", log)
	}
}

func TestWhoCannotBeMadeAdministrator(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot := w.user("admin"), w.user("groot")
	if _, err := groot.BotCreate(ctx, &api.BotCreateParams{Username: "sapling"}); err != nil {
		t.Fatal(err)
	}
	refused := func(user string, is bool, code api.Code, field string) {
		t.Helper()
		_, err := admin.setAdmin(user, is)
		wantCode(t, err, code, field)
	}
	for _, is := range []bool{true, false} {
		refused("nobody", is, api.CodeNotFound, "user")
		refused("sapling", is, api.CodeFailedPrecondition, "user")
	}
	refused("admin", false, api.CodeFailedPrecondition, "")
	wantCode(t, groot.call(api.MethodUserSetAdmin, &api.UserSetAdminParams{User: "groot", Admin: true}), api.CodePermissionDenied, "")

	// Who is suspended is no other administrator, but may be one.
	admin.mustSetAdmin("groot", true, true)
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"}); err != nil {
		t.Fatal(err)
	}
	refused("admin", false, api.CodeFailedPrecondition, "")
	admin.mustSetAdmin("groot", false, true)
	admin.mustSetAdmin("groot", true, true)
	if _, err := admin.UserRestore(ctx, &api.UserRestoreParams{User: "groot"}); err != nil {
		t.Fatal(err)
	}
	admin.mustSetAdmin("admin", false, true) // there is groot
	wantCode(t, admin.call(api.MethodUserSetAdmin, &api.UserSetAdminParams{User: "admin", Admin: true}), api.CodePermissionDenied, "")

	groot = w.connect()
	groot.login("groot")
	groot.mustSetAdmin("admin", true, true)
	if _, err := groot.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of groot"}); err != nil {
		t.Fatal(err)
	}
	for _, is := range []bool{true, false} {
		refused("groot", is, api.CodeNotFound, "user")
	}
}

// together is a store in which several look for accounts before the first of them may go on: each was let in, and none has acted.
type together struct {
	chat.Store
	mu   sync.Mutex
	wait int           // how many are to come still
	come chan struct{} // closed when they have; nil: nobody waits
}

func (s *together) expect(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait, s.come = n, make(chan struct{})
}

func (s *together) AccountByName(ctx context.Context, username string) (*chat.Account, error) {
	s.mu.Lock()
	come := s.come
	if s.wait--; s.wait == 0 {
		close(come)
		s.come = nil
	}
	s.mu.Unlock()
	if come != nil {
		<-come
	}
	return s.Store.AccountByName(ctx, username)
}

// Of administrators who take each other's right at the same time one is too late, whoever else there is; on every store.
func TestAdministratorsAgainstEachOther(t *testing.T) {
	for _, kind := range []string{"memory", "sqlite"} {
		for _, third := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, a third one: %t", kind, third), func(t *testing.T) {
				s := &together{Store: memory.New()}
				if kind == "sqlite" {
					opened, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), authzDB), nil)
					if err != nil {
						t.Fatal(err)
					}
					s.Store = opened
				}
				w := on(t, s)
				names := []string{"ann", "bob"}
				both := []*client{w.user("ann"), w.user("bob")}
				both[0].mustSetAdmin("bob", true, true)
				if w.user("cy"); third {
					both[0].mustSetAdmin("cy", true, true)
				}
				for range 50 {
					s.expect(2)
					errs := make([]error, 2)
					var wg sync.WaitGroup
					for i, c := range both {
						wg.Go(func() { errs[i] = c.call(api.MethodUserSetAdmin, &api.UserSetAdminParams{User: names[1-i]}) })
					}
					wg.Wait()
					late := slices.IndexFunc(errs, func(err error) bool { return err != nil })
					if late < 0 || errs[1-late] != nil {
						t.Fatalf("%v, %v", errs[0], errs[1])
					}
					wantCode(t, errs[late], api.CodePermissionDenied, "")
					both[1-late].mustSetAdmin(names[late], true, true)
				}
				for _, c := range both {
					c.Close()
				}
				w.svc.Close()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Those who go all at once leave one, who is told that they are the last.
func TestAdministratorsGoAtOnce(t *testing.T) {
	s := &together{Store: memory.New()}
	w := on(t, s)
	all := map[string]*client{}
	for _, name := range []string{"ann", "bob", "cy", "dan"} {
		if all[name] = w.user(name); name != "ann" {
			all["ann"].mustSetAdmin(name, true, true)
		}
	}
	s.expect(len(all))
	var refused atomic.Int64
	var wg sync.WaitGroup
	for name, c := range all {
		wg.Go(func() {
			if _, err := c.setAdmin(name, false); err != nil {
				wantCode(t, err, api.CodeFailedPrecondition, "")
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if refused.Load() != 1 {
		t.Errorf("%d were refused", refused.Load())
	}
}

// changing is a store in which something happens whenever an account has just been read.
type changing struct {
	chat.Store
	happens func()
}

func (s *changing) AccountByName(ctx context.Context, username string) (*chat.Account, error) {
	a, err := s.Store.AccountByName(ctx, username)
	s.happens()
	return a, err
}

func (s *changing) SessionByToken(ctx context.Context, hash [32]byte) (*chat.LoginSession, *chat.Account, error) {
	l, a, err := s.Store.SessionByToken(ctx, hash)
	s.happens()
	return l, a, err
}

// Who is made an administrator, or none, while they sign in is signed in as what they are.
func TestRightsThatChangeWhileOneSignsIn(t *testing.T) {
	s := &changing{Store: memory.New(), happens: func() {}}
	w := on(t, s)
	admin, groot := w.user("admin"), w.user("groot")
	token := groot.login("groot")
	for _, way := range []string{"login", "resume"} {
		for times := range 4 { // how often it is changed meanwhile
			left, is := times, times%2 == 1
			admin.mustSetAdminAs(t, "groot", !is)
			s.happens = func() {
				if left > 0 {
					left--
					happens := s.happens
					s.happens = func() {}
					admin.mustSetAdminAs(t, "groot", left%2 == 0 == is)
					s.happens = happens
				}
			}
			c, shown := w.connect(), false
			if way == "login" {
				res, err := c.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "password of groot"})
				if err != nil {
					t.Fatal(err)
				}
				shown = res.User.Admin
			} else {
				res, err := c.AuthResume(t.Context(), &api.AuthResumeParams{Token: token})
				if err != nil {
					t.Fatal(err)
				}
				shown = res.User.Admin
			}
			s.happens = func() {}
			now, err := admin.UserGet(t.Context(), &api.UserGetParams{User: "groot"})
			if err != nil {
				t.Fatal(err)
			}
			if may := c.may(api.MethodServerStats) == nil; may != now.User.Admin || shown != now.User.Admin {
				t.Errorf("%s, changed %d times: is an administrator: %t; may act as one: %t; was told: %t", way, times-left, now.User.Admin, may, shown)
			}
		}
	}
}

// Administrators see in the list of users who is suspended, and nobody else sees anything of it, in the list or as news.
func TestWhoIsSuspendedIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, groot, rocket, loki := w.user("admin"), w.user("groot"), w.user("rocket"), w.user("loki")
		admin.create("lobby")
		admin.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
		for _, c := range []*client{groot, rocket, loki} {
			c.join("lobby")
		}
		if _, err := admin.BotCreate(ctx, &api.BotCreateParams{Username: "drone"}); err != nil {
			t.Fatal(err)
		}
		bot := w.resumed(admin.token(&api.TokenCreateParams{Name: "bot", Bot: "drone"}))
		list := func(c *client, p *api.UserListParams) *api.UserListResult {
			t.Helper()
			res, err := c.UserList(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		seen := func(c *client) string {
			t.Helper()
			got, err := c.UserGet(ctx, &api.UserGetParams{User: "rocket"})
			if err != nil {
				t.Fatal(err)
			}
			return string(list(c, &api.UserListParams{}).AppendJSON(nil)) + string(got.AppendJSON(nil))
		}
		lokiID, rocketID := loki.UserID(), rocket.UserID()
		others, asAdmin := []*client{groot, bot}, seen(admin)
		before := []string{seen(groot), seen(bot)}
		if asAdmin != before[0] {
			t.Errorf("where nobody is suspended administrators are told %s, and others %s", asAdmin, before[0])
		}
		groot.introduced(nil)
		until := api.TimestampOf(time.Now().Add(time.Hour))
		for _, p := range []*api.UserSuspendParams{{User: "rocket", Reason: "the bomb", Until: &until}, {User: "loki"}} {
			if _, err := admin.UserSuspend(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		at := api.TimestampOf(time.Now())
		want := []api.UserSuspension{{UserID: lokiID, Suspension: api.Suspension{At: at}}, {UserID: rocketID, Suspension: api.Suspension{At: at, Until: &until, Reason: "the bomb"}}}
		if got := list(admin, &api.UserListParams{}); !reflect.DeepEqual(got.Suspensions, want) || len(got.Users) != 5 {
			t.Errorf("%+v", got)
		}
		first := list(admin, &api.UserListParams{Limit: ptr(int64(4))})
		second := list(admin, &api.UserListParams{Limit: ptr(int64(4)), Cursor: first.NextCursor})
		if !reflect.DeepEqual(first.Suspensions, want[:1]) || !reflect.DeepEqual(second.Suspensions, want[1:]) {
			t.Errorf("%+v, %+v", first, second)
		}
		unseen := func() {
			t.Helper()
			for i, c := range others {
				if got := seen(c); got != before[i] {
					t.Errorf("others see\n%s, want\n%s", got, before[i])
				}
			}
		}
		unseen()

		// What is told of somebody who is suspended says nothing of it, to administrators neither: it is one text for all.
		admin.mustSetAdmin("rocket", true, true)
		synctest.Wait()
		for _, c := range []*client{admin, groot} {
			c.port.mu.Lock()
			notes := strings.Join(c.port.notes, "\n")
			c.port.mu.Unlock()
			if !strings.Contains(notes, `"user.updated"`) || strings.Contains(notes, "suspen") || strings.Contains(notes, "bomb") {
				t.Errorf("told %s", notes)
			}
		}
		admin.mustSetAdmin("rocket", false, true)
		unseen()

		// Who becomes an administrator sees it with the next call, and who is none any more does not.
		admin.mustSetAdmin("groot", true, true)
		if got := list(groot, &api.UserListParams{}); !reflect.DeepEqual(got.Suspensions, want) {
			t.Errorf("%+v", got)
		}
		admin.mustSetAdmin("groot", false, true)
		unseen()
		time.Sleep(time.Hour) // rocket's ends by itself
		if got := list(admin, &api.UserListParams{}); !reflect.DeepEqual(got.Suspensions, want[:1]) {
			t.Errorf("%+v", got)
		}
		for _, c := range []*client{admin, groot, bot} {
			c.Close()
		}
		w.svc.Close()
	})
}

// mustSetAdminAs is mustSetAdmin, whatever was before.
func (c *client) mustSetAdminAs(t *testing.T, user string, admin bool) {
	t.Helper()
	if res, err := c.setAdmin(user, admin); err != nil || res.User.Admin != admin {
		t.Fatalf("%+v, %v", res, err)
	}
}

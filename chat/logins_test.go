package chat_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// resumed is a connection that a token opened.
func (w *world) resumed(token string) *client {
	w.t.Helper()
	c := w.connect()
	if err := c.Authenticate(w.t.Context(), token); err != nil {
		w.t.Fatalf("resume: %v", err)
	}
	return c
}

// wantEnded checks that a connection was told that its session is over, and that nothing more can be done on it.
func (c *client) wantEnded() {
	c.w.t.Helper()
	c.port.await(func(p *port) bool { return len(p.closed) > 0 })
	c.port.mu.Lock()
	closed := c.port.closed[0]
	c.port.mu.Unlock()
	if c.SignedIn() || closed != api.CloseCodeRevoked {
		c.w.t.Errorf("signed in: %t, closed: %v", c.SignedIn(), closed)
	}
	wantCode(c.w.t, c.Authorize(c.w.t.Context(), api.Lookup(api.MethodMessagePost)), api.CodeUnauthenticated, "")
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	laptop, err := w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "password of groot", DeviceName: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	twin := w.resumed(laptop.Token)
	list, err := groot.SessionList(ctx, &api.SessionListParams{})
	if err != nil || len(list.Sessions) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, s := range list.Sessions { // made at one moment, in any order
		if s.Current != (s.DeviceName == "") || s.Current == (s.ID == laptop.SessionID) || !s.Online || s.Address != "127.0.0.1" || s.LastSeenAt < s.CreatedAt {
			t.Errorf("session %d: %+v", i, s)
		}
	}

	// Another's session is as one that is not there.
	res, err := thanos.SessionRevoke(ctx, &api.SessionRevokeParams{Session: laptop.SessionID})
	if err != nil || len(res.Sessions) != 0 || !twin.SignedIn() {
		t.Errorf("%+v, %v", res, err)
	}
	for _, p := range []*api.SessionRevokeParams{{}, {Session: laptop.SessionID, Others: ptr(true)}} {
		_, err := groot.SessionRevoke(ctx, p)
		wantCode(t, err, api.CodeInvalidParams, "session")
	}
	for i := range 2 { // once, and again
		res, err := groot.SessionRevoke(ctx, &api.SessionRevokeParams{Session: laptop.SessionID})
		if err != nil || len(res.Sessions) != 1-i {
			t.Errorf("%+v, %v", res, err)
		}
	}
	twin.wantEnded()
	wantCode(t, w.connect().Authenticate(ctx, laptop.Token), api.CodeUnauthenticated, "token")
	if !groot.SignedIn() || len(groot.port.closed) > 0 {
		t.Error("the wrong session ended")
	}

	// Its own session: signed out, and open for the answer.
	token := groot.login("groot")
	other := w.resumed(token)
	me, err := groot.AccountGet(ctx, &api.AccountGetParams{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := groot.SessionRevoke(ctx, &api.SessionRevokeParams{Session: me.SessionID}); err != nil {
		t.Fatal(err)
	}
	if groot.SignedIn() || len(groot.port.closed) > 0 {
		t.Errorf("signed in: %t, closed: %v", groot.SignedIn(), groot.port.closed)
	}
	other.wantEnded()
}

// Whatever ends what has opened a connection reaches it while it is idle, in the middle of calls, and in the middle of a replay.
func TestRevocationReachesLiveConnections(t *testing.T) {
	const byLogin, byToken, byBot = "a login", "a token", "a bot's token"
	for _, tc := range []struct {
		what, opened string
		// end is called with an administrator, another login of groot's, and one by what the others are opened with.
		end func(ctx context.Context, admin, asks, same *client) error
	}{
		{"session.revoke", byLogin, func(ctx context.Context, _, asks, _ *client) error {
			return second(asks.SessionRevoke(ctx, &api.SessionRevokeParams{Others: ptr(true)}))
		}},
		{"auth.logout", byLogin, func(ctx context.Context, _, _, same *client) error {
			return second(same.AuthLogout(ctx, &api.AuthLogoutParams{}))
		}},
		{"account.set_password", byLogin, func(ctx context.Context, _, asks, _ *client) error {
			return second(asks.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "password of groot", NewPassword: "we are groot"}))
		}},
		{"user.set_password", byLogin, func(ctx context.Context, admin, _, _ *client) error {
			return second(admin.UserSetPassword(ctx, &api.UserSetPasswordParams{User: "groot", Password: "we are groot"}))
		}},
		{"user.suspend", byLogin, suspendGroot},
		{"account.delete", byLogin, deleteGroot},
		{"token.revoke", byToken, func(ctx context.Context, _, asks, _ *client) error {
			return second(asks.TokenRevoke(ctx, &api.TokenRevokeParams{Token: "made"}))
		}},
		{"user.suspend", byToken, suspendGroot},
		{"account.delete", byToken, deleteGroot},
		{"token.revoke", byBot, func(ctx context.Context, _, asks, _ *client) error {
			return second(asks.TokenRevoke(ctx, &api.TokenRevokeParams{Token: "made", Bot: "sapling"}))
		}},
		{"bot.delete", byBot, func(ctx context.Context, _, asks, _ *client) error {
			return second(asks.BotDelete(ctx, &api.BotDeleteParams{Bot: "sapling"}))
		}},
		{"user.suspend of the bot", byBot, func(ctx context.Context, admin, _, _ *client) error {
			return second(admin.UserSuspend(ctx, &api.UserSuspendParams{User: "sapling"}))
		}},
		{"user.suspend of the owner", byBot, suspendGroot},
		{"account.delete of the owner", byBot, deleteGroot},
	} {
		t.Run(tc.what+", "+tc.opened, func(t *testing.T) {
			w := newWorld(t, nil)
			ctx := t.Context()
			admin, groot := w.user("admin"), w.user("groot")
			room := admin.create("lobby")
			if err := groot.tryJoin(t, "lobby"); err != nil { // and follows nothing
				t.Fatal(err)
			}
			for range 300 {
				admin.post("lobby", "x")
			}
			asks := w.resumed(w.connect().login("groot"))
			token := ""
			switch tc.opened {
			case byLogin:
				token = w.connect().login("groot")
			case byToken:
				token = groot.token(&api.TokenCreateParams{Name: "made"})
			case byBot:
				if _, err := groot.BotCreate(ctx, &api.BotCreateParams{Username: "sapling"}); err != nil {
					t.Fatal(err)
				}
				token = groot.token(&api.TokenCreateParams{Name: "made", Bot: "sapling"})
				if err := w.resumed(token).tryJoin(t, "lobby"); err != nil {
					t.Fatal(err)
				}
			}
			idle, calling, streaming, same := w.resumed(token), w.resumed(token), w.resumed(token), w.resumed(token)
			idle.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
			streaming.port.stall = make(chan struct{})
			streaming.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(0))})})
			begun := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for n := 0; ; n++ {
					if n == 1 {
						close(begun)
					}
					_, err := calling.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "y"})
					if errors.Is(err, api.ErrUnauthenticated) {
						return
					}
					if err != nil && !errors.Is(err, api.ErrPermissionDenied) { // who is deleted leaves first
						t.Errorf("in mid-call: %v", err)
						return
					}
				}
			})
			<-begun
			if err := tc.end(ctx, admin, asks, same); err != nil {
				t.Error(err)
			}
			for _, c := range []*client{idle, calling, streaming} {
				c.wantEnded()
			}
			wg.Wait()
			w.fan.mu.Lock()
			following := len(w.fan.followers[room])
			w.fan.mu.Unlock()
			if following != 0 || len(streaming.port.events) != 0 {
				t.Errorf("%d follow still, %d events", following, len(streaming.port.events))
			}
		})
	}
}

func suspendGroot(ctx context.Context, admin, _, _ *client) error {
	return second(admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"}))
}

func deleteGroot(ctx context.Context, _, asks, _ *client) error {
	return second(asks.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of groot"}))
}

// An administrator who suspends themselves hears that it is done.
func TestSuspendingOneself(t *testing.T) {
	w := newWorld(t, nil)
	admin := w.user("admin")
	if _, err := admin.UserCreate(t.Context(), &api.UserCreateParams{Username: "second", Password: "password of second", Admin: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	twin := admin.twin(t)
	if _, err := admin.UserSuspend(t.Context(), &api.UserSuspendParams{User: "admin"}); err != nil {
		t.Fatal(err)
	}
	if admin.SignedIn() || len(admin.port.closed) > 0 {
		t.Errorf("signed in: %t, closed: %v", admin.SignedIn(), admin.port.closed)
	}
	twin.wantEnded()
}

// A token that is revoked while it signs in opens nothing.
func TestRevocationRacesWithResume(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	for range 200 {
		res, err := groot.AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "password of groot"})
		if err != nil {
			t.Fatal(err)
		}
		asks := w.resumed(groot.login("groot"))
		c := w.connect()
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Authenticate(ctx, res.Token) })
		wg.Go(func() {
			if _, err := asks.SessionRevoke(ctx, &api.SessionRevokeParams{Session: res.SessionID}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if c.SignedIn() {
			t.Fatal("signed in with a token that is void")
		}
		c.Close()
		asks.Close()
	}
}

func TestPasswordIsChanged(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	other := w.resumed(w.connect().login("groot"))
	_, err := groot.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "wrong", NewPassword: "we are groot"})
	wantCode(t, err, api.CodePermissionDenied, "old_password")
	res, err := groot.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "password of groot", NewPassword: "we are groot", KeepSessions: ptr(true)})
	if err != nil || res.SessionsEnded != 0 || !other.SignedIn() {
		t.Fatalf("%+v, %v", res, err)
	}
	_, err = w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "password of groot"})
	wantCode(t, err, api.CodeUnauthenticated, "")
	res, err = groot.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "we are groot", NewPassword: "i am groot"})
	if err != nil || res.SessionsEnded != 1 || !groot.SignedIn() {
		t.Fatalf("%+v, %v", res, err)
	}
	other.wantEnded()
	if _, err := w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "i am groot"}); err != nil {
		t.Error(err)
	}
}

// When a session was last used is written down now and then, never by the request.
func TestLastSeenIsCoarse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		reg, err := w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"})
		if err != nil {
			t.Fatal(err)
		}
		far := func() *chat.Session { return w.svc.Connect(nil, chat.Peer{Addr: "192.0.2.7"}) }
		seen := func() api.LoginSession {
			s := far()
			defer s.Close()
			if err := s.Authenticate(ctx, reg.Token); err != nil {
				t.Fatal(err)
			}
			list, err := s.SessionList(ctx, &api.SessionListParams{})
			if err != nil || len(list.Sessions) != 1 {
				t.Fatal(list, err)
			}
			return list.Sessions[0]
		}
		first := seen()
		if first.Address != "127.0.0.1" || first.LastSeenAt != first.CreatedAt {
			t.Errorf("%+v", first)
		}
		time.Sleep(2 * time.Minute) // the tender has been there
		if got := seen(); got.Address != "192.0.2.7" {
			t.Errorf("%+v", got)
		}
		time.Sleep(3 * time.Hour) // the first connection is open all the time
		if got := seen(); got.LastSeenAt.Time().Sub(first.CreatedAt.Time()) < 2*time.Hour {
			t.Errorf("%+v", got)
		}
		w.svc.Close()
	})
}

// changes counts what is written about accounts, and fails while it is told to.
type changes struct {
	chat.Store
	n    atomic.Int64
	fail atomic.Bool
}

func (s *changes) ChangeAccounts(ctx context.Context, f func(chat.AccountTx) error) error {
	s.n.Add(1)
	if s.fail.Load() {
		return chat.ErrUnavailable
	}
	return s.Store.ChangeAccounts(ctx, f)
}

// A connection that stays open from another address than before is one note, and not one a minute. One that cannot be written is not lost.
func TestLastSeenIsNotedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		reg, err := w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"})
		if err != nil {
			t.Fatal(err)
		}
		w.svc.Close()
		counted := &changes{Store: w.store}
		w.store = counted
		w.start(nil)
		far := w.svc.Connect(&port{fan: w.fan, changed: sync.NewCond(&sync.Mutex{})}, chat.Peer{Addr: "192.0.2.7"})
		defer far.Close()
		if err := far.Authenticate(ctx, reg.Token); err != nil {
			t.Fatal(err)
		}
		counted.fail.Store(true)
		time.Sleep(3 * time.Minute)
		counted.fail.Store(false)
		before := counted.n.Load()
		time.Sleep(30 * time.Minute)
		if n := counted.n.Load() - before; n != 1 {
			t.Errorf("%d writes in half an hour, want 1", n)
		}
		list, err := far.SessionList(ctx, &api.SessionListParams{})
		if err != nil || len(list.Sessions) != 1 || list.Sessions[0].Address != "192.0.2.7" {
			t.Error(list, err)
		}
		w.svc.Close()
	})
}

// However often somebody signs in, their login sessions are bounded: what has expired goes, and then the longest unused.
func TestLoginSessionsAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	now := api.TimestampOf(time.Now())
	const most = 1000
	err := w.store.ChangeAccounts(ctx, func(at chat.AccountTx) error {
		for i := range most + 4 {
			l := &chat.LoginSession{
				ID: api.SessionID(fmt.Sprintf("session_%04d", i)), TokenHash: sha256.Sum256(fmt.Append(nil, i)), UserID: groot.UserID(),
				CreatedAt: now, SeenAt: now + api.Timestamp(i+10_000), ExpiresAt: now + 3_600_000,
			}
			if i >= most-1 { // used last, and expired
				l.ExpiresAt = now - 1
			}
			if err := at.CreateSession(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	twin := w.connect()
	token := twin.login("groot")
	groot.wantEnded()
	if !twin.SignedIn() || w.connect().Authenticate(ctx, token) != nil {
		t.Error("who signs in is not")
	}
	list, err := twin.SessionList(ctx, &api.SessionListParams{})
	if err != nil || len(list.Sessions) != most {
		t.Fatalf("%d sessions, %v", len(list.Sessions), err)
	}
}

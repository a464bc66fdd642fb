package chat_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func TestRegisterLoginResumeLogout(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.connect()
	reg, err := groot.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"})
	if err != nil {
		t.Fatal(err)
	}
	if !reg.User.Admin || reg.User.Username != "groot" || !groot.SignedIn() {
		t.Errorf("the first account is not a signed-in administrator: %+v", reg)
	}
	_, err = groot.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"})
	wantCode(t, err, api.CodeAlreadyExists, "username")
	_, err = groot.AuthRegister(ctx, &api.AuthRegisterParams{Username: "other", Password: "i am groot"})
	wantCode(t, err, api.CodeFailedPrecondition, "")
	_, err = w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: "user_01kb1z3c8efyvs6tjv5vz0q7xn", Password: "i am groot"})
	wantCode(t, err, api.CodeInvalidParams, "username")

	other := w.connect()
	for _, p := range []*api.AuthLoginParams{{Username: "groot", Password: "i am root"}, {Username: "nobody", Password: "i am groot"}} {
		_, err = other.AuthLogin(ctx, p)
		wantCode(t, err, api.CodeUnauthenticated, "")
	}
	login, err := other.AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "i am groot"})
	if err != nil || login.SessionID == reg.SessionID || login.Token == reg.Token {
		t.Fatalf("login: %+v, %v", login, err)
	}

	third := w.connect()
	_, err = third.AuthResume(ctx, &api.AuthResumeParams{Token: "chd_wrong"})
	wantCode(t, err, api.CodeUnauthenticated, "token")
	res, err := third.AuthResume(ctx, &api.AuthResumeParams{Token: login.Token})
	if err != nil || res.SessionID != login.SessionID {
		t.Fatalf("resume: %+v, %v", res, err)
	}
	if _, err := third.AuthResume(ctx, &api.AuthResumeParams{Token: login.Token}); err != nil {
		t.Errorf("resuming again: %v", err)
	}

	// Logging out voids the token, signs this connection out and closes its twin, not the other login.
	if _, err := other.AuthLogout(ctx, &api.AuthLogoutParams{}); err != nil {
		t.Fatal(err)
	}
	if other.SignedIn() || third.SignedIn() || !groot.SignedIn() {
		t.Error("logout signed the wrong sessions out")
	}
	third.port.await(func(p *port) bool { return len(p.closed) == 1 && p.closed[0] == api.CloseCodeRevoked })
	if len(groot.port.closed)+len(other.port.closed) != 0 {
		t.Error("logout closed the wrong connections")
	}
	_, err = w.connect().AuthResume(ctx, &api.AuthResumeParams{Token: login.Token})
	wantCode(t, err, api.CodeUnauthenticated, "token")
	wantCode(t, other.Authorize(ctx, api.Lookup(api.MethodAccountGet)), api.CodeUnauthenticated, "")
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t, nil)
	admin, user, stranger := w.user("admin"), w.user("user"), w.connect()
	for _, m := range api.Methods {
		for _, c := range []struct {
			who  *client
			may  bool
			code api.Code
		}{
			{stranger, m.Authz == api.AuthzAnyone, api.CodeUnauthenticated},
			{user, m.Authz != api.AuthzAdmin, api.CodePermissionDenied},
			{admin, true, 0},
		} {
			err := c.who.Authorize(t.Context(), m)
			if c.may && err != nil {
				t.Errorf("%s: %v", m.Name, err)
			} else if !c.may {
				wantCode(t, err, c.code, "")
			}
		}
	}
}

func TestRegistrationPolicies(t *testing.T) {
	ctx := t.Context()
	register := func(w *world, name, invite string) (*api.AuthRegisterResult, error) {
		return w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "password", Invite: invite})
	}
	w := newWorld(t, &chat.Options{Registration: api.RegistrationInvite, SetupToken: "setup_right"})
	_, err := register(w, "groot", "")
	wantCode(t, err, api.CodePermissionDenied, "invite")
	_, err = register(w, "groot", "setup_wrong")
	wantCode(t, err, api.CodePermissionDenied, "invite")
	res, err := register(w, "groot", "setup_right")
	if err != nil || !res.User.Admin {
		t.Fatalf("setup: %+v, %v", res, err)
	}
	_, err = register(w, "thanos", "setup_right")
	wantCode(t, err, api.CodePermissionDenied, "invite")

	groot := w.connect()
	if err := groot.Authenticate(ctx, res.Token); err != nil {
		t.Fatal(err)
	}
	inv, err := groot.InviteCreate(ctx, &api.InviteCreateParams{Uses: ptr(int64(2))})
	if err != nil {
		t.Fatal(err)
	}
	// Ten at once share an invitation for two.
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 10 {
		wg.Go(func() {
			if res, err := register(w, "guest"+string(rune('a'+i)), inv.Invite); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
				if res.User.Admin {
					t.Error("a guest is an administrator")
				}
			}
		})
	}
	wg.Wait()
	if made != 2 {
		t.Errorf("an invitation for 2 made %d accounts", made)
	}

	closed := newWorld(t, &chat.Options{})
	_, err = register(closed, "groot", inv.Invite)
	wantCode(t, err, api.CodePermissionDenied, "")
}

func TestOnlyOneFirstAdmin(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	admins := 0
	for i := range 8 {
		wg.Go(func() {
			res, err := w.connect().AuthRegister(t.Context(), &api.AuthRegisterParams{Username: "u" + string(rune('a'+i)), Password: "password"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if res.User.Admin {
				admins++
			}
		})
	}
	wg.Wait()
	if admins != 1 {
		t.Errorf("%d administrators", admins)
	}
}

func TestGuessesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Limits: api.Limits{LoginsPerMinute: 1000}})
		w.user("groot")
		far := w.svc.Connect(nil, chat.Peer{Addr: "192.0.2.7"})
		defer far.Close()
		var mu sync.Mutex
		var wg sync.WaitGroup
		evaluated := 0
		for range 200 {
			wg.Go(func() {
				s := w.svc.Connect(nil, chat.Peer{Addr: "192.0.2.7"})
				defer s.Close()
				_, err := s.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "guess guess"})
				mu.Lock()
				defer mu.Unlock()
				if !errors.Is(err, api.ErrRateLimited) && !errors.Is(err, api.ErrUnavailable) {
					evaluated++
				}
			})
		}
		wg.Wait()
		if evaluated > 10 {
			t.Errorf("%d of 200 parallel guesses were evaluated", evaluated)
		}
		right := &api.AuthLoginParams{Username: "groot", Password: "password of groot"}
		_, err := far.AuthLogin(t.Context(), right)
		wantCode(t, err, api.CodeRateLimited, "")
		if _, err := w.connect().AuthLogin(t.Context(), right); err != nil {
			t.Errorf("the owner is locked out: %v", err)
		}
		time.Sleep(16 * time.Minute)
		if _, err := far.AuthLogin(t.Context(), right); err != nil {
			t.Errorf("after the window: %v", err)
		}
	})
}

func TestAttemptsFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Limits: api.Limits{LoginsPerMinute: 3}})
		far := w.svc.Connect(nil, chat.Peer{Addr: "192.0.2.7"})
		defer far.Close()
		try := func(name string) error {
			_, err := far.AuthLogin(t.Context(), &api.AuthLoginParams{Username: name, Password: "password"})
			return err
		}
		for _, name := range []string{"a", "b", "c"} {
			wantCode(t, try(name), api.CodeUnauthenticated, "")
		}
		err := try("d")
		wantCode(t, err, api.CodeRateLimited, "")
		var e *api.Error
		if !errors.As(err, &e) || e.Data.RetryAfterMS == nil || *e.Data.RetryAfterMS != 20_000 {
			t.Errorf("%+v, want retry_after_ms 20000", e)
		}
		time.Sleep(20 * time.Second)
		wantCode(t, try("d"), api.CodeUnauthenticated, "")
	})
}

func TestTokensExpireUnlessUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ttl := 10 * 24 * time.Hour
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, SessionTTL: ttl})
		ctx := t.Context()
		reg, err := w.connect().AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"})
		if err != nil {
			t.Fatal(err)
		}
		idle, err := w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "i am groot"})
		if err != nil {
			t.Fatal(err)
		}
		// Both connections stay open and so renew their tokens; a token without a connection is renewed by use.
		for range 3 {
			time.Sleep(ttl * 6 / 10)
			s := w.svc.Connect(nil, chat.Peer{})
			if err := s.Authenticate(ctx, reg.Token); err != nil {
				t.Fatalf("a used token: %v", err)
			}
			s.Close()
		}
		_ = idle
		w.svc.Close()
	})
}

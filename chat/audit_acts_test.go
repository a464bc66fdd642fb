package chat_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// call makes a call as a transport does: what is refused is told to the audit log.
func (c *client) call(method string, p interface{ AppendJSON(dst []byte) []byte }) error {
	_, err := api.Lookup(method).Dispatch(c.w.t.Context(), c, p.AppendJSON(nil), nil)
	return err
}

// audit is the audit log, the newest first.
func (w *world) audit() []*chat.AuditRecord {
	w.t.Helper()
	log, err := w.store.ListAudit(w.t.Context(), &chat.AuditQuery{Limit: 100_000})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(log, func(r *chat.AuditRecord) bool { return r.Action == "purge.finished" }) // comes when it comes
}

// unaudited is all that there is but the audit log.
func (a *authz) unaudited() *state {
	s := a.stored()
	s.Audit = nil
	return s
}

// toldAnyway are the audited methods that change nothing, and are acts all the same.
var toldAnyway = []string{api.MethodAccountExport, api.MethodExportRead}

// beforeOnce is what before is for methods that may not be called twice.
var beforeOnce = map[string]string{api.MethodBotDelete: api.MethodBotCreate}

// neverRefused are the audited methods that nobody who is signed in is refused.
var neverRefused = []string{api.MethodAccountUpdate}

// The audit log has one record of each audited method that has changed something, and one of each that was refused: every method
// of the document, on each kind of target, by each kind of caller. An audited method that never succeeds here needs a case.
func TestEachActIsOneRecord(t *testing.T) {
	for _, m := range api.Methods {
		if !m.Audit && m.Authz != api.AuthzAdmin && !strings.HasPrefix(m.Name, "account.") {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			a := &authz{t: t, from: &authzStore{name: "memory"}}
			defer a.close()
			done, refused := false, false
			for _, target := range authzTargets(m) {
				for _, caller := range authzCallers {
					outcome := a.audited(m, target, caller)
					done, refused = done || outcome == "ok", refused || outcome != "" && outcome != "ok"
				}
			}
			if m.Audit && !done && m.Name != api.MethodAuthResume { // see TestMovesAreAudited
				t.Error("it never changes anything here: it needs a case")
			}
			if m.Audit && !refused && !slices.Contains(neverRefused, m.Name) {
				t.Error("it is never refused here: it needs a case")
			}
		})
	}
}

// audited calls m, looks at what the audit log has got, and gives its outcome; "": nothing came.
func (a *authz) audited(m *api.Method, target authzTarget, caller string) string {
	a.t.Helper()
	if a.authzHouse == nil {
		a.build()
	}
	c := a.clients[caller]
	params := a.params(m, target, caller)
	if first := before[m.Name] + beforeOnce[m.Name]; first != "" {
		fm := api.Lookup(first)
		_, _ = fm.Dispatch(a.t.Context(), c, some(a.t, fm, a.params(fm, target, caller), params), nil) // or m is refused
	}
	known, stranger := len(a.w.audit()), !c.SignedIn()
	was := a.unaudited()
	result, err := m.Dispatch(a.t.Context(), c, params, nil)
	c.Replied()
	log := a.w.audit()
	news := log[:len(log)-known]
	want := ""
	var e *api.Error
	switch {
	case err == nil:
		if m.Audit && (slices.Contains(toldAnyway, m.Name) || !reflect.DeepEqual(was, a.unaudited())) {
			want = "ok"
		}
		defer a.close()
	case !errors.As(err, &e):
		a.t.Fatal(err)
	case e.Code == api.CodeInvalidParams, stranger && m.Authz != api.AuthzAnyone:
	case m.Audit, m.Authz == api.AuthzAdmin && e.Code == api.CodePermissionDenied:
		want = e.Code.Reason()
	}
	switch {
	case want == "" && len(news) > 0, want != "" && len(news) != 1:
		a.t.Errorf("%s, by %s: %v: %d records, the first %+v", target.name, caller, err, len(news), first(news))
	case want != "" && (news[0].Action != m.Name || news[0].Outcome != want || news[0].At == 0 || news[0].Addr == ""):
		a.t.Errorf("%s, by %s: %v: %+v, want %s", target.name, caller, err, news[0], want)
	}
	for _, r := range news {
		text, err := json.Marshal(r)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, secret := range slices.Concat(secrets(params), secrets(result)) {
			if strings.Contains(string(text), secret) {
				a.t.Errorf("%s, by %s: %s holds %s", target.name, caller, text, secret)
			}
		}
	}
	return want
}

func first(log []*chat.AuditRecord) chat.AuditRecord {
	if len(log) == 0 {
		return chat.AuditRecord{}
	}
	return *log[0]
}

var secret = regexp.MustCompile(`"(?:password|old_password|new_password)":"([^"]+)"|"((?:chd|inv)_[^"]+)"`)

// secrets are the passwords, tokens and invitations in a message.
func secrets(msg []byte) (all []string) {
	for _, found := range secret.FindAllSubmatch(msg, -1) {
		all = append(all, string(found[1])+string(found[2]))
	}
	return all
}

// Whose attempts are counted too often is told of as well, and so is a token that is not good, however it comes.
func TestRefusedSignIns(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationInvite, SetupToken: "the setup token", Limits: api.Limits{LoginsPerMinute: 2}})
	ctx := t.Context()
	groot := w.connect()
	if _, err := groot.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot", Invite: "the setup token"}); err != nil {
		t.Fatal(err)
	}
	made := groot.token(&api.TokenCreateParams{Name: "ci", ExpiresInS: ptr(int64(60))})
	known := len(w.audit())
	far := func() *client {
		c := w.connect()
		c.Session = w.svc.Connect(c.port, chat.Peer{Addr: "192.0.2.7"})
		t.Cleanup(c.Close)
		return c
	}
	for _, c := range []struct {
		err  error
		code api.Code
		want chat.AuditRecord
	}{
		{far().call(api.MethodAuthRegister, &api.AuthRegisterParams{Username: "thanos", Password: "inevitable"}), api.CodePermissionDenied, chat.AuditRecord{ActorName: "thanos", Action: "auth.register"}},
		{far().call(api.MethodAuthRegister, &api.AuthRegisterParams{Username: "thanos", Password: "inevitable", Invite: "the setup token"}), api.CodePermissionDenied, chat.AuditRecord{ActorName: "thanos", Action: "auth.register"}},
		{far().call(api.MethodAuthRegister, &api.AuthRegisterParams{Username: "thanos", Password: "inevitable"}), api.CodeRateLimited, chat.AuditRecord{ActorName: "thanos", Action: "auth.register"}},
		{far().call(api.MethodAuthLogin, &api.AuthLoginParams{Username: "groot", Password: "inevitable"}), api.CodeRateLimited, chat.AuditRecord{ActorName: "groot", Action: "auth.login"}},
		{far().call(api.MethodAuthResume, &api.AuthResumeParams{Token: "chd_nobody"}), api.CodeUnauthenticated, chat.AuditRecord{Action: "auth.resume"}},
		{far().Authenticate(ctx, "chd_nobody"), api.CodeUnauthenticated, chat.AuditRecord{Action: "auth.resume"}},
	} {
		var e *api.Error
		if !errors.As(c.err, &e) || e.Code != c.code {
			t.Errorf("%s: %v", c.want.Action, c.err)
		}
		log := w.audit()
		r := *log[len(log)-known-1]
		known++
		if r.Outcome != c.code.Reason() || r.Addr != "192.0.2.7" || r.ActorID != "" || r.ActorName != c.want.ActorName || r.Action != c.want.Action {
			t.Errorf("%+v, want %+v", r, c.want)
		}
	}
	if n := len(w.audit()); n != known {
		t.Errorf("%d records, want %d", n, known)
	}
	if err := groot.call(api.MethodUserSuspend, &api.UserSuspendParams{User: "groot"}); !errors.Is(err, api.ErrFailedPrecondition) {
		t.Error(err)
	}
	if _, err := groot.TokenRevoke(ctx, &api.TokenRevokeParams{Token: "ci"}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, far().Authenticate(ctx, made), api.CodeUnauthenticated, "token")
}

// Who is refused with a token that was good is named.
func TestRefusedResumesNameWhose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		groot := w.user("groot")
		made := groot.token(&api.TokenCreateParams{Name: "ci", ExpiresInS: ptr(int64(60))})
		time.Sleep(2 * time.Minute)
		wantCode(t, w.connect().Authenticate(t.Context(), made), api.CodeTokenExpired, "token")
		r := w.audit()[0]
		if r.ActorID != groot.UserID() || r.ActorName != "groot" || r.SubjectName != "ci" || r.Outcome != "token_expired" || r.Action != api.MethodAuthResume {
			t.Errorf("%+v", r)
		}
	})
}

// Coming back is told of once for each address from which it was not expected.
func TestMovesAreAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		groot := w.user("groot")
		token := groot.login("groot")
		known := len(w.audit())
		resume := func(addr string) {
			t.Helper()
			s := w.svc.Connect(nil, chat.Peer{Addr: addr})
			defer s.Close()
			if err := s.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		resume("127.0.0.1") // where it was made
		for range 3 {
			resume("192.0.2.7")
		}
		time.Sleep(2 * time.Minute) // it is written down
		resume("192.0.2.7")
		resume("127.0.0.1")
		time.Sleep(2 * time.Minute)
		var got []string
		log := w.audit()
		for _, r := range slices.Backward(log[:len(log)-known]) {
			got = append(got, r.Action+" "+r.ActorName+" "+r.Addr+" "+r.Outcome+" "+r.Detail)
			if r.Subject == "" {
				t.Errorf("%+v", r)
			}
		}
		want := []string{"auth.resume groot 192.0.2.7 ok before from 127.0.0.1", "auth.resume groot 127.0.0.1 ok before from 192.0.2.7"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// Strangers who are refused all the time hide nothing that others are refused, and fill nothing.
func TestRefusalsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.user("groot")
		rocket := w.user("rocket")
		known := len(w.audit())
		for range 1000 {
			if err := w.connect().Authenticate(t.Context(), "chd_nobody"); !errors.Is(err, api.ErrUnauthenticated) {
				t.Fatal(err)
			}
		}
		if n := len(w.audit()) - known; n < 100 || n > 300 {
			t.Errorf("%d records of 1000 refusals", n)
		}
		if err := rocket.call(api.MethodUserSuspend, &api.UserSuspendParams{User: "groot"}); !errors.Is(err, api.ErrPermissionDenied) {
			t.Error(err)
		}
		if r := w.audit()[0]; r.ActorName != "rocket" || r.Action != api.MethodUserSuspend || r.Outcome != "permission_denied" {
			t.Errorf("%+v", r)
		}
	})
}

// A login session that has to make room for another is told of.
func TestSessionsThatMakeRoomAreAudited(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	for range 1000 {
		groot.login("groot")
	}
	var ended []*chat.AuditRecord
	for _, r := range w.audit() {
		if r.Action == "session.ended" {
			ended = append(ended, r)
		}
	}
	if len(ended) != 1 || ended[0].ActorName != "groot" || ended[0].Subject == "" || ended[0].Detail == "" {
		t.Errorf("%+v", ended)
	}
}

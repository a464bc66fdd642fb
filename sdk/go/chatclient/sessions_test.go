package chatclient_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What each device of somebody keeps of where they are signed in is what it would fetch, however sessions begin and end, on every
// store.
func TestSessionsFoldIsFresh(t *testing.T) {
	foldOnStores(t, []string{"root"}, func() folding {
		w := newSessionsWorld()
		return folding{fan: w.tap, port: func(name string) chat.Port { return tapPort{name, w.tap} }, did: w.did, run: w.run}
	})
}

// sessionsWorld is somebody with devices, who is new in each run.
type sessionsWorld struct {
	svc  *chat.Service
	root *chat.Session
	tap  *wiretap
	did  deeds

	runs, made int
	name       string
	password   string
	devices    []*device
	seen       int // of the tap
}

// device is a connection of theirs, and what it keeps.
type device struct {
	name  string
	s     *chat.Session
	token string
	view  *chatclient.Sessions
}

func newSessionsWorld() *sessionsWorld { return &sessionsWorld{tap: &wiretap{}, did: deeds{}} }

// run plays with somebody new, who administers the server, so that they may set passwords of others and their own.
func (w *sessionsWorld) run(svc *chat.Service, people []*chat.Session, rt *rapid.T) {
	w.svc, w.root = svc, people[0]
	w.begin(rt)
	defer w.end()
	one := func(act func(rt *rapid.T, d *device)) func(*rapid.T) {
		return func(rt *rapid.T) { act(rt, rapid.SampledFrom(w.devices).Draw(rt, "device")) }
	}
	play(rt, w.compare, map[string]func(*rapid.T){
		"login": w.login, "resume": one(w.resume), "login again": one(w.loginAgain), "login once": w.loginOnce, "logout": one(w.logout), "revoke": one(w.revoke),
	}, map[string]func(*rapid.T){
		"revoke others": one(w.revokeOthers), "password": one(w.setPassword), "own password": one(w.setOwnPassword), "their password": w.setTheirPassword,
		"suspend": w.suspend, "reload": one(w.load),
	})
}

func (w *sessionsWorld) begin(t rapid.TB) {
	t.Helper()
	w.runs++
	w.name, w.devices = fmt.Sprint("groot", w.runs), nil
	w.newPassword()
	yes := true
	if _, err := w.root.UserCreate(ctx, &api.UserCreateParams{Username: w.name, Password: w.password, Admin: &yes}); err != nil {
		t.Fatal(err)
	}
}

func (w *sessionsWorld) end() {
	for _, d := range w.devices {
		d.s.Close()
	}
}

func (w *sessionsWorld) newPassword() string {
	w.made++
	w.password = fmt.Sprint("i am groot", w.made)
	return w.password
}

// connect is a connection that nobody is signed in on yet.
func (w *sessionsWorld) connect() *device {
	w.made++
	d := &device{name: fmt.Sprint("device", w.made)}
	d.s = w.svc.Connect(tapPort{d.name, w.tap}, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	w.devices = append(w.devices, d)
	return d
}

// signIn begins a session on the connection.
func (w *sessionsWorld) signIn(t rapid.TB, d *device) {
	t.Helper()
	res, err := d.s.AuthLogin(ctx, &api.AuthLoginParams{Username: w.name, Password: w.password, DeviceName: d.name})
	w.did.must(t, api.MethodAuthLogin, err)
	d.token = res.Token
}

func (w *sessionsWorld) login(rt *rapid.T) {
	d := w.connect()
	w.signIn(rt, d)
	w.load(rt, d)
}

// resume is another connection of the same session.
func (w *sessionsWorld) resume(rt *rapid.T, of *device) {
	d := w.connect()
	_, err := d.s.AuthResume(ctx, &api.AuthResumeParams{Token: of.token})
	w.did.must(rt, api.MethodAuthResume, err)
	d.token = of.token
	w.load(rt, d)
}

// loginAgain begins another session on a connection that has one, and hears of it.
func (w *sessionsWorld) loginAgain(rt *rapid.T, d *device) { w.signIn(rt, d) }

// loginOnce is a call without a connection.
func (w *sessionsWorld) loginOnce(rt *rapid.T) {
	s := w.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	defer s.Close()
	w.signIn(rt, &device{name: "once", s: s})
}

func (w *sessionsWorld) logout(rt *rapid.T, d *device) {
	_, err := d.s.AuthLogout(ctx, &api.AuthLogoutParams{})
	w.did.must(rt, api.MethodAuthLogout, err)
}

func (w *sessionsWorld) revoke(rt *rapid.T, d *device) {
	which := rapid.SampledFrom(w.fresh(rt, d)).Draw(rt, "which")
	_, err := d.s.SessionRevoke(ctx, &api.SessionRevokeParams{Session: which.ID})
	w.did.must(rt, api.MethodSessionRevoke, err)
}

func (w *sessionsWorld) revokeOthers(rt *rapid.T, d *device) {
	yes := true
	_, err := d.s.SessionRevoke(ctx, &api.SessionRevokeParams{Others: &yes})
	w.did.must(rt, api.MethodSessionRevoke, err)
}

func (w *sessionsWorld) setPassword(rt *rapid.T, d *device) {
	keep, old := rapid.Bool().Draw(rt, "keep"), w.password
	_, err := d.s.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: old, NewPassword: w.newPassword(), KeepSessions: &keep})
	w.did.must(rt, api.MethodAccountSetPassword, err)
}

func (w *sessionsWorld) setOwnPassword(rt *rapid.T, d *device) {
	_, err := d.s.UserSetPassword(ctx, &api.UserSetPasswordParams{User: w.name, Password: w.newPassword()})
	w.did.must(rt, api.MethodUserSetPassword, err)
}

func (w *sessionsWorld) setTheirPassword(rt *rapid.T) {
	_, err := w.root.UserSetPassword(ctx, &api.UserSetPasswordParams{User: w.name, Password: w.newPassword()})
	w.did.must(rt, api.MethodUserSetPassword, err)
}

// suspend keeps them out for a moment.
func (w *sessionsWorld) suspend(rt *rapid.T) {
	_, err := w.root.UserSuspend(ctx, &api.UserSuspendParams{User: w.name})
	w.did.must(rt, api.MethodUserSuspend, err)
	_, err = w.root.UserRestore(ctx, &api.UserRestoreParams{User: w.name})
	w.did.must(rt, api.MethodUserRestore, err)
}

func (w *sessionsWorld) fresh(t rapid.TB, d *device) []api.LoginSession {
	t.Helper()
	res, err := d.s.SessionList(ctx, &api.SessionListParams{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Sessions
}

func (w *sessionsWorld) load(rt *rapid.T, d *device) {
	d.view = chatclient.NewSessions()
	d.view.Load(&api.SessionListResult{Sessions: w.fresh(rt, d)})
}

// compare holds after each act, on the devices that are signed in still; there is always one.
func (w *sessionsWorld) compare(rt *rapid.T) {
	w.take(rt)
	w.devices = slices.DeleteFunc(w.devices, func(d *device) bool {
		out := !d.s.SignedIn()
		if out {
			d.s.Close()
		}
		return out
	})
	for _, d := range w.devices {
		fresh, kept := w.fresh(rt, d), d.view.All()
		if len(fresh) == 0 {
			rt.Fatalf("%s is signed in without a session", d.name)
		}
		if diff := cmp.Diff(asFirstTold(fresh), asFirstTold(kept)); diff != "" {
			rt.Fatalf("%s: -fresh +kept:\n%s", d.name, diff)
		}
	}
	if len(w.devices) == 0 {
		w.login(rt)
	}
}

// asFirstTold leaves out what no event tells.
func asFirstTold(sessions []api.LoginSession) []api.LoginSession {
	for i := range sessions {
		sessions[i].Online, sessions[i].Current = false, false
	}
	return sessions
}

// take takes in what was told.
func (w *sessionsWorld) take(t rapid.TB) {
	w.tap.mu.Lock()
	news := w.tap.all[w.seen:]
	w.seen = len(w.tap.all)
	w.tap.mu.Unlock()
	for _, h := range news {
		if err := h.valid(); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(w.devices, func(d *device) bool { return d.name == h.to && d.view != nil })
		if i < 0 || !strings.Contains(h.msg, `"account.event"`) {
			continue
		}
		var n struct{ Params api.AccountEventParams }
		if err := json.Unmarshal([]byte(h.msg), &n); err != nil {
			t.Fatal(err)
		}
		if l := n.Params.Session; l != nil && (l.ID != n.Params.SessionID || l.Current) {
			t.Fatalf("told %s", h.msg)
		}
		w.devices[i].view.ApplyAccount(&n.Params)
	}
}

// A session that is ended in the moment in which it begins is not kept, whatever is told first.
func TestSessionsFoldInARace(t *testing.T) {
	for name, open := range foldStores {
		t.Run(name, func(t *testing.T) {
			w, store := newSessionsWorld(), open(t)
			defer store.Close()
			w.svc = chat.New(store, &chat.Options{Fanout: w.tap, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8})
			defer w.svc.Close()
			watch := w.connect()
			defer w.end()
			if _, err := watch.s.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"}); err != nil {
				t.Fatal(err)
			}
			watch.view = chatclient.NewSessions()
			watch.view.Load(&api.SessionListResult{Sessions: w.fresh(t, watch)})
			var signing, revoking sync.WaitGroup
			stop := make(chan struct{})
			for range 4 {
				signing.Go(func() { // ends with its logins
					for range 100 {
						s := w.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
						_, err := s.AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "i am groot"})
						s.Close()
						if err != nil && !strings.Contains(err.Error(), "the token is not valid") { // it was ended already
							t.Error(err)
						}
					}
				})
			}
			revoking.Go(func() { // ends when stop is closed
				yes := true
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := watch.s.SessionRevoke(ctx, &api.SessionRevokeParams{Others: &yes}); err != nil {
						t.Error(err)
					}
				}
			})
			signing.Wait()
			close(stop)
			revoking.Wait()
			w.take(t)
			if diff := cmp.Diff(asFirstTold(w.fresh(t, watch)), asFirstTold(watch.view.All())); diff != "" {
				t.Errorf("-fresh +kept:\n%s", diff)
			}
		})
	}
}

package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var accountTests = []test{
	{"Identity", func(f *fixture) {
		if f.Epoch() == "" || f.Durability() == "" {
			f.Fatalf("epoch %q, durability %q", f.Epoch(), f.Durability())
		}
		f.wantErr(f.Check(f.ctx()), nil)
	}},

	{"Accounts", func(f *fixture) {
		has, err := f.HasAccounts(f.ctx())
		f.wantErr(err, nil)
		f.want("accounts at first", has, false)

		na := NewAccount("groot")
		na.Admin = true
		got, err := f.CreateAccount(f.ctx(), na)
		f.wantErr(err, nil)
		f.want("stored", got, &na.Account)
		got, err = f.AccountByName(f.ctx(), "groot")
		f.wantErr(err, nil)
		f.want("by name", got, &na.Account)
		got.Username = "changed by the caller"
		got, err = f.AccountByID(f.ctx(), na.ID)
		f.wantErr(err, nil)
		f.want("by id", got, &na.Account)
		has, err = f.HasAccounts(f.ctx())
		f.wantErr(err, nil)
		f.want("accounts now", has, true)

		_, err = f.AccountByName(f.ctx(), "thanos")
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.AccountByID(f.ctx(), "user_thanos")
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"UsernameTaken", func(f *fixture) {
		f.user("groot")
		again := NewAccount("groot")
		again.ID, again.PasswordHash = "user_other", "other"
		_, err := f.CreateAccount(f.ctx(), again)
		f.wantErr(err, chat.ErrNameTaken)
		_, err = f.AccountByID(f.ctx(), "user_other")
		f.wantErr(err, chat.ErrNotFound)
		got, err := f.AccountByName(f.ctx(), "groot")
		f.wantErr(err, nil)
		f.want("the first", got, &NewAccount("groot").Account)
	}},

	{"FirstIsAdmin", func(f *fixture) {
		admins := f.admins(f.register(8, func(na *chat.NewAccount) { na.FirstIsAdmin = true }), 8)
		f.want("administrators of 8 at once", admins, 1)
	}},

	{"FirstIsAdminOnlyOnce", func(f *fixture) {
		f.user("groot")
		f.want("administrators after the first account", f.admins(f.register(1, func(na *chat.NewAccount) { na.FirstIsAdmin = true }), 1), 0)
	}},

	{"OnlyFirst", func(f *fixture) {
		results := f.register(8, func(na *chat.NewAccount) { na.OnlyFirst, na.FirstIsAdmin = true, true })
		f.want("administrators", f.admins(results, 1), 1)
		for _, r := range results {
			if r.err != nil {
				f.wantErr(r.err, chat.ErrClosed)
			}
		}
	}},

	{"Invite", func(f *fixture) {
		host := f.user("groot")
		f.invite("good", host, 2, now+1)
		f.invite("late", host, 2, now)
		for _, step := range []struct {
			user, invite string
			want         error
		}{
			{"u1", "late", chat.ErrBadInvite},
			{"u1", "none", chat.ErrBadInvite},
			{"groot", "good", chat.ErrNameTaken}, // uses nothing up
			{"u1", "good", nil},
			{"u2", "good", nil},
			{"u3", "good", chat.ErrBadInvite},
			{"groot", "good", chat.ErrBadInvite}, // without a right nobody learns who is there
		} {
			na := NewAccount(step.user)
			na.InviteHash = []byte(step.invite)
			_, err := f.CreateAccount(f.ctx(), na)
			f.wantErr(err, step.want)
		}
		_, err := f.AccountByName(f.ctx(), "u3")
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"InviteUsedAtOnce", func(f *fixture) {
		f.invite("five", f.user("groot"), 5, now+1)
		results := f.register(16, func(na *chat.NewAccount) { na.InviteHash = []byte("five") })
		made := 0
		for _, r := range results {
			if r.err == nil {
				made++
			} else {
				f.wantErr(r.err, chat.ErrBadInvite)
			}
		}
		f.want("accounts made of 5 uses", made, 5)
	}},

	{"Sessions", func(f *fixture) {
		user := f.user("groot")
		l := &chat.LoginSession{ID: "session_1", TokenHash: [32]byte{1}, UserID: user, DeviceName: "laptop", Addr: "192.0.2.7", CreatedAt: now, SeenAt: now, ExpiresAt: now + 10}
		f.change(nil, func(t chat.AccountTx) error { return t.CreateSession(l) })
		other := &chat.LoginSession{ID: "session_2", TokenHash: [32]byte{2}, UserID: user, CreatedAt: now, ExpiresAt: now + 20}
		f.change(nil, func(t chat.AccountTx) error { return t.CreateSession(other) })
		made := &chat.LoginSession{
			ID: "token_1", TokenHash: [32]byte{4}, UserID: user, DeviceName: "ci", CreatedAt: now, ExpiresAt: now + 20, Made: true,
			Scope: chat.Scope{Methods: []string{"room.get", "message.*"}, Rooms: []api.RoomID{"room_a", "room_b"}, PerMinute: 7},
		}
		f.change(nil, func(t chat.AccountTx) error { return t.CreateSession(made) })
		f.change(chat.ErrNotFound, func(t chat.AccountTx) error {
			return t.CreateSession(&chat.LoginSession{ID: "session_3", TokenHash: [32]byte{3}, UserID: "user_nobody"})
		})

		f.wantSession(l)
		f.wantSession(made)
		f.wantSessions(user, false, l, other)
		f.wantSessions(user, true, made)
		f.wantSessions("user_nobody", false)
		l.ExpiresAt, l.SeenAt, l.Addr = now+30, now+1, "192.0.2.8"
		made.DeviceName, made.Scope = "cd", chat.Scope{}
		f.change(nil, func(t chat.AccountTx) error {
			got, err := t.Session(made.ID)
			f.wantErr(err, nil)
			got.DeviceName, got.Scope = "cd", chat.Scope{}
			got.UserID, got.TokenHash = "user_other", [32]byte{9} // never change
			return errors.Join(t.PutSession(l), t.PutSession(got))
		})
		f.wantSession(l)
		f.wantSession(made)
		f.wantSession(other)
		_, _, err := f.SessionByToken(f.ctx(), [32]byte{3})
		f.wantErr(err, chat.ErrNotFound)

		for range 2 {
			f.change(nil, func(t chat.AccountTx) error { return t.DeleteSession(l.ID) })
		}
		f.change(chat.ErrNotFound, func(t chat.AccountTx) error { return t.PutSession(l) })
		f.change(chat.ErrNotFound, func(t chat.AccountTx) error {
			_, err := t.Session(l.ID)
			return err
		})
		_, _, err = f.SessionByToken(f.ctx(), l.TokenHash)
		f.wantErr(err, chat.ErrNotFound)
		f.wantSessions(user, false, other)
	}},

	{"AccountsChange", func(f *fixture) {
		for _, name := range []string{"groot", "grit", "gr", "thanos"} {
			f.user(name)
		}
		bot := NewAccount("grbot")
		bot.OwnerID, bot.DisplayName, bot.PasswordHash = User("groot"), "Bot of Groot", ""
		_, err := f.CreateAccount(f.ctx(), bot)
		f.wantErr(err, nil)
		f.wantNames(&chat.AccountQuery{Limit: 9}, "gr", "grbot", "grit", "groot", "thanos")
		f.wantNames(&chat.AccountQuery{Prefix: "gr", Limit: 2}, "gr", "grbot")
		f.wantNames(&chat.AccountQuery{Prefix: "gr", After: "grbot", Limit: 9}, "grit", "groot")
		f.wantNames(&chat.AccountQuery{Prefix: "gri", Limit: 9}, "grit")
		f.wantNames(&chat.AccountQuery{Owner: User("groot"), Limit: 9}, "grbot")
		f.wantNames(&chat.AccountQuery{Owner: User("thanos"), Limit: 9})

		var want *chat.Account
		f.change(nil, func(t chat.AccountTx) error {
			a, err := t.Account(User("groot"))
			f.wantErr(err, nil)
			a.DisplayName, a.PasswordHash, a.Admin = "Groot", "another", true
			a.SuspendedAt, a.SuspendedUntil, a.SuspendReason = now, now+5, "the tree"
			want = a
			changed := *a
			changed.Username, changed.CreatedAt, changed.OwnerID = "other", now+9, "user_other" // never change
			return t.PutAccount(&changed)
		})
		got, err := f.AccountByName(f.ctx(), "groot")
		f.wantErr(err, nil)
		f.want("changed", got, want)
		f.change(chat.ErrNotFound, func(t chat.AccountTx) error {
			_, err := t.Account("user_nobody")
			return err
		})
		f.change(chat.ErrNotFound, func(t chat.AccountTx) error { return t.PutAccount(&chat.Account{ID: "user_nobody"}) })

		f.change(nil, func(t chat.AccountTx) error { // groot is suspended: he does not count
			f.wantAdmins(t, User("thanos"), now, 0)
			f.wantAdmins(t, User("thanos"), now+4, 0)
			f.wantAdmins(t, User("thanos"), now+5, 1) // it is over
			a, err := t.Account(User("thanos"))
			f.wantErr(err, nil)
			a.Admin = true
			f.wantErr(t.PutAccount(a), nil)
			f.wantAdmins(t, User("groot"), now, 1)
			f.wantAdmins(t, User("thanos"), now, 0)
			a.DeletedAt = now
			f.wantErr(t.PutAccount(a), nil)
			f.wantAdmins(t, User("groot"), now, 0)
			return nil
		})
		f.wantNames(&chat.AccountQuery{Limit: 9}, "gr", "grbot", "grit", "groot")
		totals, err := f.Totals(f.ctx())
		f.wantErr(err, nil)
		f.want("users", totals.Users, int64(3))
		f.want("bots", totals.Bots, int64(1))
	}},

	{"BotsAreBounded", func(f *fixture) {
		f.user("groot")
		f.user("thanos")
		const most = 3
		bots := func(owner string, n int) (made int) {
			for _, r := range f.register(n, func(na *chat.NewAccount) {
				na.ID, na.Username = api.UserID(string(na.ID)+owner), na.Username+owner
				na.OwnerID, na.MaxBots, na.PasswordHash = User(owner), most, ""
			}) {
				if r.err == nil {
					made++
				} else {
					f.wantErr(r.err, chat.ErrTooMany)
				}
			}
			return made
		}
		f.want("bots made of 8 at once", bots("groot", 8), most)
		f.want("of another's", bots("thanos", 2), 2)
		mine, err := f.ListAccounts(f.ctx(), &chat.AccountQuery{Owner: User("groot"), Limit: 1})
		f.wantErr(err, nil)
		f.change(nil, func(t chat.AccountTx) error { // one that is deleted does not count
			mine[0].DeletedAt = now
			return t.PutAccount(mine[0])
		})
		again := NewAccount("again")
		again.OwnerID, again.MaxBots = User("groot"), most
		_, err = f.CreateAccount(f.ctx(), again)
		f.wantErr(err, nil)
		late := NewAccount("late")
		late.OwnerID, late.MaxBots = User("groot"), most
		_, err = f.CreateAccount(f.ctx(), late)
		f.wantErr(err, chat.ErrTooMany)

		// Nobody has bots who is not there.
		f.change(nil, func(t chat.AccountTx) error {
			a, err := t.Account(User("thanos"))
			f.wantErr(err, nil)
			a.DeletedAt = now
			return t.PutAccount(a)
		})
		for _, owner := range []api.UserID{User("thanos"), "user_nobody"} {
			late.OwnerID = owner
			_, err = f.CreateAccount(f.ctx(), late)
			f.wantErr(err, chat.ErrNotFound)
		}
		_, err = f.AccountByName(f.ctx(), "late")
		f.wantErr(err, chat.ErrNotFound)
	}},

	{"Audit", func(f *fixture) {
		na := NewAccount("groot")
		na.Audit = &chat.AuditRecord{At: now, ActorID: na.ID, ActorName: "groot", Addr: "192.0.2.7", Action: "auth.register", Outcome: "ok"}
		_, err := f.CreateAccount(f.ctx(), na)
		f.wantErr(err, nil)
		_, err = f.CreateAccount(f.ctx(), na)
		f.wantErr(err, chat.ErrNameTaken) // and nothing is written
		want := []*chat.AuditRecord{na.Audit}
		for _, action := range []string{"user.suspend", "user.restore", "userx.y"} {
			r := &chat.AuditRecord{At: now, ActorID: na.ID, ActorName: "groot", Action: action, Subject: "user_thanos", SubjectName: "thanos", Outcome: "ok", Detail: "why"}
			f.change(nil, func(t chat.AccountTx) error { return t.Audit(r) })
			want = append(want, r)
		}
		f.change(nil, func(t chat.AccountTx) error {
			return t.Audit(&chat.AuditRecord{At: now, Action: "auth.login", Outcome: "unauthenticated"})
		})
		for i, r := range want {
			r.No = int64(i) + 1
		}
		list := func(q chat.AuditQuery) []*chat.AuditRecord {
			q.Limit = max(q.Limit, 2)
			got, err := f.ListAudit(f.ctx(), &q)
			f.wantErr(err, nil)
			return got
		}
		f.want("by action", list(chat.AuditQuery{Action: "user.suspend"}), want[1:2])
		f.want("by noun", list(chat.AuditQuery{Action: "user."}), []*chat.AuditRecord{want[2], want[1]})
		f.want("by actor", list(chat.AuditQuery{Actor: na.ID}), []*chat.AuditRecord{want[3], want[2]})
		f.want("the next page", list(chat.AuditQuery{Actor: na.ID, Before: 3}), []*chat.AuditRecord{want[1], want[0]})
		f.want("by subject", list(chat.AuditQuery{Subject: "user_thanos", Limit: 9}), []*chat.AuditRecord{want[3], want[2], want[1]})
		f.want("how many", len(list(chat.AuditQuery{Limit: 9})), 5)
	}},

	{"SentEvents", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		a, b := f.room("a", groot), f.room("b", thanos)
		f.commit(Join(a, thanos), Post(a, groot, "1"), Post(b, thanos, "2"), Join(b, groot), Post(b, groot, "3"), Leave(a, groot), Post(a, thanos, "4"))
		ofA, ofB := f.history(a), f.history(b)
		all := []chat.Record{ofA[0], ofA[1], ofA[3], ofA[4], ofB[3], ofB[4]} // but for what thanos did
		for _, q := range []chat.SentQuery{{Limit: 100, Scan: 100}, {Limit: 2, Scan: 100}, {Limit: 100, Scan: 3}, {Limit: 1, Scan: 1}} {
			var got []chat.Record
			q.User = groot
			for pages := 0; ; pages++ {
				page, next, err := f.Store.SentEvents(f.ctx(), &q)
				f.wantErr(err, nil)
				got = append(got, page...)
				if q.After = next; next == 0 || pages > 20 {
					break
				}
			}
			f.want(fmt.Sprintf("%+v", q), got, all)
		}
		totals, err := f.Totals(f.ctx())
		f.wantErr(err, nil)
		f.want("messages", totals.Messages, int64(4))
		f.want("rooms", totals.Rooms, int64(2))
	}},
}

// change runs a change of accounts.
func (f *fixture) change(want error, do func(t chat.AccountTx) error) {
	f.Helper()
	f.wantErr(f.ChangeAccounts(f.ctx(), do), want)
}

func (f *fixture) wantAdmins(t chat.AccountTx, without api.UserID, at api.Timestamp, want int) {
	f.Helper()
	n, err := t.OtherAdmins(without, at)
	f.wantErr(err, nil)
	f.want("administrators besides "+string(without), n, want)
}

func (f *fixture) wantSessions(user api.UserID, made bool, want ...*chat.LoginSession) {
	f.Helper()
	got, err := f.ListSessions(f.ctx(), user, made)
	f.wantErr(err, nil)
	f.want("sessions", got, want)
	f.change(nil, func(t chat.AccountTx) error {
		got, err := t.Sessions(user, made)
		f.want("sessions of the transaction", got, want)
		return err
	})
}

func (f *fixture) wantNames(q *chat.AccountQuery, want ...string) {
	f.Helper()
	got, err := f.ListAccounts(f.ctx(), q)
	f.wantErr(err, nil)
	var names []string
	for _, a := range got {
		names = append(names, a.Username)
	}
	f.want(fmt.Sprintf("%+v", *q), names, want)
}

func (f *fixture) wantSession(want *chat.LoginSession) {
	f.Helper()
	l, a, err := f.SessionByToken(f.ctx(), want.TokenHash)
	f.wantErr(err, nil)
	f.want("session", l, want)
	f.want("its user", a.ID, want.UserID)
	f.want("its user's name", a.Username, string(want.UserID[len("user_"):]))
}

// inviteID is the id of an invitation that is made here.
func inviteID(secret string) api.InviteID { return api.InviteID("invite_" + secret) }

// invite makes an invitation of somebody whom it makes an administrator.
func (f *fixture) invite(secret string, by api.UserID, uses int64, expiresAt api.Timestamp) {
	f.Helper()
	f.change(nil, func(t chat.AccountTx) error {
		a, err := t.Account(by)
		if err != nil {
			return err
		}
		a.Admin = true
		return errors.Join(t.PutAccount(a), t.CreateInvite(&chat.Invite{ID: inviteID(secret), Hash: []byte(secret), CreatedBy: by, Uses: uses, ExpiresAt: expiresAt}))
	})
}

type registered struct {
	account *chat.Account
	err     error
}

// register makes n accounts at once.
func (f *fixture) register(n int, change func(*chat.NewAccount)) []registered {
	results := make([]registered, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			na := NewAccount(fmt.Sprintf("n%d", i))
			change(na)
			results[i].account, results[i].err = f.CreateAccount(f.ctx(), na)
		})
	}
	wg.Wait()
	return results
}

// admins counts them, as returned and as stored, among the accounts that came to be.
func (f *fixture) admins(results []registered, wantMade int) int {
	f.Helper()
	made, admins := 0, 0
	for i, r := range results {
		stored, err := f.AccountByName(f.ctx(), fmt.Sprintf("n%d", i))
		if r.err != nil {
			f.wantErr(err, chat.ErrNotFound)
			continue
		}
		if err = errors.Join(r.err, err); err != nil {
			f.Fatal(err)
		}
		f.want("stored account", stored, r.account)
		made++
		if stored.Admin {
			admins++
		}
	}
	f.want("accounts made", made, wantMade)
	return admins
}

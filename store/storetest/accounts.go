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
		f.wantErr(f.CreateInvite(f.ctx(), &chat.Invite{Hash: []byte("x"), CreatedBy: "user_nobody", Uses: 1, ExpiresAt: now}), chat.ErrNotFound)
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
		l := &chat.LoginSession{ID: "session_1", TokenHash: [32]byte{1}, UserID: user, DeviceName: "laptop", CreatedAt: now, ExpiresAt: now + 10}
		f.wantErr(f.CreateSession(f.ctx(), l), nil)
		other := &chat.LoginSession{ID: "session_2", TokenHash: [32]byte{2}, UserID: user, CreatedAt: now, ExpiresAt: now + 20}
		f.wantErr(f.CreateSession(f.ctx(), other), nil)
		f.wantErr(f.CreateSession(f.ctx(), &chat.LoginSession{ID: "session_3", TokenHash: [32]byte{3}, UserID: "user_nobody"}), chat.ErrNotFound)

		f.wantSession(l)
		f.wantErr(f.ExtendSession(f.ctx(), l.ID, now+30), nil)
		l.ExpiresAt = now + 30
		f.wantSession(l)
		f.wantSession(other)
		_, _, err := f.SessionByToken(f.ctx(), [32]byte{3})
		f.wantErr(err, chat.ErrNotFound)

		f.wantErr(f.DeleteSession(f.ctx(), l.ID), nil)
		f.wantErr(f.DeleteSession(f.ctx(), l.ID), nil)
		f.wantErr(f.ExtendSession(f.ctx(), l.ID, now), chat.ErrNotFound)
		_, _, err = f.SessionByToken(f.ctx(), l.TokenHash)
		f.wantErr(err, chat.ErrNotFound)
		f.wantSession(other)
	}},
}

func (f *fixture) wantSession(want *chat.LoginSession) {
	f.Helper()
	l, a, err := f.SessionByToken(f.ctx(), want.TokenHash)
	f.wantErr(err, nil)
	f.want("session", l, want)
	f.want("its user", a.ID, want.UserID)
	f.want("its user's name", a.Username, string(want.UserID[len("user_"):]))
}

func (f *fixture) invite(secret string, by api.UserID, uses int64, expiresAt api.Timestamp) {
	f.Helper()
	f.wantErr(f.CreateInvite(f.ctx(), &chat.Invite{Hash: []byte(secret), CreatedBy: by, Uses: uses, ExpiresAt: expiresAt}), nil)
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

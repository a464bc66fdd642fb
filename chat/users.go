package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// userBy finds a user by id or name, deleted ones too.
func (s *Service) userBy(ctx context.Context, field, ref string) (*Account, error) {
	var a *Account
	var err error
	if isUserID(ref) {
		a, err = s.store.AccountByID(ctx, api.UserID(ref))
	} else {
		a, err = s.store.AccountByName(ctx, ref)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, noUser(field)
	}
	return a, s.coded(err)
}

func noUser(field string) error {
	return api.Errorf(api.CodeNotFound, "no such user").WithField(field)
}

// UserGet implements user.get.
func (s *Session) UserGet(ctx context.Context, p *api.UserGetParams) (*api.UserGetResult, error) {
	a, err := s.svc.userBy(ctx, "user", p.User)
	if err != nil {
		return nil, err
	}
	res := &api.UserGetResult{User: a.view()}
	if s.administers() && a.suspended(s.svc.timestamp()) {
		res.Suspension = a.suspension()
	}
	return res, nil
}

// administers tells whether the caller is an administrator, who is told of suspensions.
func (s *Session) administers() bool {
	me, _ := s.who()
	return me != nil && me.Admin
}

// UserList implements user.list. The cursor is the last username of the page before.
func (s *Session) UserList(ctx context.Context, p *api.UserListParams) (*api.UserListResult, error) {
	page, next, err := s.svc.accountPage(ctx, &AccountQuery{Prefix: p.Prefix, After: p.Cursor}, p.Limit)
	if err != nil {
		return nil, err
	}
	res := &api.UserListResult{Users: views(page), NextCursor: next}
	if !s.administers() {
		return res, nil
	}
	now := s.svc.timestamp()
	for _, a := range page {
		if a.suspended(now) {
			res.Suspensions = append(res.Suspensions, api.UserSuspension{UserID: a.ID, Suspension: *a.suspension()})
		}
	}
	return res, nil
}

// accountPage is a page of accounts, and the cursor of the next.
func (s *Service) accountPage(ctx context.Context, q *AccountQuery, limit *int64) (page []*Account, next string, err error) {
	n := int(orElse(limit, listLimit))
	q.Limit = n + 1
	page, err = s.store.ListAccounts(ctx, q)
	if err != nil {
		return nil, "", s.coded(err)
	}
	if len(page) > n {
		page = page[:n]
		next = page[n-1].Username
	}
	return page, next, nil
}

// views are accounts as everybody sees them.
func views(page []*Account) []api.User {
	users := make([]api.User, 0, len(page))
	for _, a := range page {
		users = append(users, a.view())
	}
	return users
}

// UserCreate implements user.create.
func (s *Session) UserCreate(ctx context.Context, p *api.UserCreateParams) (*api.UserCreateResult, error) {
	hash, err := s.svc.hasher.hash(ctx, p.Password)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	a := Account{Username: p.Username, DisplayName: p.DisplayName, PasswordHash: hash, Admin: orElse(p.Admin, false)}
	made, err := s.newAccount(ctx, api.MethodUserCreate, a)
	if err != nil {
		return nil, err
	}
	return &api.UserCreateResult{User: made.view()}, nil
}

// newAccount makes an account that is not the caller's own.
func (s *Session) newAccount(ctx context.Context, action string, a Account) (*Account, error) {
	rec := s.begins(action).on("", a.Username)
	if err := refuseIDForm("username", a.Username); err != nil {
		return nil, err
	}
	a.ID, a.CreatedAt = api.UserID(s.svc.newID(prefixUser)), s.svc.timestamp()
	done := *rec // refused, it names nobody who is there
	done.of(&a)
	if a.Admin {
		done.Detail = "administrator"
	}
	made, err := s.svc.store.CreateAccount(ctx, &NewAccount{Account: a, MaxBots: maxBots, Audit: &done})
	switch {
	case errors.Is(err, ErrNameTaken):
		return nil, usernameTaken(a.Username)
	case errors.Is(err, ErrTooMany):
		return nil, api.Errorf(api.CodeFailedPrecondition, "there are %d bots: delete one first", maxBots)
	case errors.Is(err, ErrNotFound):
		return nil, signInFirst() // whose account was deleted this very moment
	}
	return made, s.svc.coded(err)
}

// UserSuspend implements user.suspend.
func (s *Session) UserSuspend(ctx context.Context, p *api.UserSuspendParams) (*api.UserSuspendResult, error) {
	svc := s.svc
	now := svc.timestamp()
	rec := s.begins(api.MethodUserSuspend).named(p.User)
	if p.Until != nil && *p.Until <= now {
		return nil, api.Errorf(api.CodeInvalidParams, "until: is past").WithField("until")
	}
	target, err := svc.userBy(ctx, "user", p.User)
	if err != nil {
		return nil, err
	}
	res := &api.UserSuspendResult{UserID: target.ID}
	rec.of(target).Detail = p.Reason
	err = svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		a, err := present(t, target.ID)
		if err != nil {
			return err
		}
		if a.Admin {
			if err := svc.lastAdmin(t, a.ID); err != nil {
				return err
			}
		}
		sessions, err := t.Sessions(a.ID, false)
		if err != nil {
			return err
		}
		res.Suspended = !a.suspended(now)
		if !res.Suspended && len(sessions) == 0 && a.SuspendReason == p.Reason && a.SuspendedUntil == orElse(p.Until, 0) {
			return nil // as it was
		}
		if res.Suspended {
			a.SuspendedAt = now
		}
		a.SuspendReason, a.SuspendedUntil = p.Reason, orElse(p.Until, 0)
		if err := t.PutAccount(a); err != nil {
			return err
		}
		for _, l := range sessions {
			if err := t.DeleteSession(l.ID); err != nil {
				return err
			}
		}
		return t.Audit(rec)
	})
	if err != nil {
		return nil, svc.coded(err)
	}
	svc.revoked(target.ID, s, allSessions)                           // who suspends themselves hears that it is done
	return res, svc.endBotsOf(context.WithoutCancel(ctx), target.ID) // what is decided is done, also if who asked has gone
}

// present gives an account that is not deleted.
func present(t AccountTx, id api.UserID) (*Account, error) {
	a, err := t.Account(id)
	if err == nil && a.DeletedAt != 0 {
		err = noUser("user")
	}
	return a, err
}

// endBotsOf closes the connections of a user's bots.
func (s *Service) endBotsOf(ctx context.Context, user api.UserID) error {
	bots, err := s.botsOf(ctx, user)
	if err != nil {
		return s.coded(err)
	}
	for _, bot := range bots {
		s.revoked(bot.ID, nil, allSessions)
	}
	return nil
}

// UserRestore implements user.restore.
func (s *Session) UserRestore(ctx context.Context, p *api.UserRestoreParams) (*api.UserRestoreResult, error) {
	rec := s.begins(api.MethodUserRestore).named(p.User)
	target, err := s.svc.userBy(ctx, "user", p.User)
	if err != nil {
		return nil, err
	}
	rec.of(target)
	res := &api.UserRestoreResult{UserID: target.ID}
	err = s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		a, err := present(t, target.ID)
		if err != nil || a.SuspendedAt == 0 {
			return err
		}
		res.Restored = a.suspended(s.svc.timestamp())
		a.SuspendedAt, a.SuspendedUntil, a.SuspendReason = 0, 0, ""
		if err := t.PutAccount(a); err != nil {
			return err
		}
		return t.Audit(rec)
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	return res, nil
}

// UserSetPassword implements user.set_password.
func (s *Session) UserSetPassword(ctx context.Context, p *api.UserSetPasswordParams) (*api.UserSetPasswordResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodUserSetPassword).named(p.User)
	who, err := svc.userBy(ctx, "user", p.User)
	if err != nil {
		return nil, err
	}
	rec.of(who)
	if who.OwnerID != "" {
		return nil, api.Errorf(api.CodeFailedPrecondition, "user: a bot has no password").WithField("user")
	}
	hash, err := svc.hasher.hash(ctx, p.Password)
	if err != nil {
		return nil, svc.coded(err)
	}
	var ended []api.SessionID
	_, login := s.who()
	if login == nil {
		return nil, signInFirst()
	}
	err = svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		a, err := present(t, who.ID)
		if err != nil {
			return err
		}
		sessions, err := t.Sessions(a.ID, false)
		if err != nil {
			return err
		}
		a.PasswordHash = hash
		if err := t.PutAccount(a); err != nil {
			return err
		}
		for _, l := range sessions {
			if l.same(login) {
				continue
			}
			if err := t.DeleteSession(l.ID); err != nil {
				return err
			}
			ended = append(ended, l.ID)
		}
		return t.Audit(rec)
	})
	if err != nil {
		return nil, svc.coded(err)
	}
	svc.revoked(who.ID, s, func(l *LoginSession) bool { return !l.Made && !l.same(login) })
	svc.sessionsEnded(who.ID, ended...) // to who asks, if it is their own
	return &api.UserSetPasswordResult{UserID: who.ID, SessionsEnded: int64(len(ended))}, nil
}

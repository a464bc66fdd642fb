package chat

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/chatd-dev/chatd/api"
)

// AccountUpdate implements account.update.
func (s *Session) AccountUpdate(ctx context.Context, p *api.AccountUpdateParams) (*api.AccountUpdateResult, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	rec := s.begins(api.MethodAccountUpdate)
	if err := s.svc.spendSignal(user.ID); err != nil {
		return nil, err
	}
	now, err := s.svc.rename(ctx, user.ID, p.DisplayName, rec)
	if err != nil {
		return nil, err
	}
	return &api.AccountUpdateResult{User: now.view()}, nil
}

// rename gives a user another name for people.
func (s *Service) rename(ctx context.Context, user api.UserID, name string, rec *AuditRecord) (*Account, error) {
	now, _, err := s.alter(ctx, user, rec, func(_ AccountTx, now *Account) (bool, error) {
		if now.DisplayName == name {
			return false, nil
		}
		now.DisplayName = name
		rec.Detail = fmt.Sprintf("display name %q", name)
		return true, nil
	})
	return now, err
}

// alter changes what others see of a user, if do says that it did, and tells all their connections, in the order in which it was
// done, and their rooms.
func (s *Service) alter(ctx context.Context, user api.UserID, rec *AuditRecord, do func(t AccountTx, now *Account) (bool, error)) (now *Account, did bool, err error) {
	altering := &s.altering[maphash.String(laneSeed, string(user))%uint64(len(s.altering))]
	altering.Lock()
	defer altering.Unlock()
	err = s.store.ChangeAccounts(ctx, func(t AccountTx) (err error) {
		if now, err = present(t, user); err != nil {
			return err
		}
		if did, err = do(t, now); err != nil || !did {
			return err
		}
		if err := t.PutAccount(now); err != nil {
			return err
		}
		return t.Audit(rec.of(now))
	})
	if err != nil {
		return nil, false, s.coded(err)
	}
	if did {
		s.changed(now)
		view := now.view()
		s.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeAccountUpdated, User: &view})
		s.tender.introduce(user, nil)
	}
	return now, did, nil
}

// introduce has the rooms that a user is in told of what others see of them now, and those that they have left with it.
func (t *tender) introduce(id api.UserID, left []api.RoomID) {
	if t.svc.opts.PresenceMembers <= 0 {
		return // no room is so small
	}
	t.mu.Lock()
	t.profiles[id] = append(t.profiles[id], left...)
	t.mu.Unlock()
	signal(t.wake)
}

// tellProfile hands one user's profile, as it is by now, to the followers of each room, encoded once a room.
func (t *tender) tellProfile(ctx context.Context, id api.UserID, left []api.RoomID) {
	s := t.svc
	now, err := s.store.AccountByID(ctx, id)
	if err != nil {
		s.logger.Warn("profile", "user", id, "err", err) // signals may be lost
		return
	}
	rooms, err := s.store.RoomsOf(ctx, id, s.opts.PresenceMembers)
	if err != nil {
		s.logger.Warn("profile", "user", id, "err", err)
		return
	}
	params := api.UserUpdatedParams{User: now.view()}
	for _, params.RoomID = range append(rooms, left...) {
		s.opts.Fanout.Signal(params.RoomID, api.AppendUserUpdated(nil, &params))
	}
}

// AccountSetPassword implements account.set_password.
func (s *Session) AccountSetPassword(ctx context.Context, p *api.AccountSetPasswordParams) (*api.AccountSetPasswordResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodAccountSetPassword)
	user, err := s.prove(ctx, "old_password", p.OldPassword)
	if err != nil {
		return nil, err
	}
	_, login := s.who()
	if login == nil {
		return nil, signInFirst()
	}
	hash, err := svc.hasher.hash(ctx, p.NewPassword)
	if err != nil {
		return nil, svc.coded(err)
	}
	keep := orElse(p.KeepSessions, false)
	var ended []api.SessionID
	err = svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		sessions, err := t.Sessions(user.ID, false)
		if err != nil {
			return err
		}
		now, err := unchanged(t, user)
		if err != nil {
			return err
		}
		now.PasswordHash = hash
		if err := t.PutAccount(now); err != nil {
			return err
		}
		for _, l := range sessions {
			if keep || l.same(login) {
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
	if !keep {
		svc.revoked(user.ID, s, func(l *LoginSession) bool { return !l.Made && !l.same(login) })
		svc.sessionsEnded(user.ID, ended...)
	}
	return &api.AccountSetPasswordResult{SessionsEnded: int64(len(ended))}, nil
}

// prove makes the caller show that they know their password. It gives their account as stored.
func (s *Session) prove(ctx context.Context, field, password string) (*Account, error) {
	svc := s.svc
	user, err := svc.store.AccountByID(ctx, s.UserID())
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, signInFirst()
	case err != nil:
		return nil, svc.coded(err)
	}
	if user.OwnerID != "" {
		return nil, api.Errorf(api.CodeFailedPrecondition, "a bot has no password")
	}
	if err := svc.logins.address(s.peer); err != nil {
		return nil, err
	}
	if err := svc.logins.guess(user.Username, s.peer); err != nil {
		return nil, err
	}
	right, err := svc.hasher.verify(ctx, password, user.PasswordHash)
	if err != nil {
		svc.logins.unjudged(user.Username, s.peer)
		return nil, svc.coded(err)
	}
	if !right {
		svc.stats.loginFailures.Add(1)
		return nil, api.Errorf(api.CodePermissionDenied, "wrong password").WithField(field)
	}
	svc.logins.right(user.Username, s.peer)
	return user, nil
}

// unchanged gives user as they are now, refusing what was decided on another password.
func unchanged(t AccountTx, user *Account) (*Account, error) {
	now, err := t.Account(user.ID)
	if err == nil && (now.PasswordHash != user.PasswordHash || now.DeletedAt != 0) {
		err = api.Errorf(api.CodePermissionDenied, "the password was changed meanwhile")
	}
	return now, err
}

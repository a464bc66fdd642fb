package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

func notACursor() error {
	return api.Errorf(api.CodeInvalidParams, "cursor: not one of this method's").WithField("cursor")
}

// eachRoom walks through the rooms that user is in.
func (s *Service) eachRoom(ctx context.Context, user api.UserID, do func(v *RoomView) error) error {
	for last := ""; ; {
		rooms, err := s.store.ListRooms(ctx, user, true, true, last, listLimit)
		if err != nil {
			return err
		}
		for _, v := range rooms {
			last = v.Name
			if err := do(v); err != nil {
				return err
			}
		}
		if len(rooms) < listLimit {
			return nil
		}
	}
}

// AccountDelete implements account.delete.
func (s *Session) AccountDelete(ctx context.Context, p *api.AccountDeleteParams) (*api.AccountDeleteResult, error) {
	rec := s.begins(api.MethodAccountDelete)
	user, err := s.prove(ctx, "password", p.Password)
	if err != nil {
		return nil, err
	}
	left, err := s.svc.remove(ctx, user, rec.of(user), s, func(t AccountTx) error {
		now, err := unchanged(t, user)
		if err != nil || !now.Admin {
			return err
		}
		return s.svc.lastAdmin(t, user.ID)
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	return &api.AccountDeleteResult{UserID: user.ID, RoomsLeft: left}, nil
}

// remove deletes an account and its bots, unless may refuses, and tells how many rooms it was in. The row and the name stay: what
// they said is theirs. keep is the session that asks.
func (s *Service) remove(ctx context.Context, user *Account, rec *AuditRecord, keep *Session, may func(t AccountTx) error) (left int64, err error) {
	if err := s.store.ChangeAccounts(ctx, may); err != nil {
		return 0, err
	}
	bots, err := s.botsOf(ctx, user.ID)
	if err != nil {
		return 0, err
	}
	gone := append([]*Account{user}, bots...)
	were := make([][]api.RoomID, len(gone)) // who is there is told what has become of them
	for i, a := range gone {
		if were[i], err = s.store.RoomsOf(ctx, a.ID, s.opts.PresenceMembers); err != nil {
			return 0, err
		}
	}
	// They leave before they go, so that what is interrupted can be done again; and after it, since they may have come back.
	for range 2 {
		for _, a := range gone {
			n, err := s.leaveAll(ctx, a)
			if err != nil {
				return 0, err
			}
			if a == user {
				left += n
			}
		}
		if user.DeletedAt != 0 {
			break
		}
		if err := s.store.ChangeAccounts(ctx, func(t AccountTx) error {
			if err := may(t); err != nil {
				return err
			}
			for _, a := range gone {
				if err := s.erase(t, a); err != nil {
					return err
				}
			}
			return t.Audit(rec)
		}); err != nil {
			return 0, err
		}
		ctx = context.WithoutCancel(ctx) // it is done: nobody could ask for the rest again
		for i, a := range gone {
			s.revoked(a.ID, keep, allSessions)
			s.unsay(a.ID)
			s.tender.introduce(a.ID, were[i])
		}
	}
	return left, nil
}

// erase takes all from an account that is somebody's own but its name.
func (s *Service) erase(t AccountTx, a *Account) error {
	for _, made := range []bool{false, true} {
		sessions, err := t.Sessions(a.ID, made)
		if err != nil {
			return err
		}
		for _, l := range sessions {
			if err := t.DeleteSession(l.ID); err != nil {
				return err
			}
		}
	}
	a.DisplayName, a.PasswordHash, a.Admin, a.DeletedAt = "", "", false, s.timestamp()
	a.SuspendedAt, a.SuspendedUntil, a.SuspendReason = 0, 0, ""
	return t.PutAccount(a)
}

// leaveAll makes user leave every room, and counts them.
func (s *Service) leaveAll(ctx context.Context, user *Account) (n int64, err error) {
	err = s.eachRoom(ctx, user.ID, func(v *RoomView) error {
		e := s.entry(v.ID, user)
		e.Act = does(func(t Tx) error {
			if _, err := memberOf(t, user.ID); err != nil {
				return unless(ErrNotMember, err)
			}
			return e.departs(t, user)
		})
		n++
		return unless(ErrNotFound, s.commit(ctx, e)) // deleted this very moment
	})
	return n, err
}

// departs ends the membership of somebody whose account ends, and tells it: the room is not left without an owner, nor there
// where nobody could ever see it again.
func (e *Entry) departs(t Tx, user *Account) error {
	if err := t.DeleteMember(user.ID); err != nil {
		return err
	}
	if err := t.Append(e.tells(user, api.EventTypeMemberLeft, &api.MemberLeft{UserID: user.ID, Username: user.Username})); err != nil {
		return err
	}
	room := t.Room()
	switch {
	case room.MemberCount == 0 && room.Visibility != api.VisibilityPublic:
		if err := t.Append(e.tells(user, api.EventTypeRoomDeleted, &api.RoomDeleted{})); err != nil {
			return err
		}
		return t.DeleteRoom()
	case room.MemberCount == 0:
		return nil
	case room.Visibility != api.VisibilityDirect:
		return e.succeeds(t, user)
	case room.MemberCount == 1 && room.ArchivedAt == 0: // there is nobody to talk with
		room.ArchivedAt = e.At
		if err := t.UpdateRoom(room); err != nil {
			return err
		}
		return t.Append(e.tells(user, api.EventTypeRoomArchived, &api.RoomArchived{}))
	}
	return nil
}

// succeeds makes somebody the owner of a room that has none, and tells it.
func (e *Entry) succeeds(t Tx, user *Account) error {
	owners, err := t.Owners()
	if err != nil || owners > 0 {
		return err
	}
	heir, err := t.Eldest()
	if err != nil || heir == nil {
		return err
	}
	was := heir.Role
	heir.Role = api.RoleOwner
	if err := t.PutMember(heir); err != nil {
		return err
	}
	return t.Append(e.tells(user, api.EventTypeMemberRoleChanged, &api.MemberRoleChanged{UserID: heir.UserID, Username: heir.Username, Role: heir.Role, Was: was}))
}

package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// ImportCheck implements import.check.
func (s *Session) ImportCheck(ctx context.Context, p *api.ImportCheckParams) (*api.ImportCheckResult, error) {
	r := &importRun{lines: p.Lines}
	r.st.rename(p.RenameUsers, p.RenameRooms)
	res := &api.ImportCheckResult{}
	for i := range p.Lines {
		l := &p.Lines[i]
		var err error
		switch {
		case !one(l):
			err = r.refuse(api.CodeInvalidParams, i, "", "must have one of user, member, room and event")
		case l.User != nil:
			err = s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error { // which only looks
				a, err := r.user(t, i)
				if err == nil && a == nil {
					res.KnownUsers++
				}
				return err
			})
		case l.Room != nil:
			err = s.svc.checkRoom(ctx, r, i, l.Room)
		case l.Event != nil:
			_, _, err = r.record(i, l.Event)
		}
		if err != nil {
			return nil, s.svc.coded(err)
		}
	}
	return res, nil
}

// checkRoom refuses a room whose id or name is taken, also by an import that is open.
func (s *Service) checkRoom(ctx context.Context, r *importRun, i int, x *api.ExportRoom) error {
	_, err := s.store.RoomByID(ctx, x.ID, "")
	if err == nil {
		return r.refuse(api.CodeAlreadyExists, i, "room.id", "the room is here already")
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	named := *x
	if err := r.named(i, &named); err != nil {
		return err
	}
	if len(x.Users) > 0 {
		return s.checkDirect(ctx, r, i, x.Users)
	}
	_, err = s.store.RoomByName(ctx, named.Name, "")
	if err == nil {
		return r.refuse(api.CodeAlreadyExists, i, "room.name", "%s is another room here", named.Name)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// checkDirect refuses a direct room between people who have one here. Who is not here yet has none.
func (s *Service) checkDirect(ctx context.Context, r *importRun, i int, users []api.RoomUser) error {
	between := make([]api.RoomUser, len(users))
	for j, u := range users {
		a, err := s.store.AccountByID(ctx, u.UserID)
		if err != nil {
			return unless(ErrNotFound, err)
		}
		between[j] = api.RoomUser{UserID: a.ID, Username: a.Username}
	}
	_, err := s.store.DirectRoom(ctx, byUsername(between), "")
	if err == nil {
		return r.refuse(api.CodeAlreadyExists, i, "room.users", "there is a direct room between them here")
	}
	return unless(ErrNotFound, err)
}

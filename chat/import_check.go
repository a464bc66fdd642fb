package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// ImportCheck implements import.check.
func (s *Session) ImportCheck(ctx context.Context, p *api.ImportCheckParams) (*api.ImportCheckResult, error) {
	r := &importRun{lines: p.Lines, st: importState{Users: map[string]string{}, Rooms: map[string]string{}}}
	for _, n := range p.RenameUsers {
		r.st.Users[n.From] = n.To
	}
	for _, n := range p.RenameRooms {
		r.st.Rooms[n.From] = n.To
	}
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
	name := r.st.roomName(x.Name)
	if refuseIDForm("name", name) != nil {
		return r.refuse(api.CodeInvalidParams, i, "room.name", "must not look like an id")
	}
	_, err = s.store.RoomByName(ctx, name, "")
	if err == nil {
		return r.refuse(api.CodeAlreadyExists, i, "room.name", "%s is another room here", name)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

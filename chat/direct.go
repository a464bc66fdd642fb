package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// maxDirect is how many people a direct room is between at most.
const maxDirect = 10

// DmOpen implements dm.open. That there is one direct room for the same people is the store's to see to: whoever is second,
// be it by a moment, finds the one that is there.
func (s *Session) DmOpen(ctx context.Context, p *api.DmOpenParams) (*api.DmOpenResult, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	people, err := s.svc.people(ctx, user, p.Users)
	if err != nil {
		return nil, err
	}
	between := make([]api.RoomUser, 0, len(people))
	for _, a := range people {
		between = append(between, api.RoomUser{UserID: a.ID, Username: a.Username})
	}
	v, err := s.svc.store.DirectRoom(ctx, between, user.ID)
	opened := errors.Is(err, ErrNotFound)
	if opened {
		v, err = s.svc.openDirect(ctx, user, people, between)
		if errors.Is(err, ErrNameTaken) {
			opened = false
			v, err = s.svc.store.DirectRoom(ctx, between, user.ID)
		}
	}
	if err != nil {
		return nil, s.svc.coded(err)
	}
	if v.Hidden {
		return nil, api.Errorf(api.CodeUnavailable, "it is coming with an import that is not finished")
	}
	return &api.DmOpenResult{Room: v.view(s.svc), Opened: opened}, nil
}

// people finds who is named, and the caller, each once, by username.
func (s *Service) people(ctx context.Context, user *Account, refs []string) ([]*Account, error) {
	people := []*Account{user}
	for i, ref := range refs {
		a, err := s.userBy(ctx, fmt.Sprintf("users[%d]", i), ref)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(people, func(o *Account) bool { return o.ID == a.ID }) {
			people = append(people, a)
		}
	}
	if len(people) > maxDirect {
		return nil, api.Errorf(api.CodeInvalidParams, "users: at most %d people, you included", maxDirect).WithField("users")
	}
	slices.SortFunc(people, func(a, b *Account) int { return cmp.Compare(a.Username, b.Username) })
	return people, nil
}

// openDirect makes the direct room between people with all of them in it; ErrNameTaken if there is one.
func (s *Service) openDirect(ctx context.Context, user *Account, people []*Account, between []api.RoomUser) (*RoomView, error) {
	id := api.RoomID(s.newID(prefixRoom))
	e := s.entry(id, user)
	e.Act = does(func(t Tx) error {
		for _, a := range people {
			if err := s.comes(t, a, user, "users"); err != nil {
				return err
			}
		}
		room := &RoomRecord{ID: id, Name: string(id), Visibility: api.VisibilityDirect, Users: between, CreatedAt: e.At, CreatedBy: user.ID}
		if err := t.CreateRoom(room); err != nil {
			return err
		}
		if err := t.Append(e.tells(user, api.EventTypeRoomCreated, &api.RoomCreated{Name: room.Name, Visibility: room.Visibility})); err != nil {
			return err
		}
		if err := e.join(t, user, user, api.RoleMember, user.ID); err != nil {
			return err
		}
		for _, a := range people {
			if a.ID == user.ID {
				continue
			}
			if err := e.join(t, user, a, api.RoleMember, user.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.commit(ctx, e); err != nil {
		return nil, err
	}
	return e.shownTo(&e.Joined[0]), nil
}

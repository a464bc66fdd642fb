package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// UserSetAdmin implements user.set_admin.
func (s *Session) UserSetAdmin(ctx context.Context, p *api.UserSetAdminParams) (*api.UserSetAdminResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodUserSetAdmin).named(p.User)
	target, err := svc.userBy(ctx, "user", p.User)
	if err != nil {
		return nil, err
	}
	rec.of(target)
	if target.OwnerID != "" {
		return nil, api.Errorf(api.CodeFailedPrecondition, "user: a bot cannot be an administrator").WithField("user")
	}
	now, did, err := svc.alter(ctx, target.ID, rec, func(t AccountTx, now *Account) (bool, error) {
		if err := s.stillAdministers(t); err != nil || now.Admin == p.Admin {
			return false, err
		}
		rec.Detail = "administrator"
		if !p.Admin {
			rec.Detail = "no longer an administrator"
			if err := svc.lastAdmin(t, now.ID); err != nil {
				return false, err
			}
		}
		now.Admin = p.Admin
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UserSetAdminResult{User: now.view(), Changed: did}, nil
}

// stillAdministers refuses a caller who was an administrator when the call began and is none any more: of two who take each
// other's right at once, the second has none to take it with.
func (s *Session) stillAdministers(t AccountTx) error {
	me, err := t.Account(s.UserID())
	switch {
	case errors.Is(err, ErrNotFound):
		return signInFirst()
	case err != nil:
		return err
	case me.DeletedAt != 0:
		return signInFirst()
	case me.suspended(s.svc.timestamp()):
		return me.keptOut()
	case !me.Admin:
		return adminsOnly()
	}
	return nil
}

func adminsOnly() error {
	return api.Errorf(api.CodePermissionDenied, "for administrators only")
}

// lastAdmin refuses to go on without anybody who could administer the server.
func (s *Service) lastAdmin(t AccountTx, user api.UserID) error {
	others, err := t.OtherAdmins(user, s.timestamp())
	if err == nil && others == 0 {
		err = api.Errorf(api.CodeFailedPrecondition, "the last administrator: make another one first")
	}
	return err
}

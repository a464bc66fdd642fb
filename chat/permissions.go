package chat

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"github.com/chatd-dev/chatd/api"
)

// ruling says whether something may be done, and what decides that.
type ruling struct {
	rule api.PermissionRule
	err  error // nil: it may
}

// mayCall decides whether user, nil for a stranger, may call m at all, with what login gives of their rights.
func (s *Service) mayCall(user *Account, login *LoginSession, m *api.Method) ruling {
	switch {
	case m.Authz == api.AuthzAnyone:
		return ruling{api.PermissionRuleAnyone, nil}
	case user == nil:
		return ruling{api.PermissionRuleUser, signInFirst()}
	case login.ExpiresAt <= s.timestamp():
		return ruling{api.PermissionRuleExpired, api.Errorf(api.CodeTokenExpired, "the token has expired")}
	case login.Made && loginOnly(m.Name):
		return ruling{api.PermissionRuleLoginOnly, api.Errorf(api.CodePermissionDenied, "not with a token: this needs a sign-in with a password")}
	case !login.Scope.allows(m.Name):
		return ruling{api.PermissionRuleTokenMethods, api.Errorf(api.CodePermissionDenied, "the token is not for %s", m.Name)}
	case login.Scope.Rooms != nil && beyondRooms(m.Name):
		return ruling{api.PermissionRuleTokenRooms, api.Errorf(api.CodePermissionDenied, "the token is for some rooms only")}
	case m.Authz == api.AuthzAdmin && !user.Admin:
		return ruling{api.PermissionRuleAdmin, adminsOnly()}
	case m.Authz == api.AuthzAdmin:
		return ruling{api.PermissionRuleAdmin, nil}
	}
	return ruling{api.PermissionRuleUser, nil}
}

// loginOnly are the methods that decide who may come in as the user: a token that leaks must not make more of itself, and a
// program that signs out must not end the token that its owner gave it.
func loginOnly(method string) bool {
	noun, _, _ := strings.Cut(method, ".")
	return noun == "session" || noun == "token" || noun == "bot" || method == api.MethodAuthLogout || method == api.MethodAccountSetPassword || method == api.MethodAccountDelete || method == api.MethodAccountExport || method == api.MethodUserSetPassword
}

// beyondRooms are the methods that are about more than some rooms: whose room is none yet, or any.
func beyondRooms(method string) bool {
	return method == api.MethodRoomCreate || method == api.MethodDmOpen || method == api.MethodPurgeStart || strings.HasPrefix(method, "job.") || strings.HasPrefix(method, "import.")
}

// mayEnter decides on a room as it was read for a user: may they know of it and, if they have to be one, are they a member?
func mayEnter(login *LoginSession, field string, v *RoomView, err error, asMember bool) ruling {
	err = visible(field, v, err)
	switch {
	case err != nil:
		return ruling{api.PermissionRuleRoom, err}
	case !login.Scope.covers(v.ID):
		return ruling{api.PermissionRuleTokenRooms, noRoom(field)} // as if it were not there
	case asMember && v.Role == "":
		return ruling{api.PermissionRuleMember, notMember(field, v.Name)}
	case asMember:
		return ruling{api.PermissionRuleMember, nil}
	}
	return ruling{api.PermissionRuleRoom, nil}
}

// allows tells whether a method is in the scope.
func (s *Scope) allows(method string) bool {
	if s.Methods == nil {
		return true
	}
	noun, _, _ := strings.Cut(method, ".")
	return slices.Contains(s.Methods, method) || slices.Contains(s.Methods, noun+".*")
}

// covers tells whether a room is in the scope.
func (s *Scope) covers(room api.RoomID) bool { return s.Rooms == nil || slices.Contains(s.Rooms, room) }

// listRooms is ListRooms of the rooms in the scope, which are few: of others not even a cursor may tell.
func (s *Scope) listRooms(store Store) func(ctx context.Context, user api.UserID, joined, archived bool, after string, limit int) ([]*RoomView, error) {
	return func(ctx context.Context, user api.UserID, joined, archived bool, after string, limit int) ([]*RoomView, error) {
		var rooms []*RoomView
		for _, id := range s.Rooms {
			v, err := store.RoomByID(ctx, id, user)
			switch {
			case errors.Is(err, ErrNotFound):
			case err != nil:
				return nil, err
			case visible("room", v, nil) == nil && v.Name > after && (v.Role != "" || !joined) && (v.ArchivedAt == 0 || archived):
				rooms = append(rooms, v)
			}
		}
		slices.SortFunc(rooms, func(a, b *RoomView) int { return strings.Compare(a.Name, b.Name) })
		rooms = slices.CompactFunc(rooms, func(a, b *RoomView) bool { return a.ID == b.ID }) // a token may name one twice
		return rooms[:min(limit, len(rooms))], nil
	}
}

// hears tells whether an event of the account comes: only to who could ask for what it tells.
func (s *Scope) hears(event *api.AccountEventParams) bool {
	ask := api.MethodRoomList
	if event.User != nil {
		ask = api.MethodAccountGet
	}
	return (event.RoomID == "" || s.covers(event.RoomID)) && (s.allows(ask) || s.allows(api.MethodSyncOpen))
}

// withinRate counts a request of a token that has a rate of its own, over all its connections.
func (s *Service) withinRate(l *LoginSession) error {
	if l.Scope.PerMinute == 0 {
		return nil
	}
	now := s.now()
	s.ratesMu.Lock()
	defer s.ratesMu.Unlock()
	limit := s.rates[l.ID]
	if limit == nil {
		limit = rate.NewLimiter(rate.Limit(l.Scope.PerMinute)/60, int(l.Scope.PerMinute))
		s.rates[l.ID] = limit
	}
	r := limit.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return api.Errorf(api.CodeRateLimited, "the token's rate is used up").WithRetryAfter(wait)
}

// forgetRates drops what has no say any more.
func (s *Service) forgetRates() {
	now := s.now()
	s.ratesMu.Lock()
	defer s.ratesMu.Unlock()
	for id, limit := range s.rates {
		if limit.TokensAt(now) >= float64(limit.Burst()) {
			delete(s.rates, id)
		}
	}
}

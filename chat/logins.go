package chat

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// same tells whether other is the same session.
func (l *LoginSession) same(other *LoginSession) bool { return l.ID == other.ID }

// maxLogins bounds the login sessions of a user, who may be a script that signs in each time it runs.
const maxLogins = 1000

// makeRoom ends login sessions of a user who is about to have one too many: what has expired goes first, and then what is longest
// unused.
func (s *Session) makeRoom(t AccountTx, user *Account) (ended []api.SessionID, err error) {
	all, err := t.Sessions(user.ID, false)
	if err != nil {
		return nil, err
	}
	if len(all) < maxLogins {
		return nil, nil
	}
	now := s.svc.timestamp()
	used := func(l *LoginSession) api.Timestamp {
		if l.ExpiresAt <= now {
			return 0
		}
		return max(l.SeenAt, l.CreatedAt)
	}
	slices.SortFunc(all, func(a, b *LoginSession) int { return cmp.Compare(used(b), used(a)) })
	for _, l := range all[maxLogins-1:] {
		if err := t.DeleteSession(l.ID); err != nil {
			return nil, err
		}
		rec := s.record(endedForRoom).on(string(l.ID), l.DeviceName)
		rec.ActorID, rec.ActorName, rec.Detail = user.ID, user.Username, fmt.Sprintf("a user has %d at most", maxLogins)
		if err := t.Audit(rec); err != nil {
			return nil, err
		}
		ended = append(ended, l.ID)
	}
	return ended, nil
}

// SessionList implements session.list.
func (s *Session) SessionList(ctx context.Context, _ *api.SessionListParams) (*api.SessionListResult, error) {
	sessions, err := s.logins(ctx)
	if err != nil {
		return nil, err
	}
	return &api.SessionListResult{Sessions: sessions}, nil
}

// logins are the caller's login sessions, the newest first.
func (s *Session) logins(ctx context.Context) ([]api.LoginSession, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	stored, err := s.svc.store.ListSessions(ctx, user.ID, false)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	online := s.svc.connected(user.ID)
	views := make([]api.LoginSession, 0, len(stored))
	for _, l := range slices.Backward(stored) {
		views = append(views, l.listed(l.same(login), online[l.ID]))
	}
	return views, nil
}

// listed is a login session as its user sees it.
func (l *LoginSession) listed(current, online bool) api.LoginSession {
	return api.LoginSession{
		ID: l.ID, DeviceName: l.DeviceName, Address: l.Addr, CreatedAt: l.CreatedAt, LastSeenAt: max(l.SeenAt, l.CreatedAt), ExpiresAt: l.ExpiresAt,
		Current: current, Online: online,
	}
}

// connected are the sessions of user that have a connection now.
func (s *Service) connected(user api.UserID) map[api.SessionID]bool {
	online := map[api.SessionID]bool{}
	for _, sess := range s.sessionsOf(user) {
		if _, l := sess.who(); l != nil {
			online[l.ID] = true
		}
	}
	return online
}

// SessionRevoke implements session.revoke.
func (s *Session) SessionRevoke(ctx context.Context, p *api.SessionRevokeParams) (*api.SessionRevokeResult, error) {
	others := orElse(p.Others, false)
	if (p.Session != "") == others {
		return nil, api.Errorf(api.CodeInvalidParams, "session: give session, or others").WithField("session")
	}
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	res := &api.SessionRevokeResult{Sessions: []api.SessionID{}}
	rec := s.begins(api.MethodSessionRevoke)
	err := s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		all, err := t.Sessions(user.ID, false)
		if err != nil {
			return err
		}
		for _, l := range all {
			if l.ID != p.Session && (!others || l.same(login)) {
				continue
			}
			if err := t.DeleteSession(l.ID); err != nil {
				return err
			}
			res.Sessions = append(res.Sessions, l.ID)
			rec.on(string(l.ID), l.DeviceName)
		}
		switch n := len(res.Sessions); {
		case n == 0:
			return nil
		case n > 1:
			rec.on("", "")
			rec.Detail = fmt.Sprintf("%d sessions", n)
		}
		return t.Audit(rec)
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	s.svc.revoked(user.ID, s, func(l *LoginSession) bool { return slices.Contains(res.Sessions, l.ID) })
	s.svc.sessionsEnded(user.ID, res.Sessions...)
	return res, nil
}

package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// SessionByToken implements chat.AccountStore.
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte) (*chat.LoginSession, *chat.Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	l := s.sessions[hash]
	if l == nil {
		return nil, nil, chat.ErrNotFound
	}
	return copyOf(l), clone(s.accounts[l.UserID]), nil
}

// ListSessions implements chat.AccountStore.
func (s *Store) ListSessions(ctx context.Context, user api.UserID, made bool) ([]*chat.LoginSession, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sessionsOf(user, made), ctx.Err()
}

func (s *Store) sessionsOf(user api.UserID, made bool) []*chat.LoginSession {
	var all []*chat.LoginSession
	for _, l := range s.sessions {
		if l.UserID == user && l.Made == made {
			all = append(all, copyOf(l))
		}
	}
	slices.SortFunc(all, func(a, b *chat.LoginSession) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func copyOf(l *chat.LoginSession) *chat.LoginSession {
	c := clone(l)
	c.Scope.Methods, c.Scope.Rooms = slices.Clone(l.Scope.Methods), slices.Clone(l.Scope.Rooms)
	return c
}

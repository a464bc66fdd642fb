package memory

import (
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// CreateAccount implements chat.AccountStore.
func (s *Store) CreateAccount(_ context.Context, a *chat.NewAccount) (*chat.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.OnlyFirst && len(s.accounts) > 0 {
		return nil, chat.ErrClosed
	}
	var invite *chat.Invite
	if a.InviteHash != nil {
		invite = s.invites[string(a.InviteHash)]
		if invite == nil || invite.Uses < 1 || invite.ExpiresAt <= a.CreatedAt {
			return nil, chat.ErrBadInvite
		}
	}
	if _, taken := s.users[a.Username]; taken {
		return nil, chat.ErrNameTaken
	}
	if invite != nil {
		invite.Uses--
	}
	stored := a.Account
	stored.Admin = stored.Admin || a.FirstIsAdmin && len(s.accounts) == 0
	s.accounts[stored.ID] = &stored
	s.users[stored.Username] = stored.ID
	return clone(&stored), nil
}

// HasAccounts implements chat.AccountStore.
func (s *Store) HasAccounts(ctx context.Context) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.accounts) > 0, ctx.Err()
}

// AccountByName implements chat.AccountStore.
func (s *Store) AccountByName(ctx context.Context, username string) (*chat.Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.account(ctx, s.users[username])
}

// AccountByID implements chat.AccountStore.
func (s *Store) AccountByID(ctx context.Context, id api.UserID) (*chat.Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.account(ctx, id)
}

func (s *Store) account(ctx context.Context, id api.UserID) (*chat.Account, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := s.accounts[id]
	if a == nil {
		return nil, chat.ErrNotFound
	}
	return clone(a), nil
}

// CreateSession implements chat.AccountStore.
func (s *Store) CreateSession(_ context.Context, l *chat.LoginSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[l.UserID] == nil {
		return chat.ErrNotFound
	}
	s.sessions[l.TokenHash] = clone(l)
	return nil
}

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
	return clone(l), clone(s.accounts[l.UserID]), nil
}

// ExtendSession implements chat.AccountStore.
func (s *Store) ExtendSession(_ context.Context, id api.SessionID, expiresAt api.Timestamp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.sessions {
		if l.ID == id {
			l.ExpiresAt = expiresAt
			return nil
		}
	}
	return chat.ErrNotFound
}

// DeleteSession implements chat.AccountStore.
func (s *Store) DeleteSession(_ context.Context, id api.SessionID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, l := range s.sessions {
		if l.ID == id {
			delete(s.sessions, hash)
		}
	}
	return nil
}

// CreateInvite implements chat.AccountStore.
func (s *Store) CreateInvite(_ context.Context, inv *chat.Invite) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[inv.CreatedBy] == nil {
		return chat.ErrNotFound
	}
	stored := clone(inv)
	stored.Hash = slices.Clone(inv.Hash)
	s.invites[string(inv.Hash)] = stored
	return nil
}

func clone[T any](v *T) *T {
	c := *v
	return &c
}

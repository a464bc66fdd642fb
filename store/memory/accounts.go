package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

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
		if invite == nil || invite.Uses < 1 || invite.ExpiresAt <= a.CreatedAt || !administers(s.accounts[invite.CreatedBy], a.CreatedAt) {
			return nil, chat.ErrBadInvite
		}
	}
	if _, taken := s.users[a.Username]; taken {
		return nil, chat.ErrNameTaken
	}
	if a.OwnerID != "" {
		if owner := s.accounts[a.OwnerID]; owner == nil || owner.DeletedAt != 0 {
			return nil, chat.ErrNotFound
		}
		if a.MaxBots > 0 && s.botsOf(a.OwnerID) >= a.MaxBots {
			return nil, chat.ErrTooMany
		}
	}
	if invite != nil {
		invite.Uses--
		invite.Used++
	}
	stored := a.Account
	stored.Admin = stored.Admin || a.FirstIsAdmin && len(s.accounts) == 0
	s.addAccount(&stored)
	if a.Audit != nil {
		s.addAudit(a.Audit)
	}
	return clone(&stored), nil
}

func (s *Store) botsOf(owner api.UserID) (n int) {
	for _, a := range s.accounts {
		if a.OwnerID == owner && a.DeletedAt == 0 {
			n++
		}
	}
	return n
}

func (s *Store) addAccount(a *chat.Account) {
	s.accounts[a.ID] = a
	s.users[a.Username] = a.ID
	s.joined = append(s.joined, a.ID)
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
	if a == nil || a.Hidden {
		return nil, chat.ErrNotFound
	}
	return clone(a), nil
}

// ListAccounts implements chat.AccountStore.
func (s *Store) ListAccounts(ctx context.Context, q *chat.AccountQuery) ([]*chat.Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var accounts []*chat.Account
	for _, a := range s.accounts {
		if !a.Hidden && a.DeletedAt == 0 && a.Username > q.After && strings.HasPrefix(a.Username, q.Prefix) && (q.Owner == "" || a.OwnerID == q.Owner) {
			accounts = append(accounts, clone(a))
		}
	}
	slices.SortFunc(accounts, func(a, b *chat.Account) int { return cmp.Compare(a.Username, b.Username) })
	return accounts[:min(len(accounts), q.Limit)], ctx.Err()
}

// administers tells whether a can administer the server, and so lets others register with an invitation.
func administers(a *chat.Account, now api.Timestamp) bool {
	suspended := a.SuspendedAt != 0 && (a.SuspendedUntil == 0 || a.SuspendedUntil > now)
	return a.Admin && a.DeletedAt == 0 && !suspended
}

func clone[T any](v *T) *T {
	c := *v
	return &c
}

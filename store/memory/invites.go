package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// InviteByHash implements chat.InviteStore.
func (s *Store) InviteByHash(ctx context.Context, hash []byte) (*chat.Invite, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if inv := s.invites[string(hash)]; inv != nil {
		return copyInvite(inv), ctx.Err()
	}
	return nil, chat.ErrNotFound
}

// InviteByID implements chat.InviteStore.
func (s *Store) InviteByID(ctx context.Context, id api.InviteID) (*chat.Invite, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, inv := range s.invites {
		if inv.ID == id {
			return copyInvite(inv), ctx.Err()
		}
	}
	return nil, chat.ErrNotFound
}

// ListInvites implements chat.InviteStore.
func (s *Store) ListInvites(ctx context.Context, q *chat.InviteQuery) ([]*chat.Invite, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*chat.Invite
	for _, inv := range s.invites {
		mine := q.Creator == "" || inv.CreatedBy == q.Creator || q.Server && inv.Room == ""
		if mine && inv.ID > q.After && (q.Room == "" || inv.Room == q.Room) && inv.Uses > 0 && inv.ExpiresAt > q.Now {
			found = append(found, copyInvite(inv))
		}
	}
	slices.SortFunc(found, func(a, b *chat.Invite) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(len(found), q.Limit)], ctx.Err()
}

// SweepInvites implements chat.InviteStore.
func (s *Store) SweepInvites(_ context.Context, now api.Timestamp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.invites, func(_ string, inv *chat.Invite) bool { return inv.Uses < 1 || inv.ExpiresAt <= now })
	return nil
}

// inviteTx is the chat.InviteTx of a transaction.
type inviteTx struct {
	s   *Store
	put *bool
}

// Invite implements chat.InviteTx.
func (t inviteTx) Invite(hash []byte) (*chat.Invite, error) {
	if inv := t.s.invites[string(hash)]; inv != nil {
		return copyInvite(inv), nil
	}
	return nil, nil
}

// OpenInvites implements chat.InviteTx.
func (t inviteTx) OpenInvites(user api.UserID, now api.Timestamp) (int, error) {
	n := 0
	for _, inv := range t.s.invites {
		if inv.CreatedBy == user && inv.Uses > 0 && inv.ExpiresAt > now {
			n++
		}
	}
	return n, nil
}

// CreateInvite implements chat.InviteTx.
func (t inviteTx) CreateInvite(inv *chat.Invite) error {
	maker := t.s.accounts[inv.CreatedBy]
	if maker == nil || inv.Room != "" && t.s.rooms[inv.Room] == nil {
		return chat.ErrNotFound
	}
	*t.put = true
	stored := copyInvite(inv)
	stored.CreatorName = maker.Username
	t.s.invites[string(inv.Hash)] = stored
	return nil
}

// UseInvite implements chat.InviteTx.
func (t inviteTx) UseInvite(hash []byte) error {
	*t.put = true
	inv := t.s.invites[string(hash)]
	inv.Uses--
	inv.Used++
	return nil
}

// DeleteInvite implements chat.InviteTx.
func (t inviteTx) DeleteInvite(id api.InviteID) error {
	*t.put = true
	maps.DeleteFunc(t.s.invites, func(_ string, inv *chat.Invite) bool { return inv.ID == id })
	return nil
}

func copyInvite(inv *chat.Invite) *chat.Invite {
	c := *inv
	c.Hash = slices.Clone(inv.Hash)
	return &c
}

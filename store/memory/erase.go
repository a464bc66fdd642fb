package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/chat"
)

// DeleteRoom implements chat.Tx.
func (a *act) DeleteRoom() error {
	a.put = true
	a.e.Deleted = true
	delete(a.s.rooms, a.r.ID)
	delete(a.s.names, a.r.Name)
	maps.DeleteFunc(a.s.invites, func(_ string, inv *chat.Invite) bool { return inv.Room == a.r.ID })
	a.s.erasing = append(a.s.erasing, a.r)
	return nil
}

// eraseMembers is how many memberships one step ends.
const eraseMembers = 500

// Erase implements chat.Eraser.
func (s *Store) Erase(ctx context.Context) (*chat.Erased, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.erasing) == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := s.erasing[0]
	gone := slices.Sorted(maps.Keys(r.members))
	gone = gone[:min(len(gone), eraseMembers)]
	for _, user := range gone {
		delete(r.members, user)
	}
	if len(r.members) == 0 {
		s.erasing = slices.Clone(s.erasing[1:])
	}
	return &chat.Erased{Room: r.ID, Members: gone}, nil
}

package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// room is a room, who is in it, and its log: seq n is at log[n-1].
type room struct {
	chat.RoomRecord
	members map[api.UserID]*chat.Membership
	log     []chat.Record
	keys    map[key]used
}

// key is what an idempotency key is unique in, besides the room.
type key struct {
	sender api.UserID
	name   string
}

type used struct {
	seq    api.Seq
	digest [16]byte
}

func (r *room) view(user api.UserID) *chat.RoomView {
	v := &chat.RoomView{RoomRecord: r.RoomRecord}
	if m := r.members[user]; m != nil {
		v.Role = m.Role
	}
	return v
}

// RoomByID implements chat.RoomStore.
func (s *Store) RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := s.rooms[id]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	return r.view(user), nil
}

// RoomByName implements chat.RoomStore.
func (s *Store) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	s.mu.RLock()
	id := s.names[name]
	s.mu.RUnlock()
	return s.RoomByID(ctx, id, user)
}

// ListRooms implements chat.RoomStore.
func (s *Store) ListRooms(ctx context.Context, user api.UserID, joinedOnly bool, afterName string, limit int) ([]*chat.RoomView, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var views []*chat.RoomView
	for _, r := range s.rooms {
		v := r.view(user)
		if v.Name > afterName && (v.Role != "" || !joinedOnly && v.Visibility == api.VisibilityPublic) {
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b *chat.RoomView) int { return cmp.Compare(a.Name, b.Name) })
	return views[:min(len(views), limit)], ctx.Err()
}

// ListMembers implements chat.RoomStore.
func (s *Store) ListMembers(ctx context.Context, id api.RoomID, afterName string, limit int) ([]*chat.Membership, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rooms[id]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	var members []*chat.Membership
	for _, m := range r.members {
		if m.Username > afterName {
			members = append(members, clone(m))
		}
	}
	slices.SortFunc(members, func(a, b *chat.Membership) int { return cmp.Compare(a.Username, b.Username) })
	return members[:min(len(members), limit)], ctx.Err()
}

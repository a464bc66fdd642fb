package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// room is a room, who is in it, and its log, which begins behind Gone.
type room struct {
	chat.RoomRecord
	no      int64 // 1, 2, 3 …
	members map[api.UserID]*chat.Membership
	log     []chat.Record
	senders map[api.Seq]api.UserID
	about   map[api.Seq]api.Seq // of the events that are about a message: which
	states  map[api.Seq]*chat.MessageState
	reacted map[api.Seq][]reaction // in order
	read    map[api.UserID]api.Head
	means   map[api.Seq]*chat.Mentions
	threads map[threadKey]*chat.ThreadPart
	keys    map[key]used

	restrictions map[restrictionKey]*chat.Restriction
}

type restrictionKey struct {
	kind chat.RestrictionKind
	user api.UserID
}

type reaction struct {
	emoji string
	user  api.UserID
}

func newRoom(rec *chat.RoomRecord) *room {
	return &room{
		RoomRecord: *rec, members: map[api.UserID]*chat.Membership{}, senders: map[api.Seq]api.UserID{}, about: map[api.Seq]api.Seq{}, states: map[api.Seq]*chat.MessageState{},
		reacted: map[api.Seq][]reaction{}, read: map[api.UserID]api.Head{}, means: map[api.Seq]*chat.Mentions{}, threads: map[threadKey]*chat.ThreadPart{}, keys: map[key]used{}, restrictions: map[restrictionKey]*chat.Restriction{},
	}
}

// headAt is where the log ended when that event was its last.
func (r *room) headAt(seq api.Seq) api.Head {
	h := api.Head{Seq: seq, MsgNo: r.Gone.MsgNo}
	for i := range r.log {
		if rec := &r.log[i]; rec.Seq <= seq {
			h.MsgNo = max(h.MsgNo, rec.MsgNo)
		}
	}
	return h
}

// key is what an idempotency key is unique in, besides the room.
type key struct {
	sender api.UserID
	name   string
}

type used struct {
	chat.Record // without its bytes
	digest      [16]byte
}

// at gives an event of the log; nil: there is none, or none any more.
func (r *room) at(seq api.Seq) *chat.Record {
	if seq <= r.Gone.Seq || seq > r.Head.Seq {
		return nil
	}
	return &r.log[seq-r.Gone.Seq-1]
}

func (r *room) view(user api.UserID) *chat.RoomView {
	v := &chat.RoomView{RoomRecord: r.RoomRecord}
	if m := r.members[user]; m != nil {
		v.Role, v.Read = m.Role, r.readOf(user)
	}
	return v
}

// readOf is how far a member has read.
func (r *room) readOf(user api.UserID) chat.Read {
	read := chat.Read{Head: r.read[user]}
	for seq, who := range r.means {
		if seq > read.Seq && (who.Room || slices.Contains(who.Users, user)) {
			read.Mentions++
		}
	}
	return read
}

// ListRooms implements chat.RoomStore.
func (s *Store) ListRooms(ctx context.Context, user api.UserID, joinedOnly, archived bool, afterName string, limit int) ([]*chat.RoomView, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var views []*chat.RoomView
	for _, r := range s.rooms {
		v := r.view(user)
		if v.Name > afterName && (archived || v.ArchivedAt == 0) && (v.Role != "" || !joinedOnly && v.Visibility == api.VisibilityPublic) {
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b *chat.RoomView) int { return cmp.Compare(a.Name, b.Name) })
	return views[:min(len(views), limit)], ctx.Err()
}

// direct finds the direct room between users.
func (s *Store) direct(users []api.RoomUser) *room {
	if len(users) == 0 {
		return nil
	}
	for _, r := range s.rooms {
		if slices.Equal(r.Users, users) {
			return r
		}
	}
	return nil
}

// DirectRoom implements chat.RoomStore.
func (s *Store) DirectRoom(ctx context.Context, between []api.RoomUser, user api.UserID) (*chat.RoomView, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.direct(between)
	if r == nil {
		return nil, chat.ErrNotFound
	}
	return r.view(user), ctx.Err()
}

// AllRooms implements chat.RoomStore.
func (s *Store) AllRooms(ctx context.Context, after api.RoomID, limit int) ([]*chat.RoomRecord, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var rooms []*chat.RoomRecord
	for id, r := range s.rooms {
		if id > after && !r.Hidden {
			rooms = append(rooms, clone(&r.RoomRecord))
		}
	}
	slices.SortFunc(rooms, func(a, b *chat.RoomRecord) int { return cmp.Compare(a.ID, b.ID) })
	return rooms[:min(len(rooms), limit)], ctx.Err()
}

// RoomsOf implements chat.RoomStore.
func (s *Store) RoomsOf(ctx context.Context, user api.UserID, members int64) ([]api.RoomID, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []api.RoomID
	for _, r := range s.rooms {
		if v := r.view(user); v.Role != "" && v.MemberCount <= members {
			ids = append(ids, v.ID)
		}
	}
	return ids, ctx.Err()
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
			m = clone(m)
			if mute := r.restrictions[restrictionKey{chat.RestrictionMute, m.UserID}]; mute != nil {
				m.MutedUntil = mute.Until
			}
			members = append(members, m)
		}
	}
	slices.SortFunc(members, func(a, b *chat.Membership) int { return cmp.Compare(a.Username, b.Username) })
	return members[:min(len(members), limit)], ctx.Err()
}

// MemberByID implements chat.RoomStore.
func (s *Store) MemberByID(_ context.Context, id api.RoomID, user api.UserID) (*chat.Membership, error) {
	return s.memberBy(id, func(m *chat.Membership) bool { return m.UserID == user })
}

// MemberByName implements chat.RoomStore.
func (s *Store) MemberByName(_ context.Context, id api.RoomID, username string) (*chat.Membership, error) {
	return s.memberBy(id, func(m *chat.Membership) bool { return m.Username == username })
}

func (s *Store) memberBy(id api.RoomID, is func(m *chat.Membership) bool) (*chat.Membership, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.rooms[id]; r != nil {
		for _, m := range r.members {
			if is(m) {
				return clone(m), nil
			}
		}
	}
	return nil, chat.ErrNotFound
}

// ListBans implements chat.RoomStore.
func (s *Store) ListBans(ctx context.Context, id api.RoomID, after api.Timestamp, afterName string, limit int) ([]*chat.Restriction, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rooms[id]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	var bans []*chat.Restriction
	for k, ban := range r.restrictions {
		if k.kind == chat.RestrictionBan && ban.Until > after && ban.Username > afterName {
			bans = append(bans, clone(ban))
		}
	}
	slices.SortFunc(bans, func(a, b *chat.Restriction) int { return cmp.Compare(a.Username, b.Username) })
	return bans[:min(len(bans), limit)], ctx.Err()
}

package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Accounts implements chat.ExportReader.
func (s *Store) Accounts(ctx context.Context, after int64, limit int) ([]chat.Person, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.Person, error) { return r.Accounts(ctx, after, limit) })
}

// RoomAfter implements chat.ExportReader.
func (s *Store) RoomAfter(ctx context.Context, after int64) (no int64, id api.RoomID, err error) {
	err = s.Snapshot(ctx, func(r chat.Reader) (err error) {
		no, id, err = r.RoomAfter(ctx, after)
		return err
	})
	return no, id, err
}

// People implements chat.ExportReader.
func (s *Store) People(ctx context.Context, q *chat.PeopleQuery) ([]chat.Person, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.Person, error) { return r.People(ctx, q) })
}

// Accounts implements chat.ExportReader.
func (l look) Accounts(_ context.Context, after int64, limit int) ([]chat.Person, error) {
	var people []chat.Person
	for i, id := range l.s.joined {
		if a := l.s.accounts[id]; int64(i+1) > after && a != nil && !a.Hidden && len(people) < limit {
			people = append(people, chat.Person{No: int64(i + 1), Account: *a})
		}
	}
	return people, nil
}

// RoomAfter implements chat.ExportReader.
func (l look) RoomAfter(_ context.Context, after int64) (int64, api.RoomID, error) {
	for _, r := range l.s.roomsInOrder() {
		if r.no > after && !r.Hidden {
			return r.no, r.ID, nil
		}
	}
	return 0, "", chat.ErrNotFound
}

// People implements chat.ExportReader.
func (l look) People(ctx context.Context, q *chat.PeopleQuery) ([]chat.Person, error) {
	r := l.s.rooms[q.Room]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	after := q.After
	if q.Only != nil {
		after = 0
	}
	all, err := l.Accounts(ctx, after, len(l.s.joined))
	concerned := r.concerned(l.s, q.Sent)
	var people []chat.Person
	for i := range all {
		p := &all[i]
		if q.Only == nil && !concerned[p.ID] || q.Only != nil && !slices.Contains(q.Only, p.ID) || q.Only == nil && len(people) == q.Limit {
			continue
		}
		if m := r.members[p.ID]; m != nil {
			p.Role, p.JoinedAt, p.Read = m.Role, m.JoinedAt, r.read[p.ID]
		}
		for k, x := range r.restrictions {
			if k.user == p.ID && k.kind != chat.RestrictionSlow {
				p.Restrictions = append(p.Restrictions, *x)
			}
		}
		for k, part := range r.threads {
			if k.user == p.ID {
				p.Threads = append(p.Threads, chat.RootedPart{Root: k.root, ThreadPart: *part})
				p.Threads[len(p.Threads)-1].Read.Mentions = 0
			}
		}
		slices.SortFunc(p.Threads, func(a, b chat.RootedPart) int { return cmp.Compare(a.Root, b.Root) })
		slices.SortFunc(p.Restrictions, func(a, b chat.Restriction) int { return cmp.Compare(a.Kind, b.Kind) })
		people = append(people, *p)
	}
	return people, err
}

// concerned are those who have to do with the room.
func (r *room) concerned(s *Store, sent bool) map[api.UserID]bool {
	all := map[api.UserID]bool{}
	for id := range r.members {
		all[id] = true
	}
	for k, x := range r.restrictions {
		if k.kind != chat.RestrictionSlow {
			all[k.user] = true
			all[x.By] = all[x.By] || sent
		}
	}
	if !sent {
		return all
	}
	all[r.CreatedBy] = true
	for _, id := range r.senders {
		all[id] = true
	}
	for id := range all {
		if owner := s.accounts[id].OwnerID; owner != "" {
			all[owner] = true
		}
	}
	return all
}

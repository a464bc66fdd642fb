package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// look is the chat.Reader of who holds the store's lock.
type look struct{ s *Store }

var _ chat.Reader = look{}

// Snapshot implements chat.Timeline. Nothing is written meanwhile.
func (s *Store) Snapshot(ctx context.Context, f func(r chat.Reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return f(look{s})
}

// one reads one thing.
func one[T any](ctx context.Context, s *Store, read func(r chat.Reader) (T, error)) (T, error) {
	var v T
	err := s.Snapshot(ctx, func(r chat.Reader) (err error) {
		v, err = read(r)
		return err
	})
	return v, err
}

// RoomByID implements chat.Reader.
func (s *Store) RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	return one(ctx, s, func(r chat.Reader) (*chat.RoomView, error) { return r.RoomByID(ctx, id, user) })
}

// RoomByName implements chat.Reader.
func (s *Store) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	return one(ctx, s, func(r chat.Reader) (*chat.RoomView, error) { return r.RoomByName(ctx, name, user) })
}

// Head implements chat.Reader.
func (s *Store) Head(ctx context.Context, id api.RoomID) (api.Head, error) {
	return one(ctx, s, func(r chat.Reader) (api.Head, error) { return r.Head(ctx, id) })
}

// History implements chat.Reader.
func (s *Store) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.Record, error) { return r.History(ctx, q) })
}

// Messages implements chat.Reader.
func (s *Store) Messages(ctx context.Context, id api.RoomID, user api.UserID, posted []chat.Record) ([]chat.MessageView, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.MessageView, error) { return r.Messages(ctx, id, user, posted) })
}

// Pinned implements chat.Reader.
func (s *Store) Pinned(ctx context.Context, id api.RoomID) ([]chat.Record, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.Record, error) { return r.Pinned(ctx, id) })
}

// RoomByID implements chat.Reader.
func (l look) RoomByID(_ context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	r := l.s.rooms[id]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	return r.view(user), nil
}

// RoomByName implements chat.Reader.
func (l look) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	return l.RoomByID(ctx, l.s.names[name], user)
}

// Head implements chat.Reader.
func (l look) Head(_ context.Context, id api.RoomID) (api.Head, error) {
	r := l.s.rooms[id]
	if r == nil {
		return api.Head{}, chat.ErrNotFound
	}
	return r.Head, nil
}

// History implements chat.Reader.
func (l look) History(_ context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	r := l.s.rooms[q.Room]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	first, last := max(q.After, r.Gone.Seq)+1, r.Head.Seq
	if q.Before > 0 {
		last = min(last, q.Before-1)
	}
	var page []chat.Record
	size := 0
	for i := api.Seq(0); first+i <= last && len(page) < q.Limit && (q.MaxBytes <= 0 || size < q.MaxBytes); i++ {
		rec := r.at(first + i)
		if q.Newest {
			rec = r.at(last - i)
		}
		if (len(q.Types) == 0 || slices.Contains(q.Types, rec.Type)) && (q.Thread == 0 || r.about[rec.Seq] == q.Thread) && (q.Sender == "" || r.senders[rec.Seq] == q.Sender) {
			page = append(page, copied(rec))
			size += len(rec.Bytes)
		}
	}
	if q.Newest {
		slices.Reverse(page)
	}
	return page, nil
}

// Messages implements chat.Reader.
func (l look) Messages(_ context.Context, id api.RoomID, user api.UserID, posted []chat.Record) ([]chat.MessageView, error) {
	r := l.s.rooms[id]
	views := make([]chat.MessageView, len(posted))
	for i := range posted {
		v := &views[i]
		v.Posted, v.State.Seq = posted[i].Bytes, posted[i].Seq
		if st := r.states[posted[i].Seq]; st != nil {
			v.State = *st
			v.State.SenderID, v.State.Thread = "", 0 // the record says them
			if st.Edited > 0 && st.Deleted == 0 {
				v.Edit = slices.Clone(r.at(st.Edited).Bytes)
			}
		}
		for _, by := range r.reacted[posted[i].Seq] {
			n := slices.IndexFunc(v.Reactions, func(c api.ReactionCount) bool { return c.Emoji == by.emoji })
			if n < 0 {
				n = len(v.Reactions)
				v.Reactions = append(v.Reactions, api.ReactionCount{Emoji: by.emoji})
			}
			v.Reactions[n].Count++
			v.Reactions[n].Mine = v.Reactions[n].Mine || by.user == user
		}
		slices.SortFunc(v.Reactions, func(x, y api.ReactionCount) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Emoji, y.Emoji))
		})
	}
	return views, nil
}

// Pinned implements chat.Reader.
func (l look) Pinned(_ context.Context, id api.RoomID) ([]chat.Record, error) {
	return l.having(id, func(st *chat.MessageState) api.Seq { return st.Pinned }), nil
}

// having gives the messages whose state has a certain seq, by that, the highest first.
func (l look) having(id api.RoomID, seq func(st *chat.MessageState) api.Seq) []chat.Record {
	r := l.s.rooms[id]
	if r == nil {
		return nil
	}
	var found []chat.Record
	for _, st := range r.states {
		if seq(st) > 0 {
			found = append(found, copied(r.at(st.Seq)))
		}
	}
	slices.SortFunc(found, func(a, b chat.Record) int { return cmp.Compare(seq(r.states[b.Seq]), seq(r.states[a.Seq])) })
	return found
}

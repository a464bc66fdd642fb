package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/chat"
)

// Totals implements chat.AccountStore.
func (s *Store) Totals(ctx context.Context) (*chat.Totals, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := &chat.Totals{}
	for _, a := range s.accounts {
		switch {
		case a.DeletedAt != 0, a.Hidden:
		case a.OwnerID != "":
			t.Bots++
		default:
			t.Users++
		}
	}
	for _, r := range s.rooms {
		if !r.Hidden {
			t.Rooms++
			t.Messages += int64(r.Head.MsgNo)
		}
	}
	return t, ctx.Err()
}

// roomsInOrder gives rooms by number.
func (s *Store) roomsInOrder() []*room {
	rooms := make([]*room, 0, len(s.rooms))
	for _, r := range s.rooms {
		rooms = append(rooms, r)
	}
	slices.SortFunc(rooms, func(a, b *room) int { return cmp.Compare(a.no, b.no) })
	return rooms
}

// SentEvents implements chat.AccountStore. The cursor is that of store/sqlstore: the room's number and the seq.
func (s *Store) SentEvents(ctx context.Context, q *chat.SentQuery) (page []chat.Record, next int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	rooms := s.roomsInOrder()
	const seqBits = 38
	scanned := 0
	for _, r := range rooms {
		for i := range r.log {
			seq := r.log[i].Seq
			at := r.no<<seqBits | int64(seq)
			if at <= q.After {
				continue
			}
			if scanned++; r.senders[seq] == q.User && !r.Hidden {
				page = append(page, copied(&r.log[i]))
			}
			if len(page) == q.Limit || scanned == q.Scan {
				return page, at, ctx.Err()
			}
		}
	}
	return page, 0, ctx.Err()
}

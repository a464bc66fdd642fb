package memory

import (
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Search implements chat.Searcher: it looks at every message.
func (s *Store) Search(ctx context.Context, q *chat.SearchQuery) (*chat.SearchPage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []api.Message
	for id, r := range s.rooms {
		if r.members[q.User] == nil || !q.TakesRoom(id) {
			continue
		}
		var posted []chat.Record
		for i := range r.log {
			if r.log[i].Type == api.EventTypeMessagePosted {
				posted = append(posted, copied(&r.log[i]))
			}
		}
		views, err := look{s}.Messages(ctx, id, q.User, posted)
		if err != nil {
			return nil, err
		}
		for i := range views {
			m, err := views[i].Message()
			if err != nil {
				return nil, err
			}
			if q.Takes(m) {
				found = append(found, *m)
			}
		}
	}
	slices.SortFunc(found, func(a, b api.Message) int { return chat.PositionOf(&a).Compare(chat.PositionOf(&b)) })
	return chat.FirstPage(q, found), nil
}

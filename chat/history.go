package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

const historyLimit = 50

// pageQuery is what room.history and message.list have in common.
type pageQuery struct {
	before, after, around *api.Seq
	limit                 *int64
	types                 []api.EventType
}

type page struct {
	records       []Record
	head          api.Head
	before, after bool // there is more on that side
}

// RoomHistory implements room.history.
func (s *Session) RoomHistory(ctx context.Context, p *api.RoomHistoryParams) (*api.RoomHistoryResult, error) {
	page, err := s.page(ctx, p.Room, &pageQuery{before: p.Before, after: p.After, around: p.Around, limit: p.Limit, types: p.Types})
	if err != nil {
		return nil, err
	}
	res := &api.RoomHistoryResult{Events: make([]api.Event, len(page.records)), Head: page.head, HasMoreBefore: page.before, HasMoreAfter: page.after}
	for i := range page.records {
		res.Events[i].Raw = page.records[i].Bytes
	}
	return res, nil
}

func (s *Session) page(ctx context.Context, ref string, q *pageQuery) (*page, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	v, err := s.memberRoom(ctx, "room", ref)
	if err != nil {
		return nil, err
	}
	p, err := s.svc.readPage(ctx, v.ID, q)
	return p, s.svc.coded(err)
}

func (q *pageQuery) check() error {
	given := 0
	for _, f := range []struct {
		name string
		seq  *api.Seq
	}{{"before", q.before}, {"after", q.after}, {"around", q.around}} {
		if f.seq == nil {
			continue
		}
		if given++; given > 1 {
			return api.Errorf(api.CodeInvalidParams, "%s: give one of before, after and around", f.name).WithField(f.name)
		}
	}
	return nil
}

// readPage reads records first and the head after, so that the head is never behind the page.
func (s *Service) readPage(ctx context.Context, room api.RoomID, q *pageQuery) (*page, error) {
	limit := int(orElse(q.limit, historyLimit))
	if n := int(s.opts.Limits.HistoryLimit); n > 0 {
		limit = min(limit, n)
	}
	maxBytes := int(s.opts.Limits.HistoryBytes)
	p := &page{}
	// lo and hi are the bounds of what lies on either side of the page when it is empty.
	var lo, hi api.Seq
	var err error
	switch {
	case q.after != nil:
		lo, hi = *q.after, *q.after+1
		p.records, err = s.store.History(ctx, &HistoryQuery{Room: room, After: *q.after, Types: q.types, Limit: limit, MaxBytes: maxBytes})
	case q.before != nil && *q.before <= 1:
		lo, hi = 0, *q.before
	case q.before != nil:
		lo, hi = *q.before-1, *q.before
		p.records, err = s.store.History(ctx, &HistoryQuery{Room: room, Before: *q.before, Types: q.types, Limit: limit, MaxBytes: maxBytes, Newest: true})
	case q.around != nil:
		lo, hi = max(*q.around, 1)-1, *q.around
		p.records, err = s.readAround(ctx, room, *q.around, q.types, limit, maxBytes)
	default:
		p.records, err = s.store.History(ctx, &HistoryQuery{Room: room, Types: q.types, Limit: limit, MaxBytes: maxBytes, Newest: true})
		if err == nil && len(p.records) == 0 {
			p.head, err = s.store.Head(ctx, room)
			return p, err
		}
	}
	if err != nil {
		return nil, err
	}
	if n := len(p.records); n > 0 {
		lo, hi = p.records[0].Seq-1, p.records[n-1].Seq+1
	}
	if p.head, err = s.store.Head(ctx, room); err != nil {
		return nil, err
	}
	lo = min(lo, p.head.Seq)
	if p.before, err = s.anyEvent(ctx, room, 0, lo+1, q.types); err != nil {
		return nil, err
	}
	p.after, err = s.anyEvent(ctx, room, max(hi, 1)-1, p.head.Seq+1, q.types)
	return p, err
}

// readAround reads half before seq and the rest from it on.
func (s *Service) readAround(ctx context.Context, room api.RoomID, seq api.Seq, types []api.EventType, limit, maxBytes int) ([]Record, error) {
	var earlier []Record
	var err error
	if half := limit / 2; half > 0 && seq > 1 {
		earlier, err = s.store.History(ctx, &HistoryQuery{Room: room, Before: seq, Types: types, Limit: half, MaxBytes: maxBytes / 2, Newest: true})
		if err != nil {
			return nil, err
		}
	}
	later, err := s.store.History(ctx, &HistoryQuery{Room: room, After: max(seq, 1) - 1, Types: types, Limit: limit - len(earlier), MaxBytes: maxBytes / 2})
	if err != nil {
		return nil, err
	}
	return append(earlier, later...), nil
}

// anyEvent tells whether there is an event of these types with after < seq < before. The log is
// dense, so only a question by type has to be put to the store.
func (s *Service) anyEvent(ctx context.Context, room api.RoomID, after, before api.Seq, types []api.EventType) (bool, error) {
	if before <= after+1 {
		return false, nil
	}
	if len(types) == 0 {
		return true, nil
	}
	recs, err := s.store.History(ctx, &HistoryQuery{Room: room, After: after, Before: before, Types: types, Limit: 1})
	return len(recs) > 0, err
}

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
	thread                api.Seq // only answers under it; 0: all
}

type page struct {
	records       []Record
	head          api.Head
	before, after bool // there is more on that side
	first         *api.Seq
}

// RoomHistory implements room.history.
func (s *Session) RoomHistory(ctx context.Context, p *api.RoomHistoryParams) (*api.RoomHistoryResult, error) {
	q := &pageQuery{before: p.Before, after: p.After, around: p.Around, limit: p.Limit, types: p.Types}
	if err := q.check(); err != nil {
		return nil, err
	}
	res := &api.RoomHistoryResult{}
	err := s.look(ctx, p.Room, func(r Reader, v *RoomView) error { // at one moment: what is purged meanwhile would leave a hole
		page, err := s.svc.readPage(ctx, r, v, q)
		if err != nil {
			return err
		}
		res.Events, res.Head, res.HasMoreBefore, res.HasMoreAfter, res.FirstSeq = make([]api.Event, len(page.records)), page.head, page.before, page.after, page.first
		for i := range page.records {
			res.Events[i].Raw = page.records[i].Bytes
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
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

// readPage reads the log as it stood when the caller was seen to be a member: v.Head bounds it.
func (s *Service) readPage(ctx context.Context, r Reader, v *RoomView, q *pageQuery) (*page, error) {
	limit := int(orElse(q.limit, historyLimit))
	if n := int(s.opts.Limits.HistoryLimit); n > 0 {
		limit = min(limit, n)
	}
	gone, end := v.Gone.Seq, v.Head.Seq+1
	if q.around != nil && *q.around >= 1 && *q.around <= gone {
		return nil, v.noMessage("around", *q.around)
	}
	p := &page{head: v.Head, first: v.first()}
	query := &HistoryQuery{Room: v.ID, Thread: q.thread, Before: end, Types: q.types, Limit: limit, MaxBytes: int(s.opts.Limits.HistoryBytes)}
	// lo and hi are what lies on either side of the page when it is empty.
	var lo, hi api.Seq
	var err error
	switch {
	case q.after != nil:
		lo, hi = *q.after, *q.after+1
		query.After = *q.after
		p.records, err = r.History(ctx, query)
	case q.around != nil:
		lo, hi = max(*q.around, 1)-1, *q.around
		p.records, err = readAround(ctx, r, query, *q.around)
	default:
		query.Newest = true
		if q.before != nil {
			query.Before = min(end, max(*q.before, 1))
		}
		lo, hi = query.Before-1, query.Before
		if query.Before > 1 {
			p.records, err = r.History(ctx, query)
		}
	}
	if err != nil {
		return nil, err
	}
	if n := len(p.records); n > 0 {
		lo, hi = p.records[0].Seq-1, p.records[n-1].Seq+1
	}
	if p.before, err = anyEvent(ctx, r, query, gone, min(lo+1, end)); err != nil {
		return nil, err
	}
	p.after, err = anyEvent(ctx, r, query, max(hi-1, gone), end)
	return p, err
}

// readAround reads half before seq and the rest from it on.
func readAround(ctx context.Context, r Reader, q *HistoryQuery, seq api.Seq) ([]Record, error) {
	var earlier []Record
	var err error
	half := *q
	half.MaxBytes = q.MaxBytes / 2
	if half.Limit = q.Limit / 2; half.Limit > 0 && seq > 1 {
		half.Before, half.Newest = min(seq, q.Before), true
		if earlier, err = r.History(ctx, &half); err != nil {
			return nil, err
		}
	}
	half.After, half.Before, half.Newest = max(seq, 1)-1, q.Before, false
	half.Limit = q.Limit - len(earlier)
	later, err := r.History(ctx, &half)
	if err != nil {
		return nil, err
	}
	return append(earlier, later...), nil
}

// anyEvent tells whether there is an event as q wants them with after < seq < before, of which nothing is gone. The log is
// dense, so only a question by type has to be put to the store.
func anyEvent(ctx context.Context, r Reader, q *HistoryQuery, after, before api.Seq) (bool, error) {
	if before <= after+1 {
		return false, nil
	}
	if len(q.Types) == 0 {
		return true, nil
	}
	recs, err := r.History(ctx, &HistoryQuery{Room: q.Room, Thread: q.Thread, After: after, Before: before, Types: q.Types, Limit: 1})
	return len(recs) > 0, err
}

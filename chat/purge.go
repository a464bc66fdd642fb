package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// A purge removes events step by step, each an entry in its room's lane beside what others post: few enough that a step holds
// nobody up, and while others post the disk is theirs for most of the time.
const (
	purgeFirst = 100                  // events of the first step
	purgeLeast = 20                   // of any
	purgeMost  = 1000                 // likewise
	purgeTime  = 5 * time.Millisecond // is what a step may take; the next has as many events as fit into it
	purgeRest  = 9                    // times as long nothing is purged, while others commit
	keptScan   = 5000                 // events that are looked at in one read
)

// PurgeStart implements purge.start.
func (s *Session) PurgeStart(ctx context.Context, p *api.PurgeStartParams) (*api.PurgeStartResult, error) {
	order := &purgeOrder{api.PurgeOrder{Before: p.Before, KeepMessages: p.KeepMessages, DryRun: orElse(p.DryRun, false)}}
	switch {
	case p.Before != nil && p.KeepMessages != nil:
		return nil, api.Errorf(api.CodeInvalidParams, "keep_messages: give before or keep_messages, not both").WithField("keep_messages")
	case p.Before != nil && *p.Before > s.svc.timestamp():
		return nil, api.Errorf(api.CodeInvalidParams, "before: that is to come").WithField("before")
	}
	name := ""
	if p.Room != "" {
		v, err := s.room(ctx, "room", p.Room)
		if err != nil {
			return nil, err
		}
		if order.held(&v.RoomRecord) {
			return nil, api.Errorf(api.CodeFailedPrecondition, "an administrator has said that this room is kept longer (keep_longer): take that away first").WithField("room")
		}
		order.RoomID, name = v.ID, v.Name
	}
	rec := s.begins(api.MethodPurgeStart)
	rec.Detail = order.detail(name)
	job, err := s.svc.addJob(ctx, &Job{Kind: api.JobKindPurge, By: rec.ActorID, Order: order.AppendJSON(nil)}, rec)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	return &api.PurgeStartResult{Job: s.svc.viewJob(job)}, nil
}

// purgeOrder is what a purge is to do.
type purgeOrder struct{ api.PurgeOrder }

// byRules tells whether the rules in force say what is kept.
func (o *purgeOrder) byRules() bool { return o.Before == nil && o.KeepMessages == nil }

// held tells whether a room is kept from an order that does not ask for the rules.
func (o *purgeOrder) held(r *RoomRecord) bool { return r.KeepLonger && !o.byRules() }

// quantity is n of what noun says.
func quantity(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// detail says what is asked for, for the audit log.
func (o *purgeOrder) detail(room string) string {
	what := "by the rules in force"
	switch {
	case o.Before != nil:
		what = "before " + o.Before.Time().UTC().Format(time.RFC3339)
	case o.KeepMessages != nil:
		what = "all but the last " + quantity(*o.KeepMessages, "message")
	}
	if o.DryRun {
		what += ", dry run"
	}
	return cmp.Or(room, "all rooms") + ", " + what
}

// part is what a purge removes of one room.
type part struct {
	room api.RoomID
	gone api.Seq // what was purged before
	upTo api.Seq
}

// doPurge does a job of that kind until it is done or ctx ends.
func (w *worker) doPurge(ctx context.Context, job *Job) error {
	order := new(purgeOrder)
	if err := json.Unmarshal(job.Order, &order.PurgeOrder); err != nil {
		return fmt.Errorf("the order of job %s: %w", job.ID, err)
	}
	parts, err := w.svc.outdated(ctx, order, job.CreatedAt)
	if err != nil {
		return err
	}
	w.planned(parts)
	if _, err := w.save(ctx, nil); err != nil { // what is done by then is told from it if the process ends
		return err
	}
	if order.DryRun {
		w.progress(func(p *api.JobProgress) { p.RoomsDone = p.Rooms })
		return nil
	}
	size := purgeFirst
	for i := range parts {
		if err := w.purgeRoom(ctx, parts[i], &size); err != nil {
			return err
		}
		w.progress(func(p *api.JobProgress) { p.RoomsDone++ })
	}
	return nil
}

// planned notes how much there is to do. What was done before the process started anew is what has become less.
func (w *worker) planned(parts []part) {
	left := int64(0)
	for i := range parts {
		left += int64(parts[i].upTo - parts[i].gone)
	}
	w.progress(func(p *api.JobProgress) {
		p.EventsDone = max(p.EventsDone, p.Events-left)
		p.Events = p.EventsDone + left
		p.RoomsDone = max(p.RoomsDone, p.Rooms-int64(len(parts)))
		p.Rooms = p.RoomsDone + int64(len(parts))
	})
}

// outdated finds what an order, given at a time, removes of which rooms.
func (s *Service) outdated(ctx context.Context, order *purgeOrder, at api.Timestamp) ([]part, error) {
	var parts []part
	add := func(r *RoomRecord) error {
		if order.held(r) {
			return nil
		}
		upTo, err := s.outdatedIn(ctx, s.keptOf(order, at, r))
		if err == nil && upTo > r.Gone.Seq {
			parts = append(parts, part{r.ID, r.Gone.Seq, upTo})
		}
		return err
	}
	if order.RoomID != "" {
		v, err := s.store.RoomByID(ctx, order.RoomID, "")
		if errors.Is(err, ErrNotFound) || err == nil && v.Hidden {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		err = add(&v.RoomRecord)
		return parts, err
	}
	for after := api.RoomID(""); ; {
		rooms, err := s.store.AllRooms(ctx, after, listLimit)
		if err != nil {
			return nil, err
		}
		for _, r := range rooms {
			after = r.ID
			if err := add(r); err != nil {
				return nil, err
			}
		}
		if len(rooms) < listLimit {
			return parts, nil
		}
	}
}

// keptSpan is a question for what a room keeps, and where its log ends.
type keptSpan struct {
	KeptQuery
	head api.Seq
}

// keptOf says what of a room an order keeps. Without a bound it is all.
func (s *Service) keptOf(order *purgeOrder, at api.Timestamp, r *RoomRecord) *keptSpan {
	q := &keptSpan{KeptQuery{Room: r.ID, After: r.Gone.Seq, Scan: keptScan, Since: math.MinInt64, Beyond: -1}, r.Head.Seq}
	beyond := func(messages int64) { q.Beyond = max(r.Head.MsgNo-api.MsgNo(messages), -1) }
	rule := s.inForceFor(r)
	switch {
	case order.Before != nil:
		q.Since = *order.Before
	case order.KeepMessages != nil:
		beyond(*order.KeepMessages)
	default:
		if rule.MaxAge > 0 {
			q.Since = at - api.Timestamp(rule.MaxAge.Milliseconds())
		}
		if rule.MaxMessages > 0 {
			beyond(rule.MaxMessages)
		}
	}
	return q
}

// outdatedIn gives the last event before the first that is kept; it looks at a part of the log at a time.
func (s *Service) outdatedIn(ctx context.Context, q *keptSpan) (api.Seq, error) {
	if q.Since == math.MinInt64 && q.Beyond < 0 {
		return 0, nil
	}
	for ; q.After < q.head; q.After += keptScan {
		kept, err := s.store.FirstKept(ctx, &q.KeptQuery)
		if err != nil {
			return 0, err
		}
		if kept > 0 {
			return kept - 1, nil
		}
	}
	return q.head, nil
}

// purgeRoom removes part of a room's log, and in the end tells who follows it.
func (w *worker) purgeRoom(ctx context.Context, p part, size *int) error {
	gone := p.gone
	defer func() {
		if gone > p.gone {
			params := api.RoomTruncatedParams{RoomID: p.room, FirstSeq: gone + 1}
			w.svc.opts.Fanout.Signal(p.room, api.AppendRoomTruncated(nil, &params))
		}
	}()
	for gone < p.upTo {
		if err := ctx.Err(); err != nil {
			return err
		}
		step := &purging{upTo: p.upTo, size: *size}
		alone, err := w.svc.purge(p.room, step)
		if errors.Is(err, ErrNotFound) {
			return nil // the room is gone, and all of it
		}
		if err != nil {
			return err
		}
		w.svc.stats.purged.Add(int64(step.gone - gone))
		w.progress(func(p *api.JobProgress) { p.EventsDone += int64(step.gone - gone) })
		gone = step.gone
		*size = step.next()
		if alone {
			continue
		}
		if rest(ctx, purgeRest*step.took); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// purging is one step, as an act.
type purging struct {
	upTo api.Seq
	size int

	gone api.Seq // is purged after it
	took time.Duration
}

// Do implements Act.
func (p *purging) Do(t Tx) error {
	r := t.Room()
	if r == nil {
		return ErrNotFound
	}
	upTo := min(p.upTo, r.Gone.Seq+api.Seq(p.size))
	if p.gone = max(upTo, r.Gone.Seq); upTo <= r.Gone.Seq {
		return nil
	}
	start := time.Now()
	err := t.Purge(upTo)
	p.took = time.Since(start)
	return err
}

// next is how many events the next step is to have.
func (p *purging) next() int {
	switch {
	case p.took > purgeTime:
		return max(p.size/2, purgeLeast)
	case p.took < purgeTime/2:
		return min(p.size*2, purgeMost)
	}
	return p.size
}

// purge commits one step. It tells whether nobody else committed anything meanwhile.
func (s *Service) purge(room api.RoomID, step *purging) (alone bool, err error) {
	before := s.stats.commitEntries.Load()
	e := &Entry{RoomID: room, At: s.wallTime(), Act: step, svc: s}
	if err := s.commit(context.Background(), e); err != nil { // once queued it takes effect: it is waited for
		return false, err
	}
	return s.stats.commitEntries.Load() == before+1, nil
}

// retain makes a job of what the rules in force no longer keep, if there is any.
func (w *worker) retain() error {
	s := w.svc
	byRules := new(purgeOrder)
	parts, err := s.outdated(w.ctx, byRules, s.timestamp())
	if err != nil || len(parts) == 0 {
		return err
	}
	_, err = s.addJob(w.ctx, &Job{Kind: api.JobKindPurge, Order: byRules.AppendJSON(nil)}, nil)
	return err
}

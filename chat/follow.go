package chat

import (
	"context"
	"sync"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// follow is one session following one room: first it replays from the store, then it is live.
type follow struct {
	room   *liveRoom
	sendMu sync.Mutex // held while replayed events are handed to the connection

	// Owned by the replayer until the follow is live.

	pos    api.Seq // the last seq that was sent, or that the client has
	target api.Seq // the head as it stood when following began
	gap    *api.Gap

	// Guarded by room.mu.

	state followState
	user  api.UserID         // whose it is; set when it is kept
	stop  context.CancelFunc // ends the replay; nil: it has not begun, or has ended
	until api.Seq            // ends there: the user left at this seq; 0: no end
	since api.Seq            // the user was a member when the log ended here: leaving before that is past
}

func (s *Session) newFollow(id api.RoomID) *follow {
	return &follow{room: s.svc.attach(id)}
}

type followState int

const (
	followWaiting followState = iota // for its turn to replay, or replaying
	followLive
	followEnded
)

// A page of replay: small enough that one is nothing beside the peer's backlog.
const (
	replayEvents = 200
	replayBytes  = 64 << 10
)

// begin says where following a room starts, and how the client is told.
type begin struct {
	after     *api.Seq // nil: at the head
	reset     bool     // after is of another epoch
	maxReplay *int64   // nil: no bound
}

// prepareFollow makes ready to follow a room that the caller is in, and reads it. Who does not go on
// with startFollow has to drop the follow.
func (s *Session) prepareFollow(ctx context.Context, field, ref string) (*follow, *RoomView, error) {
	id, err := s.roomID(ctx, field, ref)
	if err != nil {
		return nil, nil, err
	}
	// Attach first, then read head and membership at once: what is committed afterwards is
	// published to us, a leaving too.
	f := s.newFollow(id)
	v, err := s.memberRoom(ctx, field, string(id))
	if err != nil {
		s.drop(f)
		return nil, nil, err
	}
	return f, v, nil
}

// startFollow makes the session follow the room v by f. The replay begins when the
// request has its reply. A room that is followed already goes on as it is unless a position is given.
func (s *Session) startFollow(f *follow, v *RoomView, b begin) (api.FollowStatus, *api.Gap, error) {
	id, head := v.ID, v.Head
	s.mu.Lock()
	old := s.follows[id]
	s.mu.Unlock()
	if old != nil && b.after == nil && old.goesOn(head.Seq) {
		s.drop(f)
		return api.FollowStatusLive, nil, nil
	}
	f.pos, f.target, f.since = head.Seq, head.Seq, head.Seq
	status := api.FollowStatusLive
	switch {
	case b.after == nil:
	case b.reset || *b.after > head.Seq:
		status = api.FollowStatusReset
	case *b.after == head.Seq:
	case b.maxReplay != nil && int64(head.Seq-*b.after) > *b.maxReplay:
		status = api.FollowStatusLimited
		f.pos = head.Seq - api.Seq(*b.maxReplay)
		f.gap = &api.Gap{From: *b.after + 1, To: f.pos}
	default:
		status = api.FollowStatusReplay
		f.pos = *b.after
		if mutant.On(mutant.ResumeOffByOne) {
			f.pos++
		}
	}
	s.unfollow(id)
	if !s.keep(f, true) {
		s.drop(f)
		return "", nil, signInFirst()
	}
	return status, f.gap, nil
}

// goesOn tells whether f still follows, for a user who is known to be a member when the log ends at head.
func (f *follow) goesOn(head api.Seq) bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if f.state == followEnded || f.until > 0 {
		return false
	}
	f.since = max(f.since, head)
	return true
}

// keep notes f for the replayer, with asked for when the request under way has its reply; false if the
// session has ended. If the user left since they were seen to be a member, f ends there.
func (s *Session) keep(f *follow, asked bool) bool {
	s.mu.Lock()
	old := s.follows[f.room.id]
	if s.closed || s.user == nil || !asked && (old != nil || !s.followJoined) {
		s.mu.Unlock()
		return false
	}
	user := s.user.ID
	s.follows[f.room.id] = f
	if asked {
		s.asked = append(s.asked, f)
	} else {
		s.waiting = append(s.waiting, f)
	}
	s.mu.Unlock()
	if old != nil { // begun by joinedElsewhere this very moment
		s.endFollow(old)
		s.drop(old)
	}
	f.room.mu.Lock()
	f.user = user
	left := f.room.left[user]
	f.room.mu.Unlock()
	if left > f.since {
		s.unfollowAt(f.room.id, left)
	}
	return true
}

func (s *Session) drop(f *follow) {
	s.svc.detach(f.room)
}

// flushFollows starts the replayer if follows wait for it and none is running. It ends when none
// waits; Close waits for it.
func (s *Session) flushFollows() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.replaying || s.closed {
		return
	}
	s.replaying = true
	s.replayer.Add(1)
	go s.replayAll()
}

func (s *Session) replayAll() {
	defer s.replayer.Done()
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 || s.closed {
			s.replaying = false
			s.mu.Unlock()
			return
		}
		f := s.waiting[0]
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		s.mu.Unlock()
		err := s.replay(f)
		s.mu.Lock()
		delete(s.ending, f)
		s.mu.Unlock()
		if err != nil {
			// The client believes that it follows: rather than leave a silent hole, let it come back and resume.
			s.svc.logger.Warn("replay", "room", f.room.id, "after", f.pos, "err", s.svc.coded(err))
			s.port.Close(api.CloseCodeSlowConsumer, api.CloseReasonSlowConsumer, 0)
			return
		}
	}
}

// replay sends what the store has after f.pos until the follow can go live or has ended.
func (s *Session) replay(f *follow) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if !f.beginReplay(stop) {
		return nil
	}
	err := s.replayPages(ctx, f)
	f.room.mu.Lock()
	f.stop = nil
	f.room.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// beginReplay reports false if f has ended.
func (f *follow) beginReplay(stop context.CancelFunc) bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.stop = stop
	return f.state != followEnded
}

func (s *Session) replayPages(ctx context.Context, f *follow) error {
	if f.gap != nil {
		s.announceGap(f.room.id, *f.gap, api.GapReasonLimited)
	}
	records := make([][]byte, 0, replayEvents)
	for !s.goLive(f) {
		page, err := s.svc.store.History(ctx, &HistoryQuery{Room: f.room.id, After: f.pos, Before: f.before(), Limit: replayEvents, MaxBytes: replayBytes})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			// What was numbered is gone: nothing can fill this hole, so say so.
			end := f.end()
			if end <= f.pos {
				return nil
			}
			s.announceGap(f.room.id, api.Gap{From: f.pos + 1, To: end}, api.GapReasonTruncated)
			f.pos = end
			continue
		}
		if page[0].Seq != f.pos+1 {
			s.announceGap(f.room.id, api.Gap{From: f.pos + 1, To: page[0].Seq - 1}, api.GapReasonTruncated)
		}
		records = records[:0]
		for i := range page {
			records = append(records, page[i].Bytes)
		}
		if s.send(ctx, f, records) != nil {
			return nil // the connection is gone, or the follow: there is nobody to tell
		}
		s.svc.stats.replayed.Add(int64(len(page)))
		f.pos = page[len(page)-1].Seq
	}
	return nil
}

// send hands records to the connection unless f has ended. Who ends f waits for it: nothing comes after.
func (s *Session) send(ctx context.Context, f *follow, records [][]byte) error {
	f.sendMu.Lock()
	defer f.sendMu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.port.Replay(ctx, records)
}

// goLive makes f live if it has caught up with what was applied; under the room's lock nothing is
// published meanwhile. It also reports true when the follow has ended.
func (s *Session) goLive(f *follow) bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if left := f.room.left[f.user]; left > f.since && f.until == 0 {
		f.until = left // what the applier is about to say
	}
	if f.state == followEnded || f.until > 0 && f.pos >= f.until {
		f.state = followEnded
		return true
	}
	if f.pos < f.target || f.pos < f.room.applied && !mutant.On(mutant.ReplayLiveRace) || f.until > 0 {
		return false
	}
	f.state = followLive
	params := api.RoomCaughtUpParams{RoomID: f.room.id, Seq: f.pos}
	s.port.Notify(api.AppendRoomCaughtUp(nil, &params))
	s.port.Follow(f.room.id, f.pos, s.signals.Load())
	return true
}

// before is the exclusive upper bound of what f may still read; 0: none.
func (f *follow) before() api.Seq {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if f.until == 0 {
		return 0
	}
	return f.until + 1
}

// end is the seq up to which the log is known to reach for f.
func (f *follow) end() api.Seq {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if f.until > 0 {
		return f.until
	}
	return max(f.target, f.room.applied)
}

func (s *Session) announceGap(room api.RoomID, gap api.Gap, reason api.GapReason) {
	s.svc.stats.gaps.Add(1)
	params := api.SyncGapParams{RoomID: room, From: gap.From, To: gap.To, Reason: reason}
	s.port.Notify(api.AppendSyncGap(nil, &params))
}

// unfollow ends following room at once; false if it was not followed.
func (s *Session) unfollow(id api.RoomID) bool {
	s.mu.Lock()
	f := s.follows[id]
	delete(s.follows, id)
	ending := make([]*follow, 0, len(s.ending))
	for e := range s.ending {
		if e.room.id == id {
			ending = append(ending, e)
			delete(s.ending, e)
		}
	}
	s.mu.Unlock()
	for _, e := range ending {
		s.endFollow(e)
	}
	if f == nil {
		return len(ending) > 0
	}
	s.endFollow(f)
	s.svc.detach(f.room)
	return true
}

// endFollow stops f; when it returns nothing of it is sent any more.
func (s *Session) endFollow(f *follow) {
	f.room.mu.Lock()
	live := f.state == followLive
	f.state = followEnded
	if live {
		s.port.Unfollow(f.room.id)
	}
	if f.stop != nil {
		f.stop()
	}
	f.room.mu.Unlock()
	f.sendMu.Lock()   // a replay in hand
	f.sendMu.Unlock() //nolint:staticcheck // only to wait
}

// unfollowAt ends following room with seq last, at which the user left: what was published up to
// it still comes, nothing after. A follow that began when they were back is not meant.
func (s *Session) unfollowAt(id api.RoomID, last api.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.follows[id]
	if f == nil {
		return
	}
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	switch {
	case f.since >= last:
		return
	case f.state == followEnded: // by its replayer, which has seen the leaving
	case f.state == followLive:
		f.state = followEnded
		s.port.Unfollow(id)
	default:
		f.until = last
		if s.ending == nil {
			s.ending = map[*follow]struct{}{}
		}
		s.ending[f] = struct{}{}
	}
	delete(s.follows, id)
	s.svc.detach(f.room)
}

// unfollowAll ends all following, and that of rooms yet to be joined.
func (s *Session) unfollowAll() []api.RoomID {
	s.mu.Lock()
	s.followJoined = false
	ids := make([]api.RoomID, 0, len(s.follows))
	for id := range s.follows {
		ids = append(ids, id)
	}
	for f := range s.ending {
		if s.follows[f.room.id] == nil {
			ids = append(ids, f.room.id)
		}
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.unfollow(id)
	}
	return ids
}

// joinedElsewhere is called when the session's user became a member of a room: who follows all
// joined rooms follows it from that very event on.
func (s *Session) joinedElsewhere(e *Entry) {
	s.mu.Lock()
	want := s.followJoined && s.joining != e.RoomID && s.follows[e.RoomID] == nil && !s.closed
	s.mu.Unlock()
	if !want {
		return
	}
	f := s.newFollow(e.RoomID)
	f.pos = e.Records[0].Seq - 1
	f.target = e.Records[len(e.Records)-1].Seq
	f.since = f.target
	if !s.keep(f, false) {
		s.drop(f)
		return
	}
	s.flushFollows()
}

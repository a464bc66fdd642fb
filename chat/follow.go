package chat

import (
	"context"
	"slices"
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
	deaf  bool               // no signals of the room
	user  api.UserID         // whose it is; set when it is kept, or before that
	stop  context.CancelFunc // ends the replay; nil: it has not begun, or has ended
	until api.Seq            // ends there: the user left at this seq; 0: no end
	since api.Seq            // the user was a member when the log ended here: leaving before that is past
}

func (s *Session) newFollow(id api.RoomID) *follow {
	return &follow{room: s.svc.attach(id)}
}

type followState uint8

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
	old := s.follows.of(id)
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
	case *b.after < v.Gone.Seq || b.maxReplay != nil && int64(head.Seq-*b.after) > *b.maxReplay:
		status = api.FollowStatusLimited
		f.gap = v.leftOut(*b.after, b.maxReplay)
		f.pos = f.gap.To
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

// leftOut is what does not come of the events after a seq: what was purged, and what is too much.
func (v *RoomView) leftOut(after api.Seq, maxReplay *int64) *api.Gap {
	gap := &api.Gap{From: after + 1, To: v.Gone.Seq, Reason: api.GapReasonRetention}
	if maxReplay != nil && v.Head.Seq-api.Seq(*maxReplay) > gap.To {
		gap.To, gap.Reason = v.Head.Seq-api.Seq(*maxReplay), api.GapReasonLimited
	}
	return gap
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
	old := s.follows.of(f.room.id)
	if s.closed || s.user == nil || !asked && (old != nil || !s.followJoined || !s.isOfLocked(f.user)) {
		s.mu.Unlock()
		return false
	}
	user := s.user.ID
	f.deaf = s.deaf // nobody else has f yet
	s.follows.put(f)
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
	left := f.room.leftAt(user)
	f.room.mu.Unlock()
	if left > f.since {
		s.unfollowAt(f.room.id, left)
	}
	return true
}

// isOfLocked tells whether user is signed in, and not somebody else who came after them.
func (s *Session) isOfLocked(user api.UserID) bool { return s.user != nil && s.user.ID == user }

func (s *Session) drop(f *follow) {
	s.svc.detach(f.room)
}

// unfollow ends following room at once; false if it was not followed.
func (s *Session) unfollow(id api.RoomID) bool {
	s.mu.Lock()
	f := s.follows.of(id)
	s.follows.drop(id)
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

// tune switches the signals of a room that is followed; false if it is not.
func (s *Session) tune(id api.RoomID, signals bool) bool {
	s.mu.Lock()
	f := s.follows.of(id)
	s.mu.Unlock()
	if f == nil {
		return false
	}
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.deaf = !signals
	if f.state == followLive {
		s.port.Signals(id, signals)
	}
	return f.state != followEnded
}

// tuneAll switches the signals of all that is followed, and of what is followed later.
func (s *Session) tuneAll(signals bool) []api.RoomID {
	s.mu.Lock()
	s.deaf = !signals
	ids := s.follows.rooms()
	s.mu.Unlock()
	return slices.DeleteFunc(ids, func(id api.RoomID) bool { return !s.tune(id, signals) })
}

// unfollowAt ends following room with seq last, at which the user left: what was published up to
// it still comes, nothing after. A follow that began when they were back is not meant.
func (s *Session) unfollowAt(id api.RoomID, last api.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.follows.of(id)
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
	s.follows.drop(id)
	s.svc.detach(f.room)
}

// unfollowAll ends all following, and that of rooms yet to be joined.
func (s *Session) unfollowAll() []api.RoomID {
	s.mu.Lock()
	s.followJoined = false
	ids := s.follows.rooms()
	for f := range s.ending {
		if s.follows.of(f.room.id) == nil {
			ids = append(ids, f.room.id)
		}
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.unfollow(id)
	}
	return ids
}

// joinedElsewhere is called when user, whose session it was a moment ago, became a member of a room: who follows all
// joined rooms follows it from that very event on.
func (s *Session) joinedElsewhere(e *Entry, user api.UserID) {
	s.mu.Lock()
	want := s.isOfLocked(user) && s.followJoined && s.joining != e.RoomID && s.follows.of(e.RoomID) == nil && !s.closed && s.login.Scope.covers(e.RoomID)
	s.mu.Unlock()
	if !want {
		return
	}
	f := s.newFollow(e.RoomID)
	f.pos, f.target = e.Head.Seq, e.Head.Seq
	if n := len(e.Records); n > 0 { // an import makes members without an event
		f.pos, f.target = e.Records[0].Seq-1, e.Records[n-1].Seq
	}
	f.since, f.user = f.target, user
	if !s.keep(f, false) {
		s.drop(f)
		return
	}
	s.flushFollows()
}

package chat

import (
	"sync"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// liveRoom is a room that sessions of this process follow. It exists from the moment the first
// one begins to follow, before that one reads the head, until the last one stops.
type liveRoom struct {
	id   api.RoomID
	refs int // follows that hold it; guarded by Service.liveMu

	mu      sync.Mutex
	applied api.Seq                // the last seq that was published since the room is live; 0: none yet
	left    map[api.UserID]api.Seq // who left since, and is not back: for follows that are just beginning
	grave   *Record                // its last event, when the room was deleted; nil: it was not
}

// attach makes room live, or holds it if it is. What is committed afterwards is published to it.
func (s *Service) attach(id api.RoomID) *liveRoom {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	r := s.live[id]
	if r == nil {
		r = &liveRoom{id: id, left: map[api.UserID]api.Seq{}}
		s.live[id] = r
	}
	r.refs++
	return r
}

func (s *Service) detach(r *liveRoom) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	if r.refs--; r.refs == 0 {
		delete(s.live, r.id)
	}
}

// leftAt tells where user has left the room since it is live, or else where it was deleted; 0: neither. The lock is held.
func (r *liveRoom) leftAt(user api.UserID) api.Seq {
	if left := r.left[user]; left > 0 || r.grave == nil {
		return left
	}
	return r.grave.Seq
}

// apply makes a committed entry take effect: its records go to the room's followers, in log
// order, who left follows no more, and then whatever the act wants.
func (s *Service) apply(e *Entry) {
	if e.after != nil {
		defer e.after()
	}
	if e.Unchanged {
		return
	}
	if p, ok := e.Act.(*post); ok {
		s.saidIt(e.SenderID, place{e.RoomID, p.About()})
	}
	if !mutant.On(mutant.PublishBeforeCommit) || e.Plain == nil {
		s.publish(e.RoomID, e.Records, e)
	}
	s.tellMembers(e)
	for _, user := range e.Left {
		s.typesNoMore(user, e.RoomID)
		for _, sess := range s.sessionsOf(user) {
			sess.unfollowAt(e.RoomID, e.Head.Seq)
		}
	}
	for i := range e.Joined {
		for _, sess := range s.sessionsOf(e.Joined[i].UserID) {
			sess.joinedElsewhere(e, e.Joined[i].UserID)
		}
	}
	if e.Deleted {
		s.buried(e)
	}
}

// publish hands records to the followers of room, who they are having changed as e says.
func (s *Service) publish(room api.RoomID, records []Record, e *Entry) {
	s.liveMu.RLock()
	r := s.live[room]
	s.liveMu.RUnlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range records {
		rec := &records[i]
		r.applied = rec.Seq
		s.opts.Fanout.Publish(room, rec.Seq, rec.Bytes)
	}
	for _, user := range e.Left {
		r.left[user] = r.applied
	}
	for i := range e.Joined {
		delete(r.left, e.Joined[i].UserID)
	}
	if e.Deleted {
		r.grave = &records[len(records)-1]
	}
}

package chatclient

import (
	"encoding/json"

	"github.com/chatd-dev/chatd/api"
)

// stream is what a Subscription knows of its rooms: it lets each event through once and in order, whatever the
// connections bring. Its owner's mutex guards it.
type stream struct {
	conn   *conn // the connection whose notifications count; nil: none
	resume bool  // the next answer to sync.open is the first after a lost connection
	epoch  api.Epoch
	rooms  map[api.RoomID]*followed
	deaf   bool           // an event of the account was dropped since the buffer was full
	wanted []api.SyncRoom // rooms of FollowOptions that have not been opened yet
	joined bool           // rooms that are not in the list are followed too
	begun  bool           // a sync.open was answered
	stale  bool           // events were dropped or are missing: the rooms have to be opened anew
	tuning
}

// followed is one room.
type followed struct {
	as    api.SyncedRoom
	last  api.Seq   // the last event that was let through
	first api.Seq   // where the log is known to begin; 0: at its beginning
	epoch api.Epoch // that last belongs to
	phase phase
	left  bool // the user left it: not opened again, unless it comes back

	// anywhere: the first event tells where following began. A room found in the answer to "joined" may have been
	// joined while that was asked, and then begins with the join, before the head of the answer.
	anywhere bool
}

type phase int

const (
	opening  phase = iota // sync.open is not answered: what comes belongs to an earlier opening
	catching              // answered; room.caught_up is still to come
	live
)

// receive takes a notification; called on conn's reading goroutine, it does not block.
func (s *Subscription) receive(conn *conn, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream.conn != conn || s.err != nil {
		return
	}
	var err error
	switch m.method {
	case api.NotifyRoomEvent:
		e := new(api.Event)
		if err = e.UnmarshalJSON(m.params); err == nil {
			s.eventLocked(e)
		}
	case api.NotifyRoomCaughtUp:
		p := new(api.RoomCaughtUpParams)
		if err = json.Unmarshal(m.params, p); err == nil {
			s.caughtUpLocked(p)
		}
	case api.NotifySyncGap:
		p := new(api.SyncGapParams)
		if err = json.Unmarshal(m.params, p); err == nil {
			if r := s.stream.rooms[p.RoomID]; r != nil && !s.stream.stale && r.phase != opening {
				s.gapLocked(r, p.To, p.Reason)
			}
		}
	case api.NotifyRoomTruncated:
		p := new(api.RoomTruncatedParams)
		if err = json.Unmarshal(m.params, p); err == nil {
			if r := s.stream.rooms[p.RoomID]; r != nil && !s.stream.stale && r.phase != opening {
				s.truncatedLocked(r, p.FirstSeq)
			}
		}
	case api.NotifyRoomSignal:
		p := new(api.RoomSignalParams)
		if err = json.Unmarshal(m.params, p); err == nil && s.stream.hears(p.RoomID) && s.buffer.hasRoom() {
			s.buffer.put(&Signal{p}, len(m.params))
		}
	case api.NotifyUserUpdated:
		p := new(api.UserUpdatedParams)
		if err = json.Unmarshal(m.params, p); err == nil && s.stream.hears(p.RoomID) && s.buffer.hasRoom() {
			s.buffer.put(&UserUpdated{p}, len(m.params))
		}
	case api.NotifyAccountEvent:
		p := new(api.AccountEventParams)
		if err = json.Unmarshal(m.params, p); err == nil && s.opts.Account {
			s.accountLocked(p, len(m.params))
		}
	case api.NotifySessionClosing:
		p := new(api.SessionClosingParams)
		if err = json.Unmarshal(m.params, p); err == nil {
			s.buffer.put(closingOf(p), 0)
		}
	}
	if err != nil {
		s.c.opts.Logger.Warn("chatclient: a broken notification", "method", m.method, "error", err)
		s.refreshLocked() // whatever it was, the rooms are asked again for it
	}
}

// accountLocked takes an event of the account. One that finds no room is not sent again: that is told when there is room.
func (s *Subscription) accountLocked(p *api.AccountEventParams, size int) {
	if s.stream.deaf || !s.buffer.put(&Account{p}, size+256) {
		s.stream.deaf = true
	}
}

// hearAgainLocked tells that events of the account may have been missed.
func (s *Subscription) hearAgainLocked() {
	s.stream.deaf = false
	if s.opts.Account {
		s.buffer.force(&AccountGap{}, 0)
	}
}

func (s *Subscription) eventLocked(e *api.Event) {
	r := s.stream.rooms[e.RoomID]
	switch {
	case r == nil && s.stream.takesNew(): // joined after following began
		r = &followed{as: api.SyncedRoom{RoomID: e.RoomID, Status: api.FollowStatusLive}, last: e.Seq - 1, epoch: s.stream.epoch, phase: live}
		s.stream.rooms[e.RoomID] = r
	case r == nil:
		return
	case r.left && e.Seq > r.last: // came back: what happened meanwhile was not for us
		r.left, r.last, r.phase = false, e.Seq-1, live
		s.backLocked(e.RoomID)
	case r.anywhere && r.phase != opening:
		r.anywhere, r.last = false, e.Seq-1
	}
	switch {
	case s.stream.stale || r.phase == opening || e.Seq <= r.last:
		return
	case e.Seq > r.last+1 && r.phase == catching && r.last < r.as.Head.Seq:
		return // left over from an earlier opening; the replay brings it in its turn
	case e.Seq > r.last+1:
		s.refreshLocked() // the replay brings what is missing, or caughtUpLocked tells that it is gone
		return
	}
	left := s.ownLeaving(e)
	// What was before the replay's end is past: they came back.
	last := left && (r.phase == live || e.Seq > r.as.Head.Seq)
	if !s.buffer.put(&EventReceived{e, last}, len(e.Raw)+256) {
		s.refreshLocked()
		return
	}
	r.last = e.Seq
	if left {
		r.left = true
	}
	if e.Type == api.EventTypeRoomDeleted { // who is given it back, by an import, gets a log that may be shorter
		r.last, r.first = 0, 0
	}
}

func (s *Subscription) caughtUpLocked(p *api.RoomCaughtUpParams) {
	r := s.stream.rooms[p.RoomID]
	if r == nil && s.stream.takesNew() {
		r = &followed{as: api.SyncedRoom{RoomID: p.RoomID, Status: api.FollowStatusLive}, last: p.Seq, epoch: s.stream.epoch, phase: live}
		s.stream.rooms[p.RoomID] = r
	}
	if r == nil || s.stream.stale || r.phase == opening {
		return
	}
	if r.left { // room.join followed it again on this connection, from its head on
		if p.Seq <= r.last {
			return
		}
		r.left, r.last = false, p.Seq
		s.backLocked(p.RoomID)
	}
	if r.anywhere {
		r.anywhere, r.last = false, p.Seq
	}
	s.gapLocked(r, p.Seq, GapReasonMissing)
	r.phase = live
	s.buffer.force(&CaughtUp{RoomID: p.RoomID, Seq: p.Seq}, 0)
}

// gapLocked announces that nothing comes up to to.
func (s *Subscription) gapLocked(r *followed, to api.Seq, reason api.GapReason) {
	if to <= r.last {
		return
	}
	s.buffer.force(&Gap{RoomID: r.as.RoomID, From: r.last + 1, To: to, Reason: reason}, 0)
	r.last = to
}

// truncatedLocked tells where a room begins now. What is missed here is told when the room is opened anew.
func (s *Subscription) truncatedLocked(r *followed, first api.Seq) {
	if first <= r.first {
		return
	}
	s.buffer.force(&Truncated{RoomID: r.as.RoomID, FirstSeq: first}, 0)
	r.first = first
}

// refreshLocked drops what comes until run has opened the rooms anew.
func (s *Subscription) refreshLocked() {
	s.stream.stale = true
	s.poke()
}

// refresh is refreshLocked for who does not hold the lock.
func (s *Subscription) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshLocked()
}

// ownLeaving tells whether it is the user who is not in the room any more, or the room is gone: nothing of it comes after.
func (s *Subscription) ownLeaving(e *api.Event) bool {
	switch e.Type {
	case api.EventTypeMemberLeft, api.EventTypeMemberRemoved, api.EventTypeMemberBanned:
	case api.EventTypeRoomDeleted:
		return true
	default:
		return false
	}
	payload, err := e.Payload()
	if err != nil {
		return false
	}
	switch d := payload.(type) {
	case *api.MemberLeft:
		return d.UserID == s.c.who.userID()
	case *api.MemberRemoved:
		return d.UserID == s.c.who.userID()
	case *api.MemberBanned:
		return d.Removed && d.UserID == s.c.who.userID()
	}
	return false
}

// opened takes the answer to sync.open for asked; called on conn's reading goroutine, before any event that follows it.
func (s *Subscription) opened(conn *conn, asked api.SyncRooms, raw json.RawMessage) error {
	res := new(api.SyncOpenResult)
	if err := decodeResult(api.MethodSyncOpen, raw, res); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stream
	if st.conn != conn {
		return nil
	}
	st.epoch, st.begun = res.Epoch, true
	if st.resume {
		st.resume = false
		s.buffer.force(&Reconnected{}, 0)
	}
	for _, as := range res.Rooms {
		r := st.rooms[as.RoomID]
		after := st.take(as)
		switch {
		case r == nil:
			r = &followed{last: as.Head.Seq, anywhere: asked.Joined}
			if after != nil {
				r.last = *after
			}
			st.rooms[as.RoomID] = r
		case r.left: // came back while this connection was not there
			r.last, r.anywhere = as.Head.Seq, asked.Joined
		case asked.Joined && r.phase != opening:
			continue // opened by its position a moment ago
		}
		s.beginLocked(r, as)
	}
	return nil
}

// beginLocked begins a room as the server says.
func (s *Subscription) beginLocked(r *followed, as api.SyncedRoom) {
	r.as, r.epoch, r.phase, r.left = as, s.stream.epoch, catching, false
	switch as.Status {
	case api.FollowStatusReset:
		s.buffer.force(&Reset{RoomID: as.RoomID, Epoch: s.stream.epoch, Seq: as.Head.Seq}, 0)
		r.last = as.Head.Seq
		r.anywhere = false
	}
	if as.FirstSeq != nil {
		s.truncatedLocked(r, *as.FirstSeq)
	}
	if as.Gap != nil {
		s.gapLocked(r, as.Gap.To, as.Gap.Reason)
	}
}

// takesNew tells whether a room that is not known is a new one. While some are wanted it may be one of them, with a position
// of its own: events of rooms that the connection followed before must not take the place of it.
func (st *stream) takesNew() bool { return st.joined && st.begun && len(st.wanted) == 0 }

// take removes a room from wanted; it returns the position that was asked for.
func (st *stream) take(as api.SyncedRoom) *api.Seq {
	for i, w := range st.wanted {
		if w.Room == string(as.RoomID) || w.Room == as.Name {
			st.wanted = append(st.wanted[:i], st.wanted[i+1:]...)
			return w.After
		}
	}
	return nil
}

func closingOf(p *api.SessionClosingParams) *Closing {
	c := &Closing{Reason: p.Reason}
	if p.ReconnectAfterMS != nil {
		c.Return = true
		c.ReconnectAfter = millis(*p.ReconnectAfterMS)
	}
	return c
}

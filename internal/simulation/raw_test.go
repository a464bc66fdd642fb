package simulation

import (
	"encoding/json"
	"errors"
	"runtime"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// rawUser comes over WebSockets of its own and does by hand what the SDK does: it comes back and resumes.
type rawUser struct {
	*person
	wire *wire

	// Guarded by mu.

	anywhere map[api.RoomID]bool     // the next event tells where the stream begins
	gaps     map[api.RoomID]*api.Gap // announced by an answer, still to be notified
}

func (w *world) newRawUser(i int) *rawUser {
	return &rawUser{person: w.newPerson(i), anywhere: map[api.RoomID]bool{}, gaps: map[api.RoomID]*api.Gap{}}
}

func (u *rawUser) begin() {
	for _, id := range u.w.rooms {
		u.follow(id, 0)
	}
	u.resume()
}

// notified takes what the server says unasked.
func (u *rawUser) notified(w *wire, m *message) {
	switch m.Method {
	case api.NotifyRoomEvent:
		e := decode[api.Event](m.Params)
		u.mu.Lock()
		if u.anywhere[e.RoomID] {
			delete(u.anywhere, e.RoomID)
			since := u.streams[e.RoomID].since
			u.followLocked(e.RoomID, e.Seq-1).since = since
		}
		u.mu.Unlock()
		u.event(e, false)
	case api.NotifyRoomCaughtUp:
		p := decode[api.RoomCaughtUpParams](m.Params)
		u.mu.Lock()
		defer u.mu.Unlock()
		f := u.streams[p.RoomID]
		switch {
		case u.anywhere[p.RoomID]:
			delete(u.anywhere, p.RoomID)
			u.followLocked(p.RoomID, p.Seq)
		case f == nil || f.end:
			u.wrong("caught up with %s, which is not followed", p.RoomID)
		case f.last != p.Seq:
			u.wrong("caught up with %s at %d, but has got to %d", p.RoomID, p.Seq, f.last)
		}
	case api.NotifySyncGap:
		p := decode[api.SyncGapParams](m.Params)
		u.mu.Lock()
		announced := u.gaps[p.RoomID]
		delete(u.gaps, p.RoomID)
		if u.anywhere[p.RoomID] {
			delete(u.anywhere, p.RoomID)
			u.followLocked(p.RoomID, p.From-1)
		}
		u.mu.Unlock()
		if announced == nil { // purged in the midst of the replay
			u.gap(p.RoomID, p.From, p.To, p.Reason)
		} else if *announced != (api.Gap{From: p.From, To: p.To, Reason: p.Reason}) {
			u.wrong("another gap than the answer told of: %s", m.Params)
		}
	case api.NotifySessionClosing:
		w.mu.Lock()
		w.closing = decode[api.SessionClosingParams](m.Params)
		w.mu.Unlock()
	}
}

// opened takes what the server says of a room that it follows now from after on.
func (u *rawUser) opened(as *api.SyncedRoom, after api.Seq) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.gaps, as.RoomID)
	delete(u.anywhere, as.RoomID)
	switch as.Status {
	case api.FollowStatusReset:
		u.wrong("reset of %s: asked for %d, head %d", as.RoomID, after, as.Head.Seq)
		after = as.Head.Seq
	case api.FollowStatusLimited:
		if as.Gap == nil || as.Gap.From != after+1 || as.Gap.To <= after {
			u.wrong("asked for what comes after %d, with a limit, and got %+v", after, as)
			return
		}
		u.gaps[as.RoomID] = as.Gap
		after = as.Gap.To
	}
	u.followLocked(as.RoomID, after).since = as.Head.Seq
}

// known is how far each room was followed, also those that were left.
func (u *rawUser) known() map[api.RoomID]api.Seq {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := map[api.RoomID]api.Seq{}
	for id, f := range u.streams {
		at[id] = f.last
	}
	return at
}

// resume connects until it works, and follows all rooms from where they stand.
func (u *rawUser) resume() {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if u.wire != nil {
			u.wire.close()
		}
		var err error
		if u.wire, err = u.connect(u.token); err != nil {
			u.wire = nil
			u.note("connect: %v", err)
			if errors.Is(err, errRefuses) {
				if u.signOuts == 0 && !u.w.leapt.Load() {
					u.wrong("%v", err)
				}
				u.token = ""
			}
			continue
		}
		if err = u.signIn(); err == nil {
			err = u.open(u.known(), nil)
		}
		if err == nil {
			return
		}
		u.note("resume: %v", err)
		if errors.Is(err, api.ErrPermissionDenied) && len(u.everLeft) > 0 {
			for _, room := range u.w.plan.rooms {
				err = u.wire.call(api.MethodRoomJoin, map[string]any{"room": room, "follow": false}, nil)
				u.note("join again: %v", err)
			}
		} else if !u.passing(err) {
			u.wrong("resume: %v", err)
		}
	}
	u.wrong("cannot come back")
	runtime.Goexit() // without a connection there is nothing more to do
}

// signIn uses the password if there is no token.
func (u *rawUser) signIn() error {
	if u.token != "" {
		return nil
	}
	return u.wire.call(api.MethodAuthLogin, []string{u.name(), u.password()}, func(raw json.RawMessage) { u.token = decode[api.AuthLoginResult](raw).Token })
}

// open follows rooms after their positions.
func (u *rawUser) open(at map[api.RoomID]api.Seq, maxReplay *int64) error {
	p := &api.SyncOpenParams{MaxReplay: maxReplay}
	for id, seq := range at {
		p.Rooms.List = append(p.Rooms.List, api.SyncRoom{Room: string(id), After: &seq})
	}
	return u.wire.call(api.MethodSyncOpen, p, func(raw json.RawMessage) {
		for _, as := range decode[api.SyncOpenResult](raw).Rooms {
			u.opened(&as, at[as.RoomID])
		}
	})
}

// passing tells whether err goes by itself, or by coming back.
func (u *rawUser) passing(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrDraining) || u.forgiven(err)
}

// mend does what has to be done about err before trying again.
func (u *rawUser) mend(room string, err error) bool {
	switch {
	case errors.Is(err, api.ErrPermissionDenied) && u.everLeft[room]:
		u.join(room, act{n: 2})
	case u.purged(err):
		return false
	case !u.passing(err):
		u.wrong("%v", err)
		return false
	case u.forgiven(err):
		u.token = ""
		u.resume()
	case u.wire == nil || u.wire.lost():
		u.resume()
	default:
		time.Sleep(time.Second)
	}
	return true
}

// must calls until it works.
func (u *rawUser) must(room, method string, params any, taken func(json.RawMessage)) {
	for range 200 {
		err := u.wire.call(method, params, taken)
		if err == nil {
			return
		}
		u.note("%s: %v", method, err)
		if !u.mend(room, err) {
			return
		}
	}
	u.wrong("%s does not work", method)
}

func (u *rawUser) post(m *post) {
	u.must(m.room, api.MethodMessagePost, m.params(), func(raw json.RawMessage) { u.acked(m, decode[api.MessagePostResult](raw)) })
}

// join becomes a member, and follows from a place that a says.
func (u *rawUser) join(room string, a act) {
	id := u.w.rooms[room]
	p := &api.RoomJoinParams{Room: room}
	after, history, no := u.known()[id], int64(a.n), false
	switch a.n % 3 {
	case 0:
		p.After = &after
	case 1:
		p.History = &history
	case 2:
		p.Follow = &no
	}
	u.must(room, api.MethodRoomJoin, p, func(raw json.RawMessage) {
		res := decode[api.RoomJoinResult](raw)
		switch {
		case p.After != nil:
			u.opened(&api.SyncedRoom{RoomID: id, Status: res.Status, Head: res.Head, Gap: res.Gap}, after)
		case p.History != nil:
			u.opened(&api.SyncedRoom{RoomID: id, Status: api.FollowStatusLive, Head: res.Head}, res.Head.Seq)
			u.mu.Lock()
			u.anywhere[id] = true
			u.mu.Unlock()
		}
	})
	if p.Follow != nil {
		if err := u.open(u.known(), nil); err != nil {
			u.mend("", err)
			u.resume()
		}
	}
}

func (u *rawUser) finish() {
	u.resume()
	for _, m := range u.said {
		if m.ack == nil {
			u.post(m)
		}
	}
	for room := range u.everLeft {
		u.join(room, act{n: 2})
	}
	u.resume()
	u.complete(func() {
		if u.wire == nil || u.wire.lost() {
			u.resume()
		}
	})
}

// leave is called when the server has drained: it has told when to come back.
func (u *rawUser) leave() {
	if u.wire == nil {
		return
	}
	u.wire.close()
	if u.wire.code == int(api.CloseCodeSlowConsumer) {
		return // it was too slow at the very last, and gone when the server drained
	}
	if c := u.wire.closing; c == nil || c.Reason != api.CloseReasonDraining || c.ReconnectAfterMS == nil || u.wire.code != int(api.CloseCodeDraining) {
		u.wrong("the server has gone without saying when to come back: %+v, close code %d", c, u.wire.code)
	}
}

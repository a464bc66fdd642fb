package chatclient

import (
	"encoding/json"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// tuning is of which rooms a Subscription wants the signals.
type tuning struct {
	signals bool                // of all rooms but those of apart
	apart   map[api.RoomID]bool // rooms that are as they were set by themselves
	toldAll bool                // signals was not changed since the server was told
	untold  []api.RoomID        // rooms of apart that the server is to be told of
}

func (t *tuning) hears(room api.RoomID) bool {
	if on, ok := t.apart[room]; ok {
		return on
	}
	return t.signals
}

// retune notes that the server knows nothing but what sync.open is about to tell it.
func (t *tuning) retune() {
	t.toldAll, t.untold = true, nil
	for id := range t.apart {
		t.untold = append(t.untold, id)
	}
}

// retell notes that the server was not told after all.
func (t *tuning) retell(p *api.SyncUpdateParams) {
	if p.Rooms == nil {
		t.toldAll = false
	}
	for _, id := range p.Rooms {
		t.untold = append(t.untold, api.RoomID(id))
	}
}

// backLocked notes that a room is followed anew, after the user was not in it: the server has forgotten what was said of it.
func (s *Subscription) backLocked(room api.RoomID) {
	if _, apart := s.stream.apart[room]; apart {
		s.stream.untold = append(s.stream.untold, room)
		s.poke()
	}
}

// SetSignals switches *Signal and *UserUpdated notifications off or on: of rooms that are followed, or without rooms of all, followed now or later.
// It goes on so after a lost connection. What is not sent meanwhile is not sent later: Presences and Users are to be loaded again.
func (s *Subscription) SetSignals(on bool, rooms ...api.RoomID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stream.tuning
	if len(rooms) == 0 {
		t.signals, t.apart, t.toldAll, t.untold = on, nil, false, nil
	} else if t.apart == nil {
		t.apart = map[api.RoomID]bool{}
	}
	for _, id := range rooms {
		t.apart[id] = on
		t.untold = append(t.untold, id)
	}
	s.poke()
}

// tune tells the server what it has not been told. That the connection is lost, or the Subscription closed, is no
// error: watch sees it.
func (s *Subscription) tune(conn *conn) error {
	for attempt := 0; ; {
		p := s.nextUpdate()
		if p == nil {
			return nil
		}
		err := s.ask(conn, api.MethodSyncUpdate, p.AppendJSON(nil), func(json.RawMessage) error { return nil })
		if err == nil {
			attempt = 0
			continue
		}
		wait, again := retryAfter(err, api.IdempotencyNatural, attempt)
		switch refused := errors.As(err, new(*api.Error)); {
		case refused && again:
			attempt++
			s.mu.Lock()
			s.stream.retell(p)
			s.mu.Unlock()
			if s.c.pause(s.ctx, wait) != nil {
				return nil
			}
		case again || s.ctx.Err() != nil:
			return nil
		case !refused: // else the room is gone
			return err
		}
	}
}

// nextUpdate gives the next that the server is to be told; nil: nothing.
func (s *Subscription) nextUpdate() *api.SyncUpdateParams {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stream.tuning
	if !t.toldAll {
		t.toldAll = true
		return &api.SyncUpdateParams{Signals: t.signals}
	}
	for n := len(t.untold) - 1; n >= 0; n-- {
		id := t.untold[n]
		t.untold = t.untold[:n]
		if r := s.stream.rooms[id]; r != nil && !r.left {
			return &api.SyncUpdateParams{Signals: t.hears(id), Rooms: []string{string(id)}}
		}
	}
	return nil
}

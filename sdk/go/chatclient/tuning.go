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

// SetSignals switches *Signal notifications off or on: of rooms that are followed, or without rooms of all, followed now or later.
// It goes on so after a lost connection. What is not sent meanwhile is not sent later: Presences are to be loaded again.
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

// tune tells the server what it has not been told.
func (s *Subscription) tune(conn *conn) error {
	for {
		s.mu.Lock()
		t := &s.stream.tuning
		var p *api.SyncUpdateParams
		if !t.toldAll {
			p = &api.SyncUpdateParams{Signals: t.signals}
			t.toldAll = true
		} else if n := len(t.untold) - 1; n >= 0 {
			id := t.untold[n]
			t.untold = t.untold[:n]
			if r := s.stream.rooms[id]; r == nil || r.left {
				s.mu.Unlock()
				continue
			}
			p = &api.SyncUpdateParams{Signals: t.hears(id), Rooms: []string{string(id)}}
		}
		s.mu.Unlock()
		if p == nil {
			return nil
		}
		err := s.ask(conn, api.MethodSyncUpdate, p.AppendJSON(nil), func(json.RawMessage) error { return nil })
		if err != nil && !errors.As(err, new(*api.Error)) { // a refusal: the room is gone
			return err
		}
	}
}

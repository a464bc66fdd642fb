package chat

import (
	"hash/maphash"

	"github.com/chatd-dev/chatd/api"
)

// tell sends an event of user's account to all their connections, in one order for all. It never blocks on a peer.
func (s *Service) tell(user api.UserID, event *api.AccountEventParams) {
	telling := &s.telling[maphash.String(laneSeed, string(user))%uint64(len(s.telling))]
	telling.Lock()
	defer telling.Unlock()
	var msg []byte
	for _, sess := range s.sessionsOf(user) {
		if msg == nil {
			msg = api.AppendAccountEvent(nil, event)
		}
		sess.hear(user, event, msg)
	}
}

// hear passes on what is user's, unless they have signed out meanwhile, somebody else may come after them, or the token is not
// for it.
func (s *Session) hear(user api.UserID, event *api.AccountEventParams, msg []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user != nil && s.user.ID == user && s.login.Scope.hears(event) && !(s.login.Made && event.SessionID != "") {
		s.port.Notify(msg)
	}
}

// tellMembers tells those who have joined or left by e.
func (s *Service) tellMembers(e *Entry) {
	for _, user := range e.Left {
		s.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeRoomRemoved, RoomID: e.RoomID})
	}
	for i := range e.Joined {
		m := &e.Joined[i]
		room := e.shownTo(m).view(s)
		s.tell(m.UserID, &api.AccountEventParams{Type: api.AccountEventTypeRoomAdded, RoomID: e.RoomID, Room: &room})
	}
}

package chatclient

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Typing keeps who is typing, from the signals and events of rooms. It is for one goroutine at a time. Nobody is told anew
// who comes later: it begins empty and is right after a few seconds.
type Typing struct {
	me     api.UserID
	typing map[typingPlace]map[api.UserID]Typist
}

type typingPlace struct {
	room   api.RoomID
	thread api.Seq
}

// Typist is a user who is typing.
type Typist struct {
	UserID   api.UserID
	Username string
	Thread   api.Seq   // the message under which they answer; 0: in the room itself
	Until    time.Time // they have ceased by then unless it is said again
}

// NewTyping holds nobody yet; me is the caller, who is not told of.
func NewTyping(me api.UserID) *Typing {
	return &Typing{me: me, typing: map[typingPlace]map[api.UserID]Typist{}}
}

// ApplySignal takes a signal in; what is not about typing it passes over.
func (v *Typing) ApplySignal(s *api.RoomSignalParams) {
	if s.Type != api.SignalTypeTyping || s.UserID == v.me {
		return
	}
	at := typingPlace{room: s.RoomID}
	if s.Thread != nil {
		at.thread = *s.Thread
	}
	switch {
	case s.State == api.SignalStateStopped:
		v.drop(at, s.UserID)
	case s.State == api.SignalStateStarted && s.ExpiresInMS != nil:
		if v.typing[at] == nil {
			v.typing[at] = map[api.UserID]Typist{}
		}
		until := time.Now().Add(time.Duration(*s.ExpiresInMS) * time.Millisecond)
		v.typing[at][s.UserID] = Typist{UserID: s.UserID, Username: s.Username, Thread: at.thread, Until: until}
	}
}

// Apply takes an event of a room in: who has said what they were typing, or has left, types no more, nor anybody in a room that
// was deleted. The error is that of e.Payload.
func (v *Typing) Apply(e *api.Event) error {
	if len(v.typing) == 0 {
		return nil
	}
	switch e.Type {
	case api.EventTypeMessagePosted, api.EventTypeMemberLeft, api.EventTypeMemberRemoved, api.EventTypeMemberBanned, api.EventTypeRoomDeleted:
	default:
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	switch d := payload.(type) {
	case *api.MessagePosted:
		at := typingPlace{room: e.RoomID}
		if d.Thread != nil {
			at.thread = *d.Thread
		}
		v.drop(at, e.SenderID)
	case *api.MemberLeft:
		v.gone(e.RoomID, d.UserID)
	case *api.MemberRemoved:
		v.gone(e.RoomID, d.UserID)
	case *api.MemberBanned:
		v.gone(e.RoomID, d.UserID)
	case *api.RoomDeleted:
		maps.DeleteFunc(v.typing, func(at typingPlace, _ map[api.UserID]Typist) bool { return at.room == e.RoomID })
	}
	return nil
}

func (v *Typing) gone(room api.RoomID, user api.UserID) {
	for at := range v.typing {
		if at.room == room {
			v.drop(at, user)
		}
	}
}

// Room gives who is typing in a room and under its messages, by username.
func (v *Typing) Room(id api.RoomID) []Typist {
	now := time.Now()
	var all []Typist
	for at, users := range v.typing {
		if at.room != id {
			continue
		}
		for user, t := range users {
			if !t.Until.After(now) {
				v.drop(at, user)
				continue
			}
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Typist) int {
		return cmp.Or(cmp.Compare(a.Username, b.Username), cmp.Compare(a.Thread, b.Thread))
	})
	return all
}

func (v *Typing) drop(at typingPlace, user api.UserID) {
	delete(v.typing[at], user)
	if len(v.typing[at]) == 0 {
		delete(v.typing, at)
	}
}

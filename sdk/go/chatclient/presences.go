package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Presences keeps who of the rooms' members is there: from presence.get, and the signals and events of the rooms after that. It
// is for one goroutine at a time. Once signals have come to rest it holds what presence.get would give now; who is typing is
// Typing's to keep.
//
// Follow with FollowOptions.Signals, then load, then apply what the Subscription hands out, and load again what is Stale. Signals
// may be lost: after *Gap and *Reconnected begin anew. Of large rooms presence.get gives counts alone and no signals come: what is
// held of them is as it was loaded.
type Presences struct {
	rooms map[api.RoomID]*roomPresences
}

// roomPresences is one room.
type roomPresences struct {
	large  bool                         // counts alone are known
	known  map[api.UserID]*api.Presence // who is not just offline
	gone   map[api.UserID]bool          // who has left: a signal may come late
	counts api.PresenceCounts
	stale  bool
}

// NewPresences holds nothing yet.
func NewPresences() *Presences { return &Presences{rooms: map[api.RoomID]*roomPresences{}} }

// Load takes in what presence.get gave of a room.
func (v *Presences) Load(room api.RoomID, res *api.PresenceGetResult) {
	if res.Counts == nil {
		return // it was not of a room
	}
	c := *res.Counts
	r := &roomPresences{known: map[api.UserID]*api.Presence{}, gone: map[api.UserID]bool{}, counts: c}
	if old := v.rooms[room]; old != nil {
		r.gone = old.gone
	}
	for i := range res.Presences {
		p := res.Presences[i]
		r.known[p.UserID] = &p
		delete(r.gone, p.UserID)
	}
	r.large = len(res.Presences) == 0 && c.Online+c.Away+c.Dnd > 0
	v.rooms[room] = r
}

// Forget drops a room that is not followed any more.
func (v *Presences) Forget(room api.RoomID) { delete(v.rooms, room) }

// Room gives who of a room's members is there or says something, by username, and how many are in each state; false: it is not
// held. Of a large room the counts alone are known.
func (v *Presences) Room(id api.RoomID) ([]api.Presence, api.PresenceCounts, bool) {
	r := v.rooms[id]
	if r == nil {
		return nil, api.PresenceCounts{}, false
	}
	all := make([]api.Presence, 0, len(r.known))
	for _, p := range r.known {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b api.Presence) int { return cmp.Compare(a.Username, b.Username) })
	return all, r.counts, true
}

// Stale gives the rooms that have to be loaded again: somebody came or went, and no signal says whether they are there.
func (v *Presences) Stale() []api.RoomID {
	var stale []api.RoomID
	for id, r := range v.rooms {
		if r.stale {
			stale = append(stale, id)
		}
	}
	slices.Sort(stale)
	return stale
}

// ApplySignal takes a signal in; what is not about presence it passes over.
func (v *Presences) ApplySignal(s *api.RoomSignalParams) {
	r := v.rooms[s.RoomID]
	if s.Type != api.SignalTypePresence || r == nil || r.gone[s.UserID] {
		return
	}
	if r.large { // it is not any more, or nobody would be told
		r.stale = true
		return
	}
	state := api.PresenceState(s.State)
	*r.count(r.state(s.UserID))--
	*r.count(state)++
	if state == api.PresenceStateOffline && s.Text == "" {
		delete(r.known, s.UserID)
		return
	}
	r.known[s.UserID] = &api.Presence{UserID: s.UserID, Username: s.Username, State: state, Text: s.Text, Until: s.Until}
}

// Apply takes an event of a room in: people come and go. The error is that of e.Payload.
func (v *Presences) Apply(e *api.Event) error {
	r := v.rooms[e.RoomID]
	if r == nil {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	switch d := payload.(type) {
	case *api.MemberJoined:
		delete(r.gone, d.UserID)
		r.stale = r.stale || !r.large
	case *api.MemberLeft:
		r.leave(d.UserID)
	case *api.MemberRemoved:
		r.leave(d.UserID)
	case *api.MemberBanned:
		if d.Removed {
			r.leave(d.UserID)
		}
	}
	return nil
}

func (r *roomPresences) leave(user api.UserID) {
	if r.large {
		return
	}
	delete(r.known, user)
	r.gone[user], r.stale = true, true
}

func (r *roomPresences) state(user api.UserID) api.PresenceState {
	if p := r.known[user]; p != nil {
		return p.State
	}
	return api.PresenceStateOffline
}

// count is that of a state; one that is not known counts as online, as the server counts it.
func (r *roomPresences) count(state api.PresenceState) *int64 {
	switch state {
	case api.PresenceStateOffline:
		return &r.counts.Offline
	case api.PresenceStateAway:
		return &r.counts.Away
	case api.PresenceStateDnd:
		return &r.counts.Dnd
	default:
		return &r.counts.Online
	}
}

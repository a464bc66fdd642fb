package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Rooms keeps the rooms that the user is in as they stand: from room.list, and the events of the rooms and of the account after
// that. It is for one goroutine at a time. What it holds is what room.list would give now; how far the user has read each room is
// Reads' to keep, and who is in it RoomState's.
//
// Follow with FollowOptions.Account, then load all pages of room.list (joined, and archived for those too), then apply what the
// Subscription hands out: rooms that are not followed stay as they were loaded. After *AccountGap and *Gap they are to be loaded again,
// after *Reset into a new one; *Truncated is for Truncate.
type Rooms struct {
	me    api.UserID
	rooms map[api.RoomID]*roomNow
}

// NewRooms holds nothing yet; me is the caller.
func NewRooms(me api.UserID) *Rooms { return &Rooms{me: me, rooms: map[api.RoomID]*roomNow{}} }

// Load takes in how a room stands: of room.list, room.get or another answer. One that the user is not in is forgotten, and what is
// older than what is held already is passed over.
func (v *Rooms) Load(room *api.Room) {
	if room.Role == "" {
		delete(v.rooms, room.ID)
		return
	}
	held := v.rooms[room.ID]
	if held != nil && held.room.Head.Seq > room.Head.Seq {
		return
	}
	now := nowOf(v.me, room)
	if held != nil && held.room.FirstSeq != nil {
		now.truncate(*held.room.FirstSeq)
	}
	v.rooms[room.ID] = &now
}

// Truncate notes that the log of a room begins with first now: *Truncated says so.
func (v *Rooms) Truncate(id api.RoomID, first api.Seq) {
	if r := v.rooms[id]; r != nil {
		r.truncate(first)
	}
}

// Room gives a room; false: the user is not in it, or it is not held.
func (v *Rooms) Room(id api.RoomID) (api.Room, bool) {
	r := v.rooms[id]
	if r == nil {
		return api.Room{}, false
	}
	return r.room, true
}

// All gives the rooms by name, as room.list does: archived ones say so themselves.
func (v *Rooms) All() []api.Room {
	all := make([]api.Room, 0, len(v.rooms))
	for _, r := range v.rooms {
		all = append(all, r.room)
	}
	slices.SortFunc(all, func(a, b api.Room) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Apply takes the next event of a room in. What it knows already it passes over, and events of rooms that are not held: that the
// user is in another one comes with an event of the account. The error is that of e.Payload.
func (v *Rooms) Apply(e *api.Event) error {
	r := v.rooms[e.RoomID]
	if r == nil {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	r.apply(e, payload)
	if e.Type == api.EventTypeRoomDeleted || r.room.Role == "" {
		delete(v.rooms, e.RoomID)
	}
	return nil
}

// ApplyAccount takes an event of the account in.
func (v *Rooms) ApplyAccount(e *api.AccountEventParams) {
	switch {
	case e.Type == api.AccountEventTypeRoomAdded && e.Room != nil:
		v.Load(e.Room)
	case e.Type == api.AccountEventTypeRoomRemoved:
		delete(v.rooms, e.RoomID)
	}
}

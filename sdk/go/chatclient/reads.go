package chatclient

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Reads keeps how far the user has read each room, and how much is unread: from room.list, room.get or sync.open, and the
// events of the rooms and of the account after that. It is for one goroutine at a time.
//
// Follow with FollowOptions.Account, then load, then apply what the Subscription hands out: rooms that are not followed stay
// as they were loaded. After *AccountGap, *Gap and *Reset the rooms that they are about are to be loaded again; *Truncated is for
// Truncate, and may make them Stale.
type Reads struct {
	me    api.UserID
	rooms map[api.RoomID]*roomReads
}

// roomReads is one room: read as of head.
type roomReads struct {
	unreadMentions
	head api.Head
	read api.ReadState
}

// NewReads holds nothing yet; me is the caller.
func NewReads(me api.UserID) *Reads { return &Reads{me: me, rooms: map[api.RoomID]*roomReads{}} }

// Load takes in how a room stands; one that the user is not in is forgotten.
func (v *Reads) Load(room *api.Room) {
	if room.Read == nil {
		delete(v.rooms, room.ID)
		return
	}
	v.load(room.ID, room.Head, *room.Read)
}

// LoadSynced is Load of a room in the answer to sync.open.
func (v *Reads) LoadSynced(room *api.SyncedRoom) { v.load(room.RoomID, room.Head, room.Read) }

func (v *Reads) load(id api.RoomID, head api.Head, read api.ReadState) {
	v.rooms[id] = &roomReads{unreadMentions: countedTo(head.Seq), head: head, read: read}
}

// Room gives where a room's log ends and how far the user has read it; false: it is not held.
func (v *Reads) Room(id api.RoomID) (api.Head, api.ReadState, bool) {
	r := v.rooms[id]
	if r == nil {
		return api.Head{}, api.ReadState{}, false
	}
	return r.head, r.read, true
}

// Truncate notes that the log of a room begins with first now. What stood before it counts as read: if some of it was not, the
// room is stale.
func (v *Reads) Truncate(id api.RoomID, first api.Seq) {
	if r := v.rooms[id]; r != nil && r.read.Seq+1 < first {
		r.stale = true
	}
}

// Stale gives the rooms that have to be loaded again: a message changed that was unread when they were loaded, and
// events do not say whether it was one of the mentions; or unread messages were removed.
func (v *Reads) Stale() []api.RoomID {
	var stale []api.RoomID
	for id, r := range v.rooms {
		if r.stale {
			stale = append(stale, id)
		}
	}
	slices.Sort(stale)
	return stale
}

// Apply takes the next event of a room in. What it knows already it passes over, and events of rooms that are not held. The
// error is that of e.Payload.
func (v *Reads) Apply(e *api.Event) error {
	r := v.rooms[e.RoomID]
	if r == nil || e.Seq <= r.head.Seq {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	r.head.Seq = e.Seq
	switch d := payload.(type) {
	case *api.MessagePosted:
		r.head.MsgNo = d.MsgNo
		if e.SenderID == v.me {
			r.read = api.ReadState{Seq: e.Seq, MsgNo: d.MsgNo}
			r.said(e.Seq)
			return nil
		}
		r.read.Unread = int64(r.head.MsgNo - r.read.MsgNo)
		r.mean(&r.read.Mentions, e.Seq, isMeant(v.me, d.Mentions, d.MentionsRoom))
	case *api.MessageEdited:
		r.change(&r.read.Mentions, r.read.Seq, d.Message, isMeant(v.me, d.Mentions, d.MentionsRoom))
	case *api.MessageDeleted:
		r.change(&r.read.Mentions, r.read.Seq, d.Message, false)
	case *api.RoomDeleted:
		delete(v.rooms, e.RoomID)
	}
	return nil
}

// ApplyAccount takes an event of the account in.
func (v *Reads) ApplyAccount(e *api.AccountEventParams) {
	switch r := v.rooms[e.RoomID]; {
	case e.Type == api.AccountEventTypeRoomAdded && e.Room != nil:
		v.Load(e.Room)
	case e.Type == api.AccountEventTypeRoomRemoved:
		delete(v.rooms, e.RoomID)
	case e.Type != api.AccountEventTypeReadMarked || r == nil || e.Head == nil || e.Read == nil:
	case e.Head.Seq >= r.head.Seq:
		v.load(e.RoomID, *e.Head, *e.Read)
	case e.Read.Seq > r.read.Seq: // loaded meanwhile, before the mark was made and after its head was read
		r.stale = true
	}
}

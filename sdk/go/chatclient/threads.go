package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Threads keeps the threads that the user follows and how far they have read them: from thread.list, and the events of the
// rooms and of the account after that. It is for one goroutine at a time. What stands above a thread is Messages' to keep.
//
// Follow with FollowOptions.Account, then load all pages of thread.list, then apply what the Subscription hands out: threads of
// rooms that are not followed stay as they were loaded. After *AccountGap and *Gap they are to be loaded again, after *Reset into
// a new one; *Truncated is for Truncate.
type Threads struct {
	me     api.UserID
	heads  map[api.RoomID]api.Seq // the last event of each room that was applied
	firsts map[api.RoomID]api.Seq // where the logs begin of which something was removed, as far as it is known
	rooms  map[api.RoomID]map[api.Seq]*threadReads
}

// threadReads is one thread as of AsOf.
type threadReads struct {
	api.Thread
	unreadMentions
}

// NewThreads holds nothing yet; me is the caller.
func NewThreads(me api.UserID) *Threads {
	return &Threads{me: me, heads: map[api.RoomID]api.Seq{}, firsts: map[api.RoomID]api.Seq{}, rooms: map[api.RoomID]map[api.Seq]*threadReads{}}
}

// Load takes in how a thread stands: of thread.list, thread.get or another answer. One that is not followed is forgotten, and one
// that Truncate has dropped stays so.
func (v *Threads) Load(t *api.Thread) {
	if !t.Followed || t.Read == nil || t.Root < v.firsts[t.RoomID] {
		v.drop(t.RoomID, t.Root)
		return
	}
	if v.rooms[t.RoomID] == nil {
		v.rooms[t.RoomID] = map[api.Seq]*threadReads{}
	}
	held := &threadReads{Thread: *t, unreadMentions: countedTo(t.AsOf)}
	held.stale = t.AsOf < v.heads[t.RoomID]
	read := *t.Read
	held.Read, held.Message = &read, nil
	v.rooms[t.RoomID][t.Root] = held
}

// Truncate drops the threads of a room under messages before first, where the log begins now: *Truncated says so. The others stay
// as they are: no answer stands before the message that it answers, nor has anybody who follows a thread read less than that.
func (v *Threads) Truncate(room api.RoomID, first api.Seq) {
	v.firsts[room] = max(v.firsts[room], first)
	for root := range v.rooms[room] {
		if root < first {
			v.drop(room, root)
		}
	}
}

func (v *Threads) drop(room api.RoomID, root api.Seq) {
	delete(v.rooms[room], root)
	if len(v.rooms[room]) == 0 {
		delete(v.rooms, room)
	}
}

// Get gives a thread; false: it is not held. Its Message is left out, and its AsOf is that of the last event that changed it.
func (v *Threads) Get(room api.RoomID, root api.Seq) (api.Thread, bool) {
	t := v.rooms[room][root]
	if t == nil {
		return api.Thread{}, false
	}
	return t.copy(), true
}

func (t *threadReads) copy() api.Thread {
	c, read := t.Thread, *t.Read
	c.Read = &read
	return c
}

// Room gives the threads of a room, the one answered last first.
func (v *Threads) Room(id api.RoomID) []api.Thread {
	var all []api.Thread
	for _, t := range v.rooms[id] {
		all = append(all, t.copy())
	}
	last := func(t *api.Thread) api.Seq { return max(t.Head.Seq, t.Root) }
	slices.SortFunc(all, func(a, b api.Thread) int { return cmp.Compare(last(&b), last(&a)) })
	return all
}

// Stale gives the threads that have to be loaded again (thread.get): one came to be followed, or a message in it changed, that
// was counted before it was seen. Only their rooms and roots are told.
func (v *Threads) Stale() []api.Thread {
	var stale []api.Thread
	for id, threads := range v.rooms {
		for root, t := range threads {
			if t.stale {
				stale = append(stale, api.Thread{RoomID: id, Root: root})
			}
		}
	}
	slices.SortFunc(stale, func(a, b api.Thread) int {
		return cmp.Or(cmp.Compare(a.RoomID, b.RoomID), cmp.Compare(a.Root, b.Root))
	})
	return stale
}

// Apply takes the next event of a room in. What it knows already it passes over, and events of threads that are not held: that
// the user follows another one comes with an event of the account. The error is that of e.Payload.
func (v *Threads) Apply(e *api.Event) error {
	if e.Type == api.EventTypeRoomDeleted {
		v.forget(e.RoomID)
		return nil
	}
	v.heads[e.RoomID] = max(v.heads[e.RoomID], e.Seq)
	threads := v.rooms[e.RoomID]
	if len(threads) == 0 {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	held := func(root *api.Seq) *threadReads {
		if root == nil || threads[*root] == nil || e.Seq <= threads[*root].AsOf {
			return nil
		}
		t := threads[*root]
		t.AsOf = e.Seq
		return t
	}
	switch d := payload.(type) {
	case *api.MessagePosted:
		if t := held(d.Thread); t != nil && d.ThreadNo != nil {
			t.answer(e, d, v.me)
		}
	case *api.MessageEdited:
		if t := held(d.Thread); t != nil {
			t.change(&t.Read.Mentions, t.Read.Seq, d.Message, isMeant(v.me, d.Mentions, d.MentionsRoom))
		}
	case *api.MessageDeleted:
		if t := held(d.Thread); t != nil {
			t.Replies--
			t.change(&t.Read.Mentions, t.Read.Seq, d.Message, false)
		}
	}
	return nil
}

// forget drops all that is known of a room.
func (v *Threads) forget(room api.RoomID) {
	delete(v.rooms, room)
	delete(v.heads, room)
	delete(v.firsts, room)
}

// answer takes an answer in.
func (t *threadReads) answer(e *api.Event, d *api.MessagePosted, me api.UserID) {
	t.Head = api.ThreadHead{Seq: e.Seq, ThreadNo: *d.ThreadNo}
	t.Replies++
	if e.SenderID == me {
		*t.Read = api.ThreadRead{Seq: e.Seq, ThreadNo: *d.ThreadNo}
		t.said(e.Seq)
		return
	}
	t.Read.Unread = int64(t.Head.ThreadNo - t.Read.ThreadNo)
	t.mean(&t.Read.Mentions, e.Seq, isMeant(me, d.Mentions, d.MentionsRoom))
}

// ApplyAccount takes an event of the account in.
func (v *Threads) ApplyAccount(e *api.AccountEventParams) {
	if e.Type == api.AccountEventTypeRoomRemoved {
		v.forget(e.RoomID)
		return
	}
	if e.Thread == nil {
		return
	}
	t := v.rooms[e.RoomID][e.Thread.Root]
	switch {
	case e.Type == api.AccountEventTypeThreadUnfollowed, e.Type == api.AccountEventTypeThreadFollowed && t == nil:
		v.Load(e.Thread)
	case t == nil || e.Thread.Read == nil:
	case e.Thread.AsOf >= t.AsOf:
		v.Load(e.Thread)
		if t := v.rooms[e.RoomID][e.Thread.Root]; t != nil { // it is followed still
			t.stale = false // nothing in it has changed since
		}
	case e.Thread.Read.Seq > t.Read.Seq: // loaded meanwhile, before the mark was made and after its head was read
		t.stale = true
	}
}

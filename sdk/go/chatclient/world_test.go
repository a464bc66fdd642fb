package chatclient

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// world is a small model of the server's rooms and follows.
type world struct {
	t *testing.T
	f *fake

	mu      sync.Mutex
	rooms   map[api.RoomID][]string // records
	absent  map[api.RoomID]bool     // not found
	first   map[api.RoomID]api.Seq  // where the log begins; 0: at its beginning
	follows map[*peer]map[api.RoomID]bool
	joined  map[*peer]bool
	opens   []api.SyncOpenParams
	closes  int
	hide    func(room api.RoomID, seq api.Seq) bool // such a replayed or live event does not come
}

func newWorld(t *testing.T, rooms ...api.RoomID) *world {
	w := &world{t: t, f: newFake(t), rooms: map[api.RoomID][]string{}, absent: map[api.RoomID]bool{}, first: map[api.RoomID]api.Seq{}, follows: map[*peer]map[api.RoomID]bool{}, joined: map[*peer]bool{}}
	for _, id := range rooms {
		w.rooms[id] = nil
	}
	w.f.on(w.handle)
	return w
}

func name(id api.RoomID) string { return string(id[len("room_"):]) }

func (w *world) find(ref string) (api.RoomID, bool) {
	for id := range w.rooms {
		if (string(id) == ref || name(id) == ref) && !w.absent[id] {
			return id, true
		}
	}
	return "", false
}

func record(id api.RoomID, seq int, kind api.EventType, data string) string {
	return fmt.Sprintf(`{"room_id":%q,"seq":%d,"type":%q,"at":"2026-11-22T09:30:00.000Z","sender_id":"user_2","sender_name":"thanos","data":%s}`, id, seq, kind, data)
}

// post adds n messages to a room.
func (w *world) post(id api.RoomID, n int) {
	for range n {
		w.mu.Lock()
		seq := len(w.rooms[id]) + 1
		w.addLocked(id, record(id, seq, api.EventTypeMessagePosted, fmt.Sprintf(`{"msg_no":%d,"text":"line %d"}`, seq, seq)))
		w.mu.Unlock()
	}
}

// add adds one event.
func (w *world) add(id api.RoomID, kind api.EventType, data string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addLocked(id, record(id, len(w.rooms[id])+1, kind, data))
}

func (w *world) addLocked(id api.RoomID, rec string) {
	w.rooms[id] = append(w.rooms[id], rec)
	for p, follows := range w.follows {
		if follows[id] {
			w.event(p, id, api.Seq(len(w.rooms[id])))
		}
	}
}

func (w *world) event(p *peer, id api.RoomID, seq api.Seq) {
	if w.hide == nil || !w.hide(id, seq) {
		p.send(`{"jsonrpc":"2.0","method":"room.event","params":` + w.rooms[id][seq-1] + `}`)
	}
}

func (w *world) head(id api.RoomID) api.Head {
	return api.Head{Seq: api.Seq(len(w.rooms[id])), MsgNo: api.MsgNo(len(w.rooms[id]))}
}

// follow begins a follow after the answer was sent.
func (w *world) follow(p *peer, id api.RoomID, after api.Seq) {
	if w.follows[p] == nil {
		w.follows[p] = map[api.RoomID]bool{}
	}
	w.follows[p][id] = true
	for seq := after + 1; seq <= w.head(id).Seq; seq++ {
		w.event(p, id, seq)
	}
	w.caughtUp(p, id)
}

func (w *world) caughtUp(p *peer, id api.RoomID) {
	p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"room.caught_up","params":{"room_id":%q,"seq":%d}}`, id, w.head(id).Seq))
}

func (w *world) handle(p *peer, r *req) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch r.Method {
	case api.MethodRoomGet:
		id, ok := w.find(params[api.RoomGetParams](w.t, r).Room)
		if !ok {
			p.fail(r, api.Errorf(api.CodeNotFound, "").WithField("room"))
			return true
		}
		p.result(r, string((&api.RoomGetResult{Room: api.Room{ID: id, Name: name(id), Head: w.head(id)}}).AppendJSON(nil)))
	case api.MethodSyncClose:
		w.closes++
		delete(w.follows, p)
		delete(w.joined, p)
		p.result(r, `{"rooms":[]}`)
	case api.MethodSyncOpen:
		w.open(p, r)
	default:
		return false
	}
	return true
}

func (w *world) open(p *peer, r *req) {
	q := params[api.SyncOpenParams](w.t, r)
	w.opens = append(w.opens, *q)
	list := q.Rooms.List
	if q.Rooms.Joined {
		w.joined[p] = true
		for id := range w.rooms {
			if !w.absent[id] {
				list = append(list, api.SyncRoom{Room: string(id)})
			}
		}
	}
	res := &api.SyncOpenResult{Epoch: w.f.epoch, Rooms: []api.SyncedRoom{}}
	var then []func()
	for _, want := range list {
		id, ok := w.find(want.Room)
		if !ok {
			p.fail(r, api.Errorf(api.CodeNotFound, "").WithField("rooms"))
			return
		}
		as := api.SyncedRoom{RoomID: id, Name: name(id), Status: api.FollowStatusLive, Head: w.head(id)}
		after, first := as.Head.Seq, w.first[id]
		if first > 0 {
			as.FirstSeq = &first
		}
		switch {
		case want.After == nil && w.follows[p][id]:
			res.Rooms = append(res.Rooms, as)
			continue
		case want.After == nil:
		case q.Epoch != "" && q.Epoch != w.f.epoch || *want.After > as.Head.Seq:
			as.Status = api.FollowStatusReset
		case *want.After+1 < first:
			after = first - 1
			as.Status, as.Gap = api.FollowStatusLimited, &api.Gap{From: *want.After + 1, To: after, Reason: api.GapReasonRetention}
		case q.MaxReplay != nil && int64(as.Head.Seq-*want.After) > *q.MaxReplay:
			after = as.Head.Seq - api.Seq(*q.MaxReplay)
			as.Status, as.Gap = api.FollowStatusLimited, &api.Gap{From: *want.After + 1, To: after, Reason: api.GapReasonLimited}
			gap := *as.Gap
			then = append(then, func() {
				p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":%q,"from":%d,"to":%d,"reason":"limited"}}`, id, gap.From, gap.To))
			})
		case *want.After < as.Head.Seq:
			after = *want.After
			as.Status = api.FollowStatusReplay
		}
		res.Rooms = append(res.Rooms, as)
		then = append(then, func() { w.follow(p, id, after) })
	}
	p.result(r, string(res.AppendJSON(nil)))
	for _, f := range then {
		f()
	}
}

// join makes the user a member elsewhere: who follows all joined rooms gets it from that event on.
func (w *world) join(id api.RoomID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.absent, id)
	seq := len(w.rooms[id]) + 1
	for p := range w.joined {
		if w.follows[p] == nil {
			w.follows[p] = map[api.RoomID]bool{}
		}
		w.follows[p][id] = true
	}
	w.addLocked(id, record(id, seq, api.EventTypeMemberJoined, `{"user_id":"user_1","username":"groot","role":"member"}`))
	for p := range w.joined {
		w.caughtUp(p, id)
	}
}

// leave ends the membership.
func (w *world) leave(id api.RoomID) {
	w.end(id, api.EventTypeMemberLeft, `{"user_id":"user_1","username":"groot"}`)
}

// end ends the membership by an event.
func (w *world) end(id api.RoomID, by api.EventType, data string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addLocked(id, record(id, len(w.rooms[id])+1, by, data))
	w.absent[id] = true
	for _, follows := range w.follows {
		delete(follows, id)
	}
}

// openings are the sync.open calls so far.
func (w *world) openings() []api.SyncOpenParams {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]api.SyncOpenParams(nil), w.opens...)
}

// show is a notification in a few words.
func show(n Notification) string {
	switch n := n.(type) {
	case *EventReceived:
		s := fmt.Sprintf("%s:%d", name(n.RoomID), n.Seq)
		if n.Type != api.EventTypeMessagePosted {
			s += " " + string(n.Type)
		}
		if n.Last {
			s += ", the last"
		}
		return s
	case *CaughtUp:
		return fmt.Sprintf("%s caught up %d", name(n.RoomID), n.Seq)
	case *Gap:
		return fmt.Sprintf("%s gap %d-%d %s", name(n.RoomID), n.From, n.To, n.Reason)
	case *Truncated:
		return fmt.Sprintf("%s begins at %d", name(n.RoomID), n.FirstSeq)
	case *Reset:
		return fmt.Sprintf("%s reset %d %s", name(n.RoomID), n.Seq, n.Epoch)
	case *Signal:
		return fmt.Sprintf("%s %s", n.Username, n.State)
	case *UserUpdated:
		return fmt.Sprintf("%s in %s is %q", n.User.Username, name(n.RoomID), n.User.DisplayName)
	case *Account:
		return fmt.Sprintf("account %s %s", n.Type, n.RoomID)
	case *AccountGap:
		return "account gap"
	case *Closing:
		return fmt.Sprintf("closing %s %v %v", n.Reason, n.Return, n.ReconnectAfter)
	case *Reconnected:
		return "reconnected"
	case *Unfollowed:
		return fmt.Sprintf("unfollowed %s", n.RoomID)
	}
	b, _ := json.Marshal(n)
	return string(b)
}

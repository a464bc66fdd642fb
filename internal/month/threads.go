package month

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// part is somebody's part in a thread.
type part struct {
	followed bool
	read     api.Seq
}

// Thread is the thread under a message as somebody sees it.
func (r *Room) Thread(root *Message, by api.UserID) api.Thread {
	seen := root.Seen(by)
	t := api.Thread{RoomID: r.Line.ID, Root: root.Seq, AsOf: r.Line.Head.Seq, Head: api.ThreadHead{Seq: root.last, ThreadNo: root.answers}, Message: &seen}
	if root.Replies != nil {
		t.Replies = *root.Replies
	}
	p := root.parts[by]
	if p == nil || !p.followed {
		return t
	}
	t.Followed, t.Read = true, &api.ThreadRead{Seq: p.read}
	for _, msg := range r.Messages {
		switch {
		case msg.Thread == nil || *msg.Thread != root.Seq:
		case msg.Seq <= p.read:
			t.Read.ThreadNo++
		default:
			t.Read.Unread++
			if msg.means(by) {
				t.Read.Mentions++
			}
		}
	}
	return t
}

// Followed are the messages whose threads somebody follows.
func (r *Room) Followed(by api.UserID) []*Message {
	return slices.DeleteFunc(slices.Clone(r.Messages), func(m *Message) bool { return m.parts[by] == nil || !m.parts[by].followed })
}

// follow makes somebody follow a thread, if they are in the room and have no part in it.
func (r *Room) follow(root *Message, who api.UserID, read api.Seq) {
	if root.parts[who] == nil && r.person(who).Role != "" {
		root.parts[who] = &part{true, read}
	}
}

// takePart is what an answer does: who gives it has read up to it, and whom it means follows; the first one makes also those
// follow whom the message above has to do with.
func (r *Room) takePart(root, msg *Message) {
	r.follow(root, msg.SenderID, msg.Seq)
	if p := root.parts[msg.SenderID]; p.followed {
		p.read = msg.Seq
	}
	who := msg.Mentions
	if root.answers == 0 {
		who = slices.Concat([]api.UserID{root.SenderID}, root.Mentions, who)
	}
	for _, user := range who {
		r.follow(root, user, msg.Seq-1)
	}
	root.answers++
	root.last = msg.Seq
}

// meant makes those follow whom an edit means and the message did not mean before.
func (r *Room) meant(msg *Message, was []api.UserID) {
	root, read := msg, r.Line.Head.Seq
	if msg.Thread != nil {
		root, read = r.bySeq[*msg.Thread], msg.Seq-1
	}
	for _, user := range msg.Mentions {
		if root.answers > 0 && user != msg.SenderID && !slices.Contains(was, user) {
			r.follow(root, user, read)
		}
	}
}

// decide lets somebody follow a thread, or not any more, which no event tells.
func (r *Room) decide() bool {
	root, by := r.message(func(m *Message) bool { return m.Thread == nil }), r.any(in)
	if root == nil || by == nil {
		return false
	}
	p := root.parts[by.UserID]
	root.parts[by.UserID] = &part{p == nil || !p.followed, r.Line.Head.Seq}
	return true
}

// readOn lets somebody read a thread to its end.
func (r *Room) readOn() bool {
	root, by := r.message(func(m *Message) bool { return m.answers > 0 }), r.any(in)
	if root == nil || by == nil || root.parts[by.UserID] == nil || !root.parts[by.UserID].followed {
		return false
	}
	if p := root.parts[by.UserID]; p.read < root.last {
		p.read = r.Line.Head.Seq
	}
	return true
}

// parts are what a member's line says of threads.
func (r *Room) parts(user api.UserID) (all []api.ExportThread) {
	for _, msg := range r.Messages {
		if p := msg.parts[user]; p != nil {
			x := api.ExportThread{Root: msg.Seq}
			if p.followed {
				x.Read = &p.read
			}
			all = append(all, x)
		}
	}
	return all
}

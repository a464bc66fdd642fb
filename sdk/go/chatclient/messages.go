package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Messages keeps messages of one room as they stand: from pages of message.list, the room's events after
// them, and Truncate. It is for one goroutine at a time. What it holds is what message.list would give now.
type Messages struct {
	me    api.UserID
	head  api.Seq
	first api.Seq // where the log begins, as far as it is known; 0: nothing was removed
	bySeq map[api.Seq]*api.Message
}

// NewMessages holds nothing yet; me is the caller, whose reactions are marked.
func NewMessages(me api.UserID) *Messages {
	return &Messages{me: me, bySeq: map[api.Seq]*api.Message{}}
}

// Load takes a page in, which may be older than what is there. Its messages stand as of the page's head: load what is to be
// held first, then apply all events after the lowest of these heads. What Truncate has dropped stays away.
func (v *Messages) Load(page *api.MessageListResult) {
	if page.FirstSeq != nil {
		v.Truncate(*page.FirstSeq)
	}
	for i := range page.Messages {
		m := page.Messages[i]
		if m.Seq < v.first {
			continue
		}
		m.Reactions = slices.Clone(m.Reactions)
		v.bySeq[m.Seq] = &m
	}
	v.head = max(v.head, page.Head.Seq)
}

// Truncate drops what stands before first, where the log begins now: *Truncated says so.
func (v *Messages) Truncate(first api.Seq) {
	v.first = max(v.first, first)
	for seq := range v.bySeq {
		if seq < first {
			delete(v.bySeq, seq)
		}
	}
}

// Head is the seq of the last event that it knows.
func (v *Messages) Head() api.Seq { return v.head }

// Get gives a message; false: it is not held.
func (v *Messages) Get(seq api.Seq) (api.Message, bool) {
	m := v.bySeq[seq]
	if m == nil {
		return api.Message{}, false
	}
	return *m, true
}

// All gives the messages by seq.
func (v *Messages) All() []api.Message {
	all := make([]api.Message, 0, len(v.bySeq))
	for _, m := range v.bySeq {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b api.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

// Apply takes the next event in. What it knows already it passes over; an event of an unknown type is only counted. The error is that of e.Payload.
func (v *Messages) Apply(e *api.Event) error {
	if e.Seq <= v.head {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	v.head = e.Seq
	switch d := payload.(type) {
	case *api.MessagePosted:
		v.bySeq[e.Seq] = &api.Message{
			RoomID: e.RoomID, Seq: e.Seq, MsgNo: d.MsgNo, At: e.At, SenderID: e.SenderID, SenderName: e.SenderName, Text: d.Text, Format: d.Format,
			ReplyTo: d.ReplyTo, Data: d.Data, Thread: d.Thread, ThreadNo: d.ThreadNo, Mentions: d.Mentions, MentionsRoom: d.MentionsRoom, Deleted: d.Deleted,
		}
		if d.Thread != nil {
			v.answered(*d.Thread, 1, e.Seq)
		}
	case *api.MessageEdited:
		if m := v.bySeq[d.Message]; m != nil && !m.Deleted && !d.Deleted {
			m.Text, m.Format, m.Data, m.Mentions, m.MentionsRoom = d.Text, d.Format, d.Data, d.Mentions, d.MentionsRoom
			m.EditedSeq, m.EditedAt = &e.Seq, &e.At
		}
	case *api.MessageDeleted:
		if d.Thread != nil {
			v.answered(*d.Thread, -1, 0)
		}
		if m := v.bySeq[d.Message]; m != nil {
			m.Text, m.Format, m.Data, m.Mentions, m.MentionsRoom, m.EditedSeq, m.EditedAt, m.Pinned, m.Reactions = "", "", nil, nil, false, nil, nil, false, nil
			m.Deleted = true
		}
	case *api.ReactionAdded:
		v.react(d.Message, d.Emoji, e.SenderID, 1)
	case *api.ReactionRemoved:
		v.react(d.Message, d.Emoji, e.SenderID, -1)
	case *api.PinAdded:
		v.pin(d.Message, true)
	case *api.PinRemoved:
		v.pin(d.Message, false)
	case *api.RoomDeleted:
		clear(v.bySeq) // nothing of it is anywhere; if it is given back, by an import, it begins anew
		v.head, v.first = 0, 0
	}
	return nil
}

// answered counts an answer in a thread, or takes one back.
func (v *Messages) answered(root api.Seq, by int64, last api.Seq) {
	m := v.bySeq[root]
	if m == nil {
		return
	}
	n := by
	if m.Replies != nil {
		n += *m.Replies
	}
	if n <= 0 {
		m.Replies, m.LastReply = nil, nil
		return
	}
	m.Replies = &n
	if last > 0 {
		m.LastReply = &last
	}
}

func (v *Messages) pin(seq api.Seq, pinned bool) {
	if m := v.bySeq[seq]; m != nil {
		m.Pinned = pinned
	}
}

func (v *Messages) react(seq api.Seq, emoji string, by api.UserID, n int64) {
	m := v.bySeq[seq]
	if m == nil {
		return
	}
	i := slices.IndexFunc(m.Reactions, func(c api.ReactionCount) bool { return c.Emoji == emoji })
	if i < 0 {
		i = len(m.Reactions)
		m.Reactions = append(m.Reactions, api.ReactionCount{Emoji: emoji})
	}
	c := &m.Reactions[i]
	c.Count += n
	if by == v.me {
		c.Mine = n > 0
	}
	if m.Reactions = slices.DeleteFunc(m.Reactions, func(c api.ReactionCount) bool { return c.Count <= 0 }); len(m.Reactions) == 0 {
		m.Reactions = nil
	}
	slices.SortFunc(m.Reactions, func(a, b api.ReactionCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Emoji, b.Emoji))
	})
}

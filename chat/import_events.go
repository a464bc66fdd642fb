package chat

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// event adds an event to the log, and does to its messages what was done to them when it happened. All is looked at before
// anything is put.
func (r *importRun) event(t Tx, i int, raw json.RawMessage) error {
	ev, payload, err := r.record(i, raw)
	if err != nil {
		return err
	}
	room := t.Room()
	switch {
	case room == nil || ev.RoomID != room.ID || ev.RoomID != r.st.Room:
		return r.refuse(api.CodeInvalidParams, i, "event.room_id", "the events of %s come now", r.st.Room)
	case ev.Seq != r.st.At.Seq+1:
		return r.refuse(api.CodeInvalidParams, i, "event.seq", "the next one is %d", r.st.At.Seq+1)
	case ev.Seq > r.st.Until.Seq:
		return r.refuse(api.CodeInvalidParams, i, "event.seq", "the room's log ends at %d", r.st.Until.Seq)
	}
	if err := r.known(t, i, "event.sender_id", ev.SenderID); err != nil {
		return err
	}
	f := &fold{run: r, t: t, i: i, ev: ev, rec: &Restored{SenderID: ev.SenderID, At: ev.At, Kind: ev.Type, Key: ev.IdempotencyKey, Bytes: raw}}
	if err := f.payload(payload); err != nil {
		return err
	}
	if r.st.At.Seq = ev.Seq; ev.Type == api.EventTypeMessagePosted {
		r.st.At.MsgNo++
	}
	r.st.Import.Events++
	return nil
}

// record reads an event's record, as far as it says something by itself.
func (r *importRun) record(i int, raw json.RawMessage) (*api.Event, api.EventPayload, error) {
	ev := new(api.Event)
	if err := ev.UnmarshalJSON(raw); err != nil {
		return nil, nil, r.refuse(api.CodeInvalidParams, i, "event", "%s", faultOf(err))
	}
	for _, f := range []struct {
		path string
		is   bool
	}{
		{"event", bytes.IndexByte(raw, '\n') < 0}, // it would not be a line
		{"event.room_id", isRoomID(string(ev.RoomID))},
		{"event.sender_id", isUserID(string(ev.SenderID))},
		{"event.sender_name", ev.SenderName != ""},
		{"event.seq", ev.Seq > 0},
		{"event.idempotency_key", len(ev.IdempotencyKey) <= maxKey && (ev.IdempotencyKey == "" || ev.Type == api.EventTypeMessagePosted)},
	} {
		if !f.is {
			return nil, nil, r.refuse(api.CodeInvalidParams, i, f.path, "is not what a record has")
		}
	}
	payload, err := ev.Payload()
	if err != nil {
		return nil, nil, r.refuse(api.CodeInvalidParams, i, "event.data", "%s", faultOf(err))
	}
	switch payload.(type) {
	case *api.RoomDeleted:
		return nil, nil, r.refuse(api.CodeInvalidParams, i, "event.type", "of a deleted room there is no log")
	case *api.UnknownEvent:
		return nil, nil, r.refuse(api.CodeInvalidParams, i, "event.type", "this server does not know what %.64q does", ev.Type)
	}
	return ev, payload, nil
}

// maxKey is the length of the longest idempotency key.
const maxKey = 128

// faultOf is what is wrong with a value, without who says so.
func faultOf(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

// fold is one event on its way into the log.
type fold struct {
	run *importRun
	t   Tx
	i   int // its line
	ev  *api.Event
	rec *Restored
}

func (f *fold) payload(payload api.EventPayload) error {
	switch d := payload.(type) {
	case *api.MessagePosted:
		return f.posted(d)
	case *api.MessageEdited:
		return f.about(d.Message, func(m *MessageState) error { return f.edited(m, d) })
	case *api.MessageDeleted:
		return f.about(d.Message, f.deleted)
	case *api.ReactionAdded:
		return f.about(d.Message, func(m *MessageState) error {
			has, _, err := f.t.Reaction(m.Seq, d.Emoji, f.ev.SenderID)
			if err != nil || has || m.Deleted != 0 {
				return err
			}
			return f.t.PutReaction(m.Seq, d.Emoji, f.ev.SenderID)
		})
	case *api.ReactionRemoved:
		return f.about(d.Message, func(m *MessageState) error { return f.t.DeleteReaction(m.Seq, d.Emoji, f.ev.SenderID) })
	case *api.PinAdded:
		return f.about(d.Message, func(m *MessageState) error { return f.pinned(m, f.ev.Seq) })
	case *api.PinRemoved:
		return f.about(d.Message, func(m *MessageState) error { return f.pinned(m, 0) })
	}
	return f.t.Restore(f.rec) // who is in the room and how it is say its other lines
}

// message finds a message that the event names; nil: it is not in the log any more.
func (f *fold) message(seq api.Seq, path string) (*MessageState, error) {
	m, err := f.t.Message(seq)
	switch {
	case !errors.Is(err, ErrNoMessage):
		return m, err
	case seq <= f.run.st.Gone.Seq:
		return nil, nil
	}
	return nil, f.run.refuse(api.CodeInvalidParams, f.i, "event.data."+path, "%d is no message", seq)
}

// about does what the event has done to a message, and adds it.
func (f *fold) about(seq api.Seq, do func(m *MessageState) error) error {
	m, err := f.message(seq, "message")
	if err == nil && m != nil {
		err = do(m)
	}
	if err != nil {
		return err
	}
	f.rec.Of = seq
	return f.t.Restore(f.rec)
}

// posted adds a message. One of which nothing is left counts as deleted, whether its message.deleted comes later or not at
// all: the log may have been read up to an event before that.
func (f *fold) posted(d *api.MessagePosted) error {
	if next := f.run.st.At.MsgNo + 1; d.MsgNo != next {
		return f.run.refuse(api.CodeInvalidParams, f.i, "event.data.msg_no", "the next one is %d", next)
	}
	var root *MessageState
	if f.rec.Of = orElse(d.Thread, 0); f.rec.Of != 0 {
		var err error
		if root, err = f.message(f.rec.Of, "thread"); err != nil {
			return err
		}
		if root != nil && d.ThreadNo != nil && *d.ThreadNo != root.Answers+1 { // older records have none
			return f.run.refuse(api.CodeInvalidParams, f.i, "event.data.thread_no", "the next one is %d", root.Answers+1)
		}
	}
	err := f.t.Restore(f.rec)
	if errors.Is(err, ErrKeyConflict) {
		return f.run.refuse(api.CodeIdempotencyConflict, f.i, "event.idempotency_key", "its sender has used it before")
	}
	if err == nil && d.Deleted {
		err = f.t.PutMessage(&MessageState{Seq: f.ev.Seq, Deleted: f.ev.Seq})
	}
	if err == nil && root != nil {
		root.Answers++
		if root.LastReply = f.ev.Seq; !d.Deleted {
			root.Replies++
		}
		err = f.t.PutMessage(root)
	}
	if who := (Mentions{Users: d.Mentions, Room: d.MentionsRoom}).counted(); err == nil && !who.none() {
		err = f.t.PutMentions(f.ev.Seq, who)
	}
	return err
}

// said is what a message has said, ever, and what it says now.
func (f *fold) said(m *MessageState) (versions []Record, was *api.MessageEdited, err error) {
	if versions, err = f.t.Versions(m.Seq); err != nil {
		return nil, nil, err
	}
	if was, err = saying(versions); err != nil {
		return nil, nil, f.unread(m)
	}
	return versions, was, nil
}

// unread refuses an event about a message that says nothing which can be read.
func (f *fold) unread(m *MessageState) error {
	return f.run.refuse(api.CodeInvalidParams, f.i, "event.data.message", "what %d says cannot be read", m.Seq)
}

func (f *fold) edited(m *MessageState, d *api.MessageEdited) error {
	_, was, err := f.said(m)
	if err != nil {
		return err
	}
	m.Edited, m.EditedAt = f.ev.Seq, f.ev.At
	if err := f.t.PutMessage(m); err != nil {
		return err
	}
	return (&target{msg: m}).mean(f.t, was, Mentions{Users: d.Mentions, Room: d.MentionsRoom})
}

// deleted takes from the log what the message said, if that was not done where it comes from.
func (f *fold) deleted(m *MessageState) error {
	versions, was, err := f.said(m)
	if err != nil {
		return err
	}
	var root *MessageState
	if m.Thread != 0 && m.Deleted == 0 {
		if root, err = f.message(m.Thread, "thread"); err != nil {
			return err
		}
	}
	var rewrite []*Record
	for i := range versions {
		v := &versions[i]
		rest, err := blanked(v.Bytes)
		if err != nil {
			return f.unread(m)
		}
		if !bytes.Equal(rest, v.Bytes) {
			v.Bytes = rest
			rewrite = append(rewrite, v)
		}
	}
	for _, v := range rewrite {
		if err := f.t.Rewrite(v); err != nil {
			return err
		}
	}
	if err := f.t.DeleteReaction(m.Seq, "", ""); err != nil {
		return err
	}
	if err := (&target{msg: m}).mean(f.t, was, Mentions{}); err != nil {
		return err
	}
	m.Deleted, m.Pinned = f.ev.Seq, 0
	if err := f.t.PutMessage(m); err != nil || root == nil {
		return err
	}
	root.Replies--
	return f.t.PutMessage(root)
}

func (f *fold) pinned(m *MessageState, seq api.Seq) error {
	if m.Deleted != 0 {
		return nil
	}
	m.Pinned = seq
	return f.t.PutMessage(m)
}

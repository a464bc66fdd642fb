package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// maxEdits is how often a message may be edited: deleting it rewrites them all.
const maxEdits = 1000

// target is a message that an act is about, and who acts.
type target struct {
	entry *Entry
	user  *Account
	me    *Membership
	msg   *MessageState
}

// onMessage commits an act of the caller's on a message that is there.
func (s *Session) onMessage(ctx context.Context, ref string, seq api.Seq, do func(t Tx, on *target) error) (*Entry, error) {
	room, err := s.roomID(ctx, "room", ref)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	e := s.svc.entry(room, user)
	e.Act = does(func(t Tx) error {
		me, err := memberOf(t, user.ID)
		if err != nil {
			return err
		}
		m, err := t.Message(seq)
		if errors.Is(err, ErrNoMessage) {
			return noMessage("seq")
		}
		if err != nil {
			return err
		}
		return do(t, &target{entry: e, user: user, me: me, msg: m})
	})
	if err := s.svc.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, ref, err)
	}
	return e, nil
}

// tell appends an event about the message.
func (on *target) tell(t Tx, kind api.EventType, data appender) error {
	return t.Append(&fact{entry: on.entry, sender: on.user.Username, kind: kind, data: data, about: on.msg.Seq})
}

// there refuses what is to be done with a message that was deleted.
func (on *target) there() error {
	if on.msg.Deleted != 0 {
		return api.Errorf(api.CodeNotFound, "the message was deleted").WithField("seq")
	}
	return nil
}

func noMessage(field string) error {
	return api.Errorf(api.CodeNotFound, "no such message").WithField(field)
}

// moderates tells whether a role may do what moderators do.
func moderates(r api.Role) bool { return r == api.RoleOwner || r == api.RoleModerator }

// eventOf is the seq of the event that e made; nil if it changed nothing.
func eventOf(e *Entry) *api.Seq {
	if e.Unchanged {
		return nil
	}
	return &e.Records[0].Seq
}

// MessageEdit implements message.edit.
func (s *Session) MessageEdit(ctx context.Context, p *api.MessageEditParams) (*api.MessageEditResult, error) {
	if err := s.svc.fits(p.Text, p.Data); err != nil {
		return nil, err
	}
	room, err := s.roomID(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	who, err := s.mentions(ctx, room, p.Text, p.Format, p.Mentions)
	if err != nil {
		return nil, err
	}
	data := &api.MessageEdited{Message: p.Seq, Text: p.Text, Format: p.Format, Data: p.Data, Mentions: who.Users, MentionsRoom: who.Room}
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if err := on.there(); err != nil {
			return err
		}
		if on.msg.SenderID != on.user.ID {
			return api.Errorf(api.CodePermissionDenied, "only who said it may edit it").WithField("seq")
		}
		if at := max(on.msg.Edited, on.msg.Seq); p.IfSeq != nil && *p.IfSeq != at {
			return api.Errorf(api.CodeConflict, "the message stands at %d", at).WithField("if_seq")
		}
		versions, err := t.Versions(p.Seq)
		if err != nil {
			return err
		}
		was, err := saying(versions)
		if err != nil || says(was, data) {
			return err
		}
		if len(versions) > maxEdits {
			return api.Errorf(api.CodeFailedPrecondition, "edited %d times: post it anew", maxEdits).WithField("seq")
		}
		on.msg.Edited, on.msg.EditedAt = t.Room().Head.Seq+1, on.entry.At
		if err := t.PutMessage(on.msg); err != nil {
			return err
		}
		if err := on.mean(t, was, who); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMessageEdited, data)
	})
	if err != nil {
		return nil, err
	}
	return &api.MessageEditResult{RoomID: e.RoomID, Message: p.Seq, Edited: !e.Unchanged, Seq: eventOf(e)}, nil
}

// saying is what a message says, of all its versions the last.
func saying(versions []Record) (*api.MessageEdited, error) {
	var ev api.Event
	if err := json.Unmarshal(versions[len(versions)-1].Bytes, &ev); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	was := new(api.MessageEdited) // a post says the same under the same names
	if err := json.Unmarshal(ev.Data, was); err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	return was, nil
}

// says tells whether a message says just what data does.
func says(was, data *api.MessageEdited) bool {
	return was.Text == data.Text && plainly(was.Format) == plainly(data.Format) && bytes.Equal(was.Data, data.Data) &&
		slices.Equal(was.Mentions, data.Mentions) && was.MentionsRoom == data.MentionsRoom
}

// mean makes the message mean who, instead of whom it meant.
func (on *target) mean(t Tx, was *api.MessageEdited, who Mentions) error {
	before, now := Mentions{Users: was.Mentions, Room: was.MentionsRoom}.counted(), who.counted()
	if before.equal(now) {
		return nil
	}
	if err := t.DeleteMentions(on.msg.Seq, before); err != nil {
		return err
	}
	return t.PutMentions(on.msg.Seq, now)
}

// plainly is a format, spelled out or not.
func plainly(f api.TextFormat) api.TextFormat {
	if f == "" {
		return api.TextFormatPlain
	}
	return f
}

// MessageDelete implements message.delete.
func (s *Session) MessageDelete(ctx context.Context, p *api.MessageDeleteParams) (*api.MessageDeleteResult, error) {
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if on.msg.SenderID != on.user.ID && !moderates(on.me.Role) {
			return api.Errorf(api.CodePermissionDenied, "only who said it, moderators and owners may delete it").WithField("seq")
		}
		if on.msg.Deleted != 0 {
			return nil
		}
		return on.delete(t, p.Reason)
	})
	if err != nil {
		return nil, err
	}
	return &api.MessageDeleteResult{RoomID: e.RoomID, Message: p.Seq, Deleted: !e.Unchanged, Seq: eventOf(e)}, nil
}

// delete takes from the log what the message said, ever, and tells it.
func (on *target) delete(t Tx, reason string) error {
	versions, err := t.Versions(on.msg.Seq)
	if err != nil {
		return err
	}
	was, err := saying(versions)
	if err != nil {
		return err
	}
	for i := range versions {
		if versions[i].Bytes, err = blanked(versions[i].Bytes); err != nil {
			return err
		}
	}
	data := &api.MessageDeleted{Message: on.msg.Seq, Reason: reason}
	var root *MessageState
	if on.msg.Thread != 0 {
		data.Thread = &on.msg.Thread
		if root, err = t.Message(on.msg.Thread); err != nil {
			return err
		}
	}
	for i := range versions {
		if err := t.Rewrite(&versions[i]); err != nil {
			return err
		}
	}
	if err := t.DeleteReaction(on.msg.Seq, "", ""); err != nil {
		return err
	}
	if err := on.mean(t, was, Mentions{}); err != nil {
		return err
	}
	on.msg.Deleted, on.msg.Pinned = t.Room().Head.Seq+1, 0
	if err := t.PutMessage(on.msg); err != nil {
		return err
	}
	if root != nil {
		root.Replies--
		if err := t.PutMessage(root); err != nil {
			return err
		}
	}
	return on.tell(t, api.EventTypeMessageDeleted, data)
}

// blanked is a record of a message without what it said.
func blanked(record []byte) ([]byte, error) {
	var ev api.Event
	if err := json.Unmarshal(record, &ev); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	var err error
	var data appender
	if ev.Type == api.EventTypeMessagePosted {
		var was api.MessagePosted
		err = json.Unmarshal(ev.Data, &was)
		data = &api.MessagePosted{MsgNo: was.MsgNo, ReplyTo: was.ReplyTo, Thread: was.Thread, Deleted: true}
	} else {
		var was api.MessageEdited
		err = json.Unmarshal(ev.Data, &was)
		data = &api.MessageEdited{Message: was.Message, Deleted: true}
	}
	if err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	ev.Data, ev.Raw = data.AppendJSON(nil), nil
	return ev.AppendJSON(nil), nil
}

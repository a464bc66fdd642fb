package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// maxEdits is how often a message may be edited: deleting it rewrites them all.
const maxEdits = 1000

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
		if on.msg.Thread != 0 {
			data.Thread = &on.msg.Thread
		}
		if err := on.there(); err != nil {
			return err
		}
		if on.msg.SenderID != on.user.ID {
			return api.Errorf(api.CodePermissionDenied, "only who said it may edit it").WithField("seq")
		}
		if err := on.speaks(t); err != nil {
			return err
		}
		if err := on.means(&who, p.Mentions != nil); err != nil {
			return err
		}
		data.MentionsRoom = who.Room
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
		parts, err := on.takePart(t, was, who)
		if err != nil {
			return err
		}
		on.msg.Edited, on.msg.EditedAt = t.Room().Head.Seq+1, on.entry.At
		if err := t.PutMessage(on.msg); err != nil {
			return err
		}
		if err := on.mean(t, was, who); err != nil {
			return err
		}
		if err := parts.put(t); err != nil {
			return err
		}
		if err := on.tell(t, api.EventTypeMessageEdited, data); err != nil {
			return err
		}
		return parts.tell(t, on.entry)
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
		if on.msg.SenderID != on.user.ID && !on.can(DeleteOfOthers) {
			return api.Errorf(api.CodePermissionDenied, "only who said it, moderators and owners may delete it").WithField("seq")
		}
		if on.msg.Deleted != 0 {
			return nil
		}
		_, err := on.delete(t, p.Reason)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.MessageDeleteResult{RoomID: e.RoomID, Message: p.Seq, Deleted: !e.Unchanged, Seq: eventOf(e)}, nil
}

// delete takes from the log what the message said, ever, and tells it; it gives how many records that were.
func (on *target) delete(t Tx, reason string) (int, error) {
	versions, err := t.Versions(on.msg.Seq)
	if err != nil {
		return 0, err
	}
	was, err := saying(versions)
	if err != nil {
		return 0, err
	}
	for i := range versions {
		if versions[i].Bytes, err = blanked(versions[i].Bytes); err != nil {
			return 0, err
		}
	}
	data := &api.MessageDeleted{Message: on.msg.Seq, Reason: reason}
	var root *MessageState
	if on.msg.Thread != 0 {
		data.Thread = &on.msg.Thread
		if on.msg.Thread > t.Room().Gone.Seq {
			if root, err = t.Message(on.msg.Thread); err != nil {
				return 0, err
			}
		}
	}
	for i := range versions {
		if err := t.Rewrite(&versions[i]); err != nil {
			return 0, err
		}
	}
	if err := t.DeleteReaction(on.msg.Seq, "", ""); err != nil {
		return 0, err
	}
	if err := on.mean(t, was, Mentions{}); err != nil {
		return 0, err
	}
	on.msg.Deleted, on.msg.Pinned = t.Room().Head.Seq+1, 0
	if err := t.PutMessage(on.msg); err != nil {
		return 0, err
	}
	if root != nil {
		root.Replies--
		if err := t.PutMessage(root); err != nil {
			return 0, err
		}
	}
	return len(versions), on.tell(t, api.EventTypeMessageDeleted, data)
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
		data = &api.MessagePosted{MsgNo: was.MsgNo, ReplyTo: was.ReplyTo, Thread: was.Thread, ThreadNo: was.ThreadNo, Deleted: true}
	} else {
		var was api.MessageEdited
		err = json.Unmarshal(ev.Data, &was)
		data = &api.MessageEdited{Message: was.Message, Thread: was.Thread, Deleted: true}
	}
	if err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	ev.Data, ev.Raw = data.AppendJSON(nil), nil
	return ev.AppendJSON(nil), nil
}

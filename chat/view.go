package chat

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/chatd-dev/chatd/api"
)

// look reads a room that the caller is in, and more of it, as it stands at one moment.
func (s *Session) look(ctx context.Context, ref string, more func(r Reader, v *RoomView) error) error {
	room, err := s.roomID(ctx, "room", ref)
	if err != nil {
		return err
	}
	return s.svc.coded(s.svc.store.Snapshot(ctx, func(r Reader) error {
		user, login := s.who()
		if user == nil {
			return signInFirst()
		}
		v, err := r.RoomByID(ctx, room, user.ID)
		if err := mayEnter(login, "room", v, err, true).err; err != nil {
			return err
		}
		return more(r, v)
	}))
}

// messages gives messages as they stand, by their records.
func (s *Session) messages(ctx context.Context, r Reader, v *RoomView, posted []Record) ([]api.Message, error) {
	views, err := r.Messages(ctx, v.ID, s.UserID(), posted)
	if err != nil {
		return nil, err
	}
	all := make([]api.Message, 0, len(views))
	for i := range views {
		m, err := views[i].Message()
		if err != nil {
			return nil, err
		}
		all = append(all, *m)
	}
	return all, nil
}

// Message folds what has become of a message into it.
func (v *MessageView) Message() (*api.Message, error) {
	var ev api.Event
	if err := json.Unmarshal(v.Posted, &ev); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	var data api.MessagePosted
	if err := json.Unmarshal(ev.Data, &data); err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	st := &v.State
	m := &api.Message{
		RoomID: ev.RoomID, Seq: ev.Seq, MsgNo: data.MsgNo, At: ev.At, SenderID: ev.SenderID, SenderName: ev.SenderName,
		Text: data.Text, Format: data.Format, ReplyTo: data.ReplyTo, Data: data.Data, Thread: data.Thread, ThreadNo: data.ThreadNo, Mentions: data.Mentions, MentionsRoom: data.MentionsRoom,
		Deleted: st.Deleted != 0, Pinned: st.Pinned != 0, Reactions: v.Reactions,
	}
	if st.Replies > 0 {
		m.Replies, m.LastReply = &st.Replies, &st.LastReply
	}
	if v.Edit == nil || m.Deleted {
		return m, nil
	}
	var edit api.MessageEdited
	if err := json.Unmarshal(v.Edit, &ev); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	if err := json.Unmarshal(ev.Data, &edit); err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	m.Text, m.Format, m.Data, m.Mentions, m.MentionsRoom = edit.Text, edit.Format, edit.Data, edit.Mentions, edit.MentionsRoom
	m.EditedSeq, m.EditedAt = &st.Edited, &st.EditedAt
	return m, nil
}

// MessageList implements message.list.
func (s *Session) MessageList(ctx context.Context, p *api.MessageListParams) (*api.MessageListResult, error) {
	q := &pageQuery{before: p.Before, after: p.After, around: p.Around, limit: p.Limit, types: []api.EventType{api.EventTypeMessagePosted}, thread: orElse(p.Thread, 0)}
	if err := q.check(); err != nil {
		return nil, err
	}
	res := &api.MessageListResult{}
	err := s.look(ctx, p.Room, func(r Reader, v *RoomView) error {
		page, err := s.svc.readPage(ctx, r, v, q)
		if err != nil {
			return err
		}
		res.Head, res.HasMoreBefore, res.HasMoreAfter, res.FirstSeq = page.head, page.before, page.after, v.first()
		res.Messages, err = s.messages(ctx, r, v, page.records)
		return err
	})
	return res, err
}

// MessageGet implements message.get.
func (s *Session) MessageGet(ctx context.Context, p *api.MessageGetParams) (*api.MessageGetResult, error) {
	res := &api.MessageGetResult{}
	err := s.look(ctx, p.Room, func(r Reader, v *RoomView) error {
		posted, err := r.History(ctx, &HistoryQuery{Room: v.ID, After: p.Seq - 1, Before: p.Seq + 1, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 1})
		if err != nil {
			return err
		}
		all, err := s.messages(ctx, r, v, posted)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return v.noMessage("seq", p.Seq)
		}
		res.Message = all[0]
		return nil
	})
	return res, err
}

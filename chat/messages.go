package chat

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// MessagePost implements message.post.
func (s *Session) MessagePost(ctx context.Context, p *api.MessagePostParams) (*api.MessagePostResult, error) {
	svc := s.svc
	limits := &svc.opts.Limits
	if n := limits.MaxTextBytes; n > 0 && int64(len(p.Text)) > n {
		return nil, api.Errorf(api.CodeTooLarge, "text: %d bytes, at most %d", len(p.Text), n).WithField("text")
	}
	if n := limits.MaxDataBytes; n > 0 && int64(len(p.Data)) > n {
		return nil, api.Errorf(api.CodeTooLarge, "data: %d bytes, at most %d", len(p.Data), n).WithField("data")
	}
	room, err := s.roomID(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	m := &post{user: user, params: p}
	m.entry = Entry{RoomID: room, SenderID: user.ID, At: svc.wallTime(), MembersOnly: true, Key: p.IdempotencyKey}
	m.drafts[0] = m
	m.entry.Drafts = m.drafts[:]
	if p.ReplyTo != nil {
		m.entry.ReplyTo = *p.ReplyTo
	}
	m.entry.size = len(p.Text) + len(p.Data)
	if p.IdempotencyKey != "" {
		m.entry.Digest = digest(p)
	}
	l := svc.lane(room)
	if s.port != nil {
		m.entry.poster = s.poster(l)
	}
	if err := l.submit(&m.entry); err != nil {
		return nil, err
	}
	if s.port != nil {
		s.note(&m.entry)
		s.port.Queued()
	}
	if err := m.entry.wait(ctx); err != nil {
		return nil, s.refusedPost(ctx, p.Room, err)
	}
	if m.entry.Duplicate {
		svc.stats.duplicates.Add(1)
	} else {
		svc.stats.posts.Add(1)
	}
	rec := &m.entry.Records[0]
	return &api.MessagePostResult{RoomID: room, Seq: rec.Seq, MsgNo: rec.MsgNo, At: rec.At, Duplicate: m.entry.Duplicate}, nil
}

// note keeps e in mind: what is asked next is to see it.
func (s *Session) note(e *Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posting = append(slices.DeleteFunc(s.posting, (*Entry).settled), e)
}

// settle waits for the posts that came before: they have let this request begin, but it must not
// see a log without them.
func (s *Session) settle(ctx context.Context) error {
	s.mu.Lock()
	posting := s.posting
	s.posting = nil
	s.mu.Unlock()
	for _, e := range posting {
		select {
		case <-e.done:
		case <-ctx.Done():
			return s.svc.coded(ctx.Err())
		}
	}
	return nil
}

// refusedPost tells a room that the caller may not see from one that they are only not in.
func (s *Session) refusedPost(ctx context.Context, ref string, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return noRoom("room")
	case errors.Is(err, ErrNotMember):
		if _, err := s.memberRoom(ctx, "room", ref); err != nil {
			return err
		}
		return notMember("room", ref) // they joined this very moment
	default:
		return s.svc.coded(err)
	}
}

// digest tells whether two posts under one key say the same.
func digest(p *api.MessagePostParams) (d [16]byte) {
	h := sha256.New()
	var n [8]byte
	part := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte(p.Text))
	if p.Format != api.TextFormatPlain { // the default, spelled out or not
		part([]byte(p.Format))
	} else {
		part(nil)
	}
	part(p.Data)
	if p.ReplyTo != nil {
		binary.BigEndian.PutUint64(n[:], uint64(*p.ReplyTo))
		h.Write(n[:])
	}
	copy(d[:], h.Sum(nil))
	return d
}

// post is a message on its way into the log: its entry and its draft in one.
type post struct {
	entry  Entry
	drafts [1]Draft
	user   *Account
	params *api.MessagePostParams
}

// Type implements Draft.
func (m *post) Type() api.EventType { return api.EventTypeMessagePosted }

// Append implements Draft.
func (m *post) Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte {
	p := m.params
	data := api.MessagePosted{MsgNo: msgNo, Text: p.Text, Format: p.Format, ReplyTo: p.ReplyTo, Data: p.Data}
	return appendRecord(dst, &m.entry, seq, m.Type(), m.user.Username, &data)
}

// fact is any other event on its way into the log.
type fact struct {
	entry  *Entry
	sender string
	kind   api.EventType
	data   appender
}

type appender interface{ AppendJSON(dst []byte) []byte }

// Type implements Draft.
func (f *fact) Type() api.EventType { return f.kind }

// Append implements Draft.
func (f *fact) Append(dst []byte, seq api.Seq, _ api.MsgNo) []byte {
	return appendRecord(dst, f.entry, seq, f.kind, f.sender, f.data)
}

func appendRecord(dst []byte, e *Entry, seq api.Seq, kind api.EventType, sender string, data appender) []byte {
	ev := api.Event{
		RoomID: e.RoomID, Seq: seq, Type: kind, At: e.At, SenderID: e.SenderID, SenderName: sender,
		Data: data.AppendJSON(nil), IdempotencyKey: e.Key,
	}
	return ev.AppendJSON(dst)
}

// MessageList implements message.list.
func (s *Session) MessageList(ctx context.Context, p *api.MessageListParams) (*api.MessageListResult, error) {
	page, err := s.page(ctx, p.Room, &pageQuery{before: p.Before, after: p.After, around: p.Around, limit: p.Limit, types: []api.EventType{api.EventTypeMessagePosted}})
	if err != nil {
		return nil, err
	}
	res := &api.MessageListResult{Messages: make([]api.Message, 0, len(page.records)), Head: page.head, HasMoreBefore: page.before, HasMoreAfter: page.after}
	for i := range page.records {
		m, err := message(page.records[i].Bytes)
		if err != nil {
			return nil, err
		}
		res.Messages = append(res.Messages, *m)
	}
	return res, nil
}

// message reads a message.posted record as the message it made.
func message(record []byte) (*api.Message, error) {
	var ev api.Event
	if err := json.Unmarshal(record, &ev); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	var data api.MessagePosted
	if err := json.Unmarshal(ev.Data, &data); err != nil {
		return nil, fmt.Errorf("stored record %s/%d: %w", ev.RoomID, ev.Seq, err)
	}
	return &api.Message{
		RoomID: ev.RoomID, Seq: ev.Seq, MsgNo: data.MsgNo, At: ev.At, SenderID: ev.SenderID, SenderName: ev.SenderName,
		Text: data.Text, Format: data.Format, ReplyTo: data.ReplyTo, Data: data.Data,
	}, nil
}

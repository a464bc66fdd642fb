package chat

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// MessagePost implements message.post.
func (s *Session) MessagePost(ctx context.Context, p *api.MessagePostParams) (*api.MessagePostResult, error) {
	svc := s.svc
	if err := svc.fits(p.Text, p.Data); err != nil {
		return nil, err
	}
	room, err := s.roomID(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	who, err := s.mentions(ctx, room, p.Text, p.Format, p.Mentions)
	if err != nil {
		return nil, err
	}
	m := &post{user: user, params: p, who: who}
	m.entry = Entry{RoomID: room, SenderID: user.ID, At: svc.wallTime(), Act: m, Key: p.IdempotencyKey, svc: svc}
	if p.Thread == nil && who.none() {
		m.entry.Plain = m
	}
	if p.ReplyTo != nil {
		m.entry.ReplyTo = *p.ReplyTo
	}
	m.entry.size = len(p.Text) + len(p.Data)
	if p.IdempotencyKey != "" {
		m.entry.Digest = digest(p)
	}
	s.try(&m.entry)
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
		return nil, s.refused(ctx, p.Room, err)
	}
	if m.entry.Duplicate {
		svc.stats.duplicates.Add(1)
	} else {
		svc.stats.posts.Add(1)
	}
	rec := &m.entry.Records[0]
	return &api.MessagePostResult{RoomID: room, Seq: rec.Seq, MsgNo: rec.MsgNo, At: rec.At, Duplicate: m.entry.Duplicate}, nil
}

// fits refuses what is larger than a message may be.
func (s *Service) fits(text string, data json.RawMessage) error {
	limits := &s.opts.Limits
	if n := limits.MaxTextBytes; n > 0 && int64(len(text)) > n {
		return api.Errorf(api.CodeTooLarge, "text: %d bytes, at most %d", len(text), n).WithField("text")
	}
	if n := limits.MaxDataBytes; n > 0 && int64(len(data)) > n {
		return api.Errorf(api.CodeTooLarge, "data: %d bytes, at most %d", len(data), n).WithField("data")
	}
	return nil
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

// refused tells a room that the caller may not see from one that they are only not in.
func (s *Session) refused(ctx context.Context, ref string, err error) error {
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
	if p.Thread != nil { // in a way that leaves the digests of older posts as they are
		part([]byte("thread"))
		binary.BigEndian.PutUint64(n[:], uint64(*p.Thread))
		h.Write(n[:])
	}
	if p.Mentions != nil {
		part([]byte("mentions"))
		for _, ref := range p.Mentions {
			part([]byte(ref))
		}
	}
	copy(d[:], h.Sum(nil))
	return d
}

// post is a message on its way into the log: its entry, its act and its draft in one.
type post struct {
	entry  Entry
	user   *Account
	params *api.MessagePostParams
	who    Mentions

	threadNo api.ThreadNo // of an answer in a thread; set by Do
}

// Do implements Act.
func (m *post) Do(t Tx) error {
	by, err := m.entry.by(t, m.user)
	if err != nil {
		return err
	}
	if err := by.speaks(t); err != nil {
		return err
	}
	if err := by.means(&m.who, m.params.Mentions != nil); err != nil {
		return err
	}
	root, err := m.answers(t)
	if err != nil {
		return err
	}
	if err := by.waited(t); err != nil {
		return err
	}
	parts, err := m.takePart(t, root)
	if err != nil {
		return err
	}
	if err := by.posted(t); err != nil {
		return err
	}
	if err := parts.put(t); err != nil {
		return err
	}
	if err := t.Append(m); err != nil {
		return err
	}
	if !m.who.none() {
		if err := t.PutMentions(t.Room().Head.Seq, m.who.counted()); err != nil {
			return err
		}
	}
	return parts.tell(t, &m.entry)
}

// answers finds what the post answers; it gives the message under which it belongs, if any.
func (m *post) answers(t Tx) (*MessageState, error) {
	if to := m.entry.ReplyTo; to != 0 {
		is, err := t.IsMessage(to)
		if err != nil {
			return nil, err
		}
		if !is {
			return nil, t.Room().noMessage("reply_to", to)
		}
	}
	if m.params.Thread == nil {
		return nil, nil
	}
	return threadRoot(t, *m.params.Thread)
}

// threadRoot finds a message under which something may be said.
func threadRoot(t Tx, seq api.Seq) (*MessageState, error) {
	root, err := t.Message(seq)
	switch {
	case errors.Is(err, ErrNoMessage), err == nil && root.Deleted != 0:
		return nil, t.Room().noMessage("thread", seq)
	case err == nil && root.Thread != 0:
		err = api.Errorf(api.CodeFailedPrecondition, "thread: that message is in a thread itself, that of %d", root.Thread).WithField("thread")
	}
	return root, err
}

// memberOf gives a member's part in the room of an act; ErrNotFound, ErrNotMember.
func memberOf(t Tx, user api.UserID) (*Membership, error) {
	if t.Room() == nil {
		return nil, ErrNotFound
	}
	m, err := t.Member(user)
	if err == nil && m == nil {
		err = ErrNotMember
	}
	return m, err
}

// does is an Act that is one function.
type does func(t Tx) error

// Do implements Act.
func (d does) Do(t Tx) error { return d(t) }

// Type implements Draft.
func (m *post) Type() api.EventType { return api.EventTypeMessagePosted }

// Append implements Draft.
func (m *post) Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte {
	p := m.params
	data := api.MessagePosted{
		MsgNo: msgNo, Text: p.Text, Format: p.Format, ReplyTo: p.ReplyTo, Data: p.Data, Thread: p.Thread, Mentions: m.who.Users, MentionsRoom: m.who.Room,
	}
	if p.Thread != nil {
		data.ThreadNo = &m.threadNo
	}
	return appendRecord(dst, &m.entry, seq, m.Type(), m.user.Username, &data)
}

// About implements Draft.
func (m *post) About() api.Seq { return orElse(m.params.Thread, 0) }

// fact is any other event on its way into the log.
type fact struct {
	entry  *Entry
	sender string
	kind   api.EventType
	data   appender
	about  api.Seq
}

type appender interface{ AppendJSON(dst []byte) []byte }

// Type implements Draft.
func (f *fact) Type() api.EventType { return f.kind }

// Append implements Draft.
func (f *fact) Append(dst []byte, seq api.Seq, _ api.MsgNo) []byte {
	return appendRecord(dst, f.entry, seq, f.kind, f.sender, f.data)
}

// About implements Draft.
func (f *fact) About() api.Seq { return f.about }

func appendRecord(dst []byte, e *Entry, seq api.Seq, kind api.EventType, sender string, data appender) []byte {
	ev := api.Event{
		RoomID: e.RoomID, Seq: seq, Type: kind, At: e.At, SenderID: e.SenderID, SenderName: sender,
		Data: data.AppendJSON(nil), IdempotencyKey: e.Key,
	}
	return ev.AppendJSON(dst)
}

package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// Commit implements chat.Timeline.
func (s *Store) Commit(_ context.Context, entries []*chat.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		e.Records, e.Head, e.Duplicate, e.Unchanged = nil, api.Head{}, false, false
		e.Err = s.commit(e)
	}
	return nil
}

// commit checks all rules of e before it changes anything.
func (s *Store) commit(e *chat.Entry) error {
	r := s.rooms[e.RoomID]
	switch {
	case s.accounts[e.SenderID] == nil:
		return chat.ErrNotFound
	case e.Create != nil:
		if _, taken := s.names[e.Create.Name]; taken || r != nil {
			return chat.ErrNameTaken
		}
		if s.accounts[e.Create.CreatedBy] == nil {
			return chat.ErrNotFound
		}
		r = &room{RoomRecord: *e.Create, members: map[api.UserID]*chat.Membership{}, keys: map[key]used{}}
		r.ID, r.MemberCount, r.Head = e.RoomID, 0, api.Head{}
	case r == nil:
		return chat.ErrNotFound
	}
	k := key{e.SenderID, e.Key}
	if before, ok := r.keys[k]; ok && e.Key != "" && !mutant.On(mutant.NoUniqueKey) {
		if before.digest != e.Digest && !mutant.On(mutant.KeyForAnyBody) {
			return chat.ErrKeyConflict
		}
		e.Duplicate, e.Head, e.Records = true, r.Head, []chat.Record{copied(&r.log[before.seq-1])}
		return nil
	}
	if e.MembersOnly && r.members[e.SenderID] == nil {
		return chat.ErrNotMember
	}
	if e.ReplyTo != 0 && (e.ReplyTo < 1 || e.ReplyTo > r.Head.Seq || r.log[e.ReplyTo-1].Type != api.EventTypeMessagePosted) {
		return chat.ErrNoMessage
	}
	if e.Join != nil && s.accounts[e.Join.UserID] == nil {
		return chat.ErrNotFound
	}
	if e.Join != nil && r.members[e.Join.UserID] != nil || e.Leave != "" && r.members[e.Leave] == nil {
		e.Unchanged, e.Head = true, r.Head
		return nil
	}

	if e.Create != nil {
		s.rooms[r.ID], s.names[r.Name] = r, r.ID
	}
	if e.Join != nil {
		m := clone(e.Join)
		m.Username = s.accounts[m.UserID].Username
		r.members[m.UserID] = m
	}
	delete(r.members, e.Leave)
	r.MemberCount = int64(len(r.members))
	for _, d := range e.Drafts {
		e.Records = append(e.Records, r.append(d, e.At))
	}
	if e.Key != "" && len(e.Records) > 0 {
		r.keys[k] = used{e.Records[0].Seq, e.Digest}
	}
	e.Head = r.Head
	return nil
}

func (r *room) append(d chat.Draft, at api.Timestamp) chat.Record {
	r.Head.Seq++
	rec := chat.Record{Seq: r.Head.Seq, Type: d.Type(), At: at}
	if rec.Type == api.EventTypeMessagePosted {
		r.Head.MsgNo++
		rec.MsgNo = r.Head.MsgNo
	}
	rec.Bytes = d.Append(nil, rec.Seq, rec.MsgNo)
	r.log = append(r.log, copied(&rec))
	return rec
}

func copied(rec *chat.Record) chat.Record {
	c := *rec
	c.Bytes = bytes.Clone(rec.Bytes)
	return c
}

// Head implements chat.Timeline.
func (s *Store) Head(ctx context.Context, id api.RoomID) (api.Head, error) {
	v, err := s.RoomByID(ctx, id, "")
	if err != nil {
		return api.Head{}, err
	}
	return v.Head, nil
}

// History implements chat.Timeline.
func (s *Store) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rooms[q.Room]
	if r == nil {
		return nil, chat.ErrNotFound
	}
	first, last := max(q.After, 0)+1, r.Head.Seq
	if q.Before > 0 {
		last = min(last, q.Before-1)
	}
	var page []chat.Record
	size := 0
	for i := api.Seq(0); first+i <= last && len(page) < q.Limit && (q.MaxBytes <= 0 || size < q.MaxBytes); i++ {
		rec := &r.log[first+i-1]
		if q.Newest {
			rec = &r.log[last-i-1]
		}
		if len(q.Types) == 0 || slices.Contains(q.Types, rec.Type) {
			page = append(page, copied(rec))
			size += len(rec.Bytes)
		}
	}
	if q.Newest {
		slices.Reverse(page)
	}
	return page, ctx.Err()
}

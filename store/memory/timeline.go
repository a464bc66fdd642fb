package memory

import (
	"bytes"
	"context"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// Commit implements chat.Timeline.
func (s *Store) Commit(_ context.Context, entries []*chat.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		e.Records, e.Head, e.Joined, e.Left, e.Room, e.Duplicate, e.Unchanged, e.Deleted = nil, api.Head{}, nil, nil, nil, false, false, false
		e.Err = s.commit(e)
	}
	return nil
}

func (s *Store) commit(e *chat.Entry) error {
	if s.accounts[e.SenderID] == nil && e.SenderID != "" {
		return chat.ErrNotFound
	}
	a := &act{s: s, e: e, r: s.rooms[e.RoomID]}
	a.inviteTx = inviteTx{s, &a.put}
	k := key{e.SenderID, e.Key}
	if a.r != nil && e.Key != "" && !mutant.On(mutant.NoUniqueKey) {
		if before, ok := a.r.keys[k]; ok {
			if before.digest != e.Digest && before.digest != [16]byte{} && !mutant.On(mutant.KeyForAnyBody) {
				return chat.ErrKeyConflict
			}
			e.Duplicate, e.Head, e.Records = true, a.r.Head, []chat.Record{before.Record}
			if rec := a.r.at(before.Seq); rec != nil {
				e.Records[0] = copied(rec)
			}
			return nil
		}
	}
	if err := e.Act.Do(a); err != nil {
		if a.put {
			panic("an act was refused when it had put something: " + err.Error())
		}
		return err
	}
	e.Unchanged = len(e.Records) == 0
	if e.Key != "" && !e.Unchanged {
		rec := e.Records[0]
		rec.Bytes = nil
		a.r.keys[k] = used{rec, e.Digest}
	}
	if a.r != nil {
		e.Head = a.r.Head
	}
	if len(e.Joined) > 0 {
		e.Room = a.Room()
	}
	return nil
}

func (r *room) append(d chat.Draft, at api.Timestamp, sender api.UserID) chat.Record {
	r.Head.Seq++
	rec := chat.Record{Seq: r.Head.Seq, Type: d.Type(), At: at}
	if rec.Type == api.EventTypeMessagePosted {
		r.Head.MsgNo++
		rec.MsgNo = r.Head.MsgNo
	}
	rec.Bytes = d.Append(nil, rec.Seq, rec.MsgNo)
	if of := d.About(); of != 0 {
		r.about[rec.Seq] = of
	}
	r.log = append(r.log, copied(&rec))
	r.senders[rec.Seq] = sender
	if rec.Type == api.EventTypeMessagePosted && r.members[sender] != nil {
		r.read[sender] = r.Head
	}
	return rec
}

func copied(rec *chat.Record) chat.Record {
	c := *rec
	c.Bytes = bytes.Clone(rec.Bytes)
	return c
}

package memory

import (
	"context"
	"maps"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// FirstKept implements chat.Reader.
func (s *Store) FirstKept(ctx context.Context, q *chat.KeptQuery) (api.Seq, error) {
	return one(ctx, s, func(r chat.Reader) (api.Seq, error) { return r.FirstKept(ctx, q) })
}

// FirstKept implements chat.Reader.
func (l look) FirstKept(_ context.Context, q *chat.KeptQuery) (api.Seq, error) {
	r := l.s.rooms[q.Room]
	if r == nil {
		return 0, nil
	}
	msgNo := r.Gone.MsgNo
	for i := range r.log {
		rec := &r.log[i]
		msgNo = max(msgNo, rec.MsgNo)
		if rec.Seq > q.After && rec.Seq <= q.After+api.Seq(q.Scan) && rec.At >= q.Since && msgNo > q.Beyond {
			return rec.Seq, nil
		}
	}
	return 0, nil
}

// Purge implements chat.Tx. The keys stay.
func (a *act) Purge(upTo api.Seq) error {
	a.put = true
	r := a.r
	msgNo := r.Gone.MsgNo
	n := int(upTo - r.Gone.Seq)
	for i := range r.log[:n] {
		rec := &r.log[i]
		msgNo = max(msgNo, rec.MsgNo)
		delete(r.senders, rec.Seq)
		delete(r.about, rec.Seq)
		delete(r.states, rec.Seq)
		delete(r.reacted, rec.Seq)
		delete(r.means, rec.Seq)
	}
	maps.DeleteFunc(r.threads, func(k threadKey, _ *chat.ThreadPart) bool { return k.root <= upTo })
	clear(r.log[:n])
	r.log = r.log[n:]
	r.Gone = api.Head{Seq: upTo, MsgNo: msgNo}
	return nil
}

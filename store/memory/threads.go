package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// threadKey names a user's part in a thread of a room.
type threadKey struct {
	root api.Seq
	user api.UserID
}

// part is a user's part in a thread; nil: none.
func (r *room) part(root api.Seq, user api.UserID) *chat.ThreadPart {
	p := r.threads[threadKey{root, user}]
	if p == nil {
		return nil
	}
	p = clone(p)
	p.Read.Mentions = 0
	for seq, who := range r.means {
		if r.about[seq] == root && seq > p.Read.Seq && (who.Room || slices.Contains(who.Users, user)) {
			p.Read.Mentions++
		}
	}
	return p
}

// Thread implements chat.Tx.
func (a *act) Thread(root api.Seq, user api.UserID) (*chat.ThreadPart, error) {
	return a.r.part(root, user), nil
}

// PutThread implements chat.Tx.
func (a *act) PutThread(root api.Seq, p *chat.ThreadPart) error {
	a.put = true
	a.r.threads[threadKey{root, p.UserID}] = clone(p)
	return nil
}

// AnswersAfter implements chat.Tx.
func (a *act) AnswersAfter(root, seq api.Seq) (n int64, err error) {
	for i := range a.r.log {
		if rec := &a.r.log[i]; rec.Seq > seq && rec.Type == api.EventTypeMessagePosted && a.r.about[rec.Seq] == root {
			n++
		}
	}
	return n, nil
}

// Thread implements chat.Reader.
func (s *Store) Thread(ctx context.Context, id api.RoomID, root api.Seq, user api.UserID) (*chat.ThreadView, error) {
	return one(ctx, s, func(r chat.Reader) (*chat.ThreadView, error) { return r.Thread(ctx, id, root, user) })
}

// Threads implements chat.Reader.
func (s *Store) Threads(ctx context.Context, id api.RoomID, before api.Seq, limit int) ([]chat.ThreadKey, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.ThreadKey, error) { return r.Threads(ctx, id, before, limit) })
}

// FollowedThreads implements chat.Reader.
func (s *Store) FollowedThreads(ctx context.Context, q *chat.ThreadQuery) ([]chat.ThreadKey, error) {
	return one(ctx, s, func(r chat.Reader) ([]chat.ThreadKey, error) { return r.FollowedThreads(ctx, q) })
}

// Thread implements chat.Reader.
func (l look) Thread(_ context.Context, id api.RoomID, root api.Seq, user api.UserID) (*chat.ThreadView, error) {
	r := l.s.rooms[id]
	if r == nil || r.at(root) == nil || r.at(root).Type != api.EventTypeMessagePosted {
		return nil, chat.ErrNoMessage
	}
	v := &chat.ThreadView{Root: copied(r.at(root)), State: chat.MessageState{Seq: root, Thread: r.about[root]}, Part: r.part(root, user)}
	if st := r.states[root]; st != nil {
		v.State.Replies, v.State.LastReply, v.State.Answers = st.Replies, st.LastReply, st.Answers
	}
	return v, nil
}

// Threads implements chat.Reader.
func (l look) Threads(_ context.Context, id api.RoomID, before api.Seq, limit int) ([]chat.ThreadKey, error) {
	var keys []chat.ThreadKey
	if r := l.s.rooms[id]; r != nil {
		for seq, st := range r.states {
			if st.Replies > 0 && (before == 0 || st.LastReply < before) {
				keys = append(keys, r.key(seq))
			}
		}
	}
	slices.SortFunc(keys, func(a, b chat.ThreadKey) int { return cmp.Compare(b.Last, a.Last) })
	return keys[:min(len(keys), limit)], nil
}

// FollowedThreads implements chat.Reader.
func (l look) FollowedThreads(_ context.Context, q *chat.ThreadQuery) ([]chat.ThreadKey, error) {
	var keys []chat.ThreadKey
	for id, r := range l.s.rooms {
		if r.members[q.User] == nil || q.Room != "" && q.Room != id || q.Covers != nil && !q.Covers(id) {
			continue
		}
		for of, p := range r.threads {
			answers := api.ThreadNo(0)
			if st := r.states[of.root]; st != nil {
				answers = st.Answers
			}
			if of.user != q.User || !p.Followed || q.Unread && answers <= p.Read.ThreadNo {
				continue
			}
			if k := r.key(of.root); q.After == nil || k.Compare(q.After) > 0 {
				keys = append(keys, k)
			}
		}
	}
	slices.SortFunc(keys, func(a, b chat.ThreadKey) int { return a.Compare(&b) })
	return keys[:min(len(keys), q.Limit)], nil
}

// key is that of the thread under a message.
func (r *room) key(root api.Seq) chat.ThreadKey {
	last := root
	if st := r.states[root]; st != nil && st.LastReply > 0 {
		last = st.LastReply
	}
	return chat.ThreadKey{Root: root, At: r.at(last).At, Room: r.ID, Last: last}
}

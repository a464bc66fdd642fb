package chat

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// ThreadPart is a user's part in a thread. Who has none neither follows it nor has said that they do not want to.
type ThreadPart struct {
	UserID   api.UserID
	Followed bool // false: not any more, whatever is said in it
	Read     ThreadRead
}

// ThreadRead is how far a user has read a thread, and how many answers after that, as they now stand, mean them.
type ThreadRead struct {
	api.ThreadHead
	Mentions int64
}

// ThreadView is a thread as one user sees it.
type ThreadView struct {
	Root  Record       // the message under which it is
	State MessageState // of that: Seq, Thread, Replies, LastReply and Answers alone
	Part  *ThreadPart  // nil: none
}

// ThreadKey names a thread, and tells its place among others: the one whose last answer shows the latest time comes first.
type ThreadKey struct {
	Root api.Seq

	At   api.Timestamp // of Last
	Room api.RoomID
	Last api.Seq // the last answer, there or not, or the root if there was none
}

// Compare orders keys; their roots do not matter.
func (k *ThreadKey) Compare(o *ThreadKey) int {
	return cmp.Or(cmp.Compare(o.At, k.At), cmp.Compare(o.Room, k.Room), cmp.Compare(o.Last, k.Last))
}

// ThreadQuery asks for the threads that a user follows.
type ThreadQuery struct {
	User   api.UserID
	Room   api.RoomID                 // "": in all their rooms
	Covers func(room api.RoomID) bool // only in rooms for which it is true
	Unread bool                       // only those with answers that they have not read
	After  *ThreadKey                 // only what comes after it; nil: from the first on
	Limit  int                        // at most so many
}

// thread is the thread under m as a user sees it whose part in it is part, when the room's log ends at asOf.
func (m *MessageState) thread(room api.RoomID, asOf api.Seq, part *ThreadPart) *api.Thread {
	t := &api.Thread{RoomID: room, Root: m.Seq, AsOf: asOf, Replies: m.Replies, Head: m.threadHead()}
	if part != nil && part.Followed {
		r := &part.Read
		t.Followed = true
		t.Read = &api.ThreadRead{Seq: r.Seq, ThreadNo: r.ThreadNo, Unread: int64(m.Answers - r.ThreadNo), Mentions: r.Mentions}
	}
	return t
}

func (m *MessageState) threadHead() api.ThreadHead {
	return api.ThreadHead{Seq: m.LastReply, ThreadNo: m.Answers}
}

// notRoot refuses a message that stands in a thread.
func (m *MessageState) notRoot(field string) error {
	if m.Thread == 0 {
		return nil
	}
	return api.Errorf(api.CodeFailedPrecondition, "%s: that message is in a thread itself, that of %d", field, m.Thread).WithField(field)
}

// ThreadList implements thread.list. A cursor is the key of the last thread of the page before.
func (s *Session) ThreadList(ctx context.Context, p *api.ThreadListParams) (*api.ThreadListResult, error) {
	after, err := parseThreadKey(p.Cursor)
	if err != nil {
		return nil, err
	}
	limit := int(orElse(p.Limit, historyLimit))
	unread := orElse(p.Unread, false)
	followed := orElse(p.Followed, p.Room == "") || unread
	if !followed && p.Room == "" {
		return nil, api.Errorf(api.CodeInvalidParams, "followed: all threads are listed of one room only").WithField("followed")
	}
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	q := &ThreadQuery{User: user.ID, Covers: login.Scope.covers, Unread: unread, After: after, Limit: limit + 1}
	res := &api.ThreadListResult{}
	list := func(r Reader) error {
		var keys []ThreadKey
		var err error
		if followed {
			keys, err = r.FollowedThreads(ctx, q)
		} else {
			keys, err = r.Threads(ctx, q.Room, after.last(), q.Limit)
		}
		if err != nil {
			return err
		}
		if len(keys) > limit {
			keys = keys[:limit]
			res.NextCursor = keys[limit-1].cursor()
		}
		res.Threads, err = threads(ctx, r, user.ID, keys, false)
		return err
	}
	if p.Room == "" {
		return res, s.svc.coded(s.svc.store.Snapshot(ctx, list))
	}
	return res, s.look(ctx, p.Room, func(r Reader, v *RoomView) error {
		q.Room = v.ID
		return list(r)
	})
}

// threads gives threads as user sees them, by their keys; bare: without their messages.
func threads(ctx context.Context, r Reader, user api.UserID, keys []ThreadKey, bare bool) ([]api.Thread, error) {
	all := make([]api.Thread, 0, len(keys))
	heads := map[api.RoomID]api.Head{}
	for _, k := range keys {
		head, ok := heads[k.Room]
		if !ok {
			var err error
			if head, err = r.Head(ctx, k.Room); err != nil {
				return nil, err
			}
			heads[k.Room] = head
		}
		t, err := threadAt(ctx, r, k.Room, k.Root, head.Seq, user, bare)
		if err != nil {
			return nil, err
		}
		all = append(all, *t)
	}
	return all, nil
}

// threadAt gives the thread under a message as user sees it, when the room's log ends at asOf; bare: without the message.
func threadAt(ctx context.Context, r Reader, room api.RoomID, root, asOf api.Seq, user api.UserID, bare bool) (*api.Thread, error) {
	v, err := r.Thread(ctx, room, root, user)
	if err != nil {
		return nil, err
	}
	if err := v.State.notRoot("seq"); err != nil {
		return nil, err
	}
	t := v.State.thread(room, asOf, v.Part)
	if bare {
		return t, nil
	}
	views, err := r.Messages(ctx, room, user, []Record{v.Root})
	if err != nil {
		return nil, err
	}
	t.Message, err = views[0].Message()
	return t, err
}

// cursor is where a listing goes on after the thread.
func (k *ThreadKey) cursor() string {
	return strings.Join([]string{strconv.FormatInt(int64(k.At), 36), string(k.Room), strconv.FormatInt(int64(k.Last), 36)}, ".")
}

func parseThreadKey(cursor string) (*ThreadKey, error) {
	if cursor == "" {
		return nil, nil
	}
	parts := strings.Split(cursor, ".")
	if len(parts) != 3 || !isRoomID(parts[1]) {
		return nil, notACursor()
	}
	at, err := strconv.ParseInt(parts[0], 36, 64)
	last, errLast := strconv.ParseInt(parts[2], 36, 64)
	if err != nil || errLast != nil || at < 0 || last < 1 {
		return nil, notACursor()
	}
	return &ThreadKey{At: api.Timestamp(at), Room: api.RoomID(parts[1]), Last: api.Seq(last)}, nil
}

// last is where the threads of one room go on; 0: at their beginning.
func (k *ThreadKey) last() api.Seq {
	if k == nil {
		return 0
	}
	return k.Last
}

// ThreadGet implements thread.get.
func (s *Session) ThreadGet(ctx context.Context, p *api.ThreadGetParams) (*api.ThreadGetResult, error) {
	res := &api.ThreadGetResult{}
	err := s.look(ctx, p.Room, func(r Reader, v *RoomView) error {
		t, err := threadAt(ctx, r, v.ID, p.Seq, v.Head.Seq, s.UserID(), false)
		if err == nil {
			res.Thread = *t
		}
		return v.noMessageAt("seq", p.Seq, err)
	})
	return res, err
}

// ThreadFollow implements thread.follow.
func (s *Session) ThreadFollow(ctx context.Context, p *api.ThreadFollowParams) (*api.ThreadFollowResult, error) {
	t, changed, err := s.setFollowed(ctx, p.Room, p.Seq, true)
	if err != nil {
		return nil, err
	}
	return &api.ThreadFollowResult{Thread: *t, Changed: changed}, nil
}

// ThreadUnfollow implements thread.unfollow.
func (s *Session) ThreadUnfollow(ctx context.Context, p *api.ThreadUnfollowParams) (*api.ThreadUnfollowResult, error) {
	t, changed, err := s.setFollowed(ctx, p.Room, p.Seq, false)
	if err != nil {
		return nil, err
	}
	return &api.ThreadUnfollowResult{Thread: *t, Changed: changed}, nil
}

// setFollowed makes the caller follow the thread under a message, or not. Of a deleted message it goes on, and may be left.
func (s *Session) setFollowed(ctx context.Context, ref string, seq api.Seq, followed bool) (*api.Thread, bool, error) {
	var thread *api.Thread
	changed := false
	_, err := s.onMessage(ctx, ref, seq, func(t Tx, on *target) error {
		if err := on.msg.notRoot("seq"); err != nil {
			return err
		}
		part, err := t.Thread(seq, on.user.ID)
		if err != nil {
			return err
		}
		changed = followed != (part != nil && part.Followed)
		if changed && followed {
			if err := on.there(); err != nil {
				return err
			}
		}
		head := t.Room().Head.Seq
		if changed || part == nil { // that they do not want to is news too
			part = &ThreadPart{UserID: on.user.ID, Followed: followed, Read: ThreadRead{ThreadHead: api.ThreadHead{Seq: head, ThreadNo: on.msg.Answers}}}
			if err := t.PutThread(seq, part); err != nil {
				return err
			}
		}
		thread = on.msg.thread(on.entry.RoomID, head, part)
		on.entry.after = func() {
			if changed {
				s.svc.tellFollowed(on.user.ID, thread)
			}
		}
		return nil
	})
	if err != nil { // the act may be going on
		return nil, false, err
	}
	return thread, changed, nil
}

// tellFollowed tells user that they follow a thread, or do not any more.
func (s *Service) tellFollowed(user api.UserID, t *api.Thread) {
	kind := api.AccountEventTypeThreadUnfollowed
	if t.Followed {
		kind = api.AccountEventTypeThreadFollowed
	}
	s.tell(user, &api.AccountEventParams{Type: kind, RoomID: t.RoomID, Thread: t})
}

// tellAllFollowed tells user of each thread that they follow in a room.
func (s *Service) tellAllFollowed(ctx context.Context, room api.RoomID, user api.UserID) error {
	for q := (&ThreadQuery{User: user, Room: room, Limit: listLimit}); ; {
		var followed []api.Thread
		err := s.store.Snapshot(ctx, func(r Reader) error {
			keys, err := r.FollowedThreads(ctx, q)
			if err != nil || len(keys) == 0 {
				return err
			}
			q.After = &keys[len(keys)-1]
			followed, err = threads(ctx, r, user, keys, true)
			return err
		})
		for i := range followed {
			s.tellFollowed(user, &followed[i])
		}
		if err != nil || len(followed) < q.Limit {
			return err
		}
	}
}

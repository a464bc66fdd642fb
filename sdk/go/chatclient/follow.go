package chatclient

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// FollowOptions say what a Subscription follows.
type FollowOptions struct {
	// Rooms are followed each from its own position.
	Rooms []RoomPosition

	// Joined follows all rooms that the user is in, now or later: those of Rooms from their positions, the others from where
	// they stand, a room joined later from the join on.
	Joined bool

	// Epoch is the epoch in which the positions were learnt (Subscription.Epoch, kept with Positions); "" trusts them.
	Epoch api.Epoch

	// Signals asks for *Signal and *UserUpdated notifications, and for *Truncated at once rather than when following begins anew. SetSignals changes it.
	Signals bool

	// Account asks for *Account and *AccountGap notifications.
	Account bool

	// MaxReplay bounds the events replayed for a room; what is left out is announced as a *Gap. 0 replays all.
	MaxReplay int64
}

// RoomPosition is a room and where to begin in it.
type RoomPosition struct {
	Room    string   // id or name
	After   *api.Seq // begin with the event after this one; nil: see History
	History int      // without After: begin with so many events before the present end; 0 begins with what comes next
}

// After makes a RoomPosition's After from a number.
func After(seq api.Seq) *api.Seq { return &seq }

// Subscription follows rooms, through any number of lost connections: after each it resumes every room after the last
// event that it has. Each event is handed out once and in order; a hole is always announced, by a *Gap or a *Reset.
//
// It keeps up to Options.EventBuffer notifications (and 16 MiB) for a slow consumer. When they are full it tells the server
// to stop (sync.close), drops what is still on its way, and resumes after the last event that it kept once the consumer has
// taken half. So memory is bounded, nothing is lost, and neither the Client's calls nor pings ever wait for the consumer: a
// loop over Events may itself make calls.
//
// A Client has one Subscription at a time, because the server keeps one set of followed rooms for a connection.
// Other rooms that room.join follows on the connection are left out unless FollowOptions.Joined is set. SyncOpen, SyncUpdate,
// SyncClose and signing in or out beneath a Subscription make it open its rooms anew.
//
// Honest limits: with Joined, a room that the user joined elsewhere while the connection was away begins where it stands when the
// connection is back, at its *CaughtUp. Events are dropped and asked for again while the buffer is full, which costs bandwidth.
type Subscription struct {
	// Static after construction.
	c       *Client
	opts    FollowOptions
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	started chan struct{} // closed when following has begun or failed
	done    chan struct{} // closed when run has ended
	wake    chan struct{} // capacity 1: run has something to look at

	mu     sync.Mutex // guards what follows
	stream stream
	buffer buffer
	taken  map[api.RoomID]api.Seq // what the consumer was handed last
	err    error                  // why the subscription has ended
}

// Follow begins to follow rooms and returns when the server has agreed. It is an error to follow a room that the user is not in,
// unless o.Joined is set: then such a room is announced as *Unfollowed. ctx bounds the beginning only.
func (c *Client) Follow(ctx context.Context, o *FollowOptions) (*Subscription, error) {
	s := &Subscription{
		c: c, started: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		taken: make(map[api.RoomID]api.Seq),
	}
	if o != nil {
		s.opts = *o
		s.opts.Rooms = slices.Clone(o.Rooms)
	}
	s.stream = stream{epoch: s.opts.Epoch, rooms: make(map[api.RoomID]*followed), joined: s.opts.Joined, tuning: tuning{signals: s.opts.Signals}}
	s.buffer.limit = c.opts.EventBuffer
	if !c.open.begin() {
		return nil, c.closedErr()
	}
	defer c.open.end(1)
	if !c.following.CompareAndSwap(nil, s) {
		return nil, ErrFollowing
	}
	s.ctx, s.stop = context.WithCancel(c.ctx)
	c.wg.Go(s.run) // ends with s.ctx
	select {
	case <-s.started:
	case <-ctx.Done():
		_ = s.Close()
		return nil, &ConnectionError{MayHaveBeenSent: true, Err: ctx.Err()}
	}
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Events iterates over what comes, waiting for more until ctx ends. The last pair has the error that ended
// it; after Close there is none. The loop may be left and begun anew, then it goes on where it was.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		for {
			n, err := s.Next(ctx)
			if errors.Is(err, ErrUnsubscribed) {
				return
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

// Run calls the Client's handlers (OnMessagePosted and its like) for what comes, one at a time and in order, until ctx or the
// subscription ends. It returns nil after Close.
func (s *Subscription) Run(ctx context.Context) error {
	for n, err := range s.Events(ctx) {
		if err != nil {
			return err
		}
		if err := s.c.handlers.dispatch(n); err != nil {
			return err
		}
	}
	return nil
}

// Next waits for the next notification. Errors: ctx's, ErrUnsubscribed after Close, ErrClosed, *SessionError.
func (s *Subscription) Next(ctx context.Context) (Notification, error) {
	for {
		s.mu.Lock()
		n, relieved := s.buffer.take()
		if relieved && s.stream.deaf {
			s.hearAgainLocked()
		}
		err, more := s.err, s.buffer.more.wait()
		s.takenLocked(n)
		s.mu.Unlock()
		switch {
		case n != nil:
			if relieved {
				s.poke()
			}
			return n, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takenLocked notes where the consumer stands.
func (s *Subscription) takenLocked(n Notification) {
	switch n := n.(type) {
	case *EventReceived:
		s.taken[n.RoomID] = n.Seq
		if s.ownLeaving(n.Event) {
			delete(s.taken, n.RoomID)
		}
	case *Gap:
		s.taken[n.RoomID] = n.To
	case *Reset:
		s.taken[n.RoomID] = n.Seq
	case *CaughtUp:
		s.taken[n.RoomID] = max(s.taken[n.RoomID], n.Seq)
	case *Unfollowed:
		delete(s.taken, n.RoomID)
	}
}

// Position is the seq of the last event of a room that was handed out; 0 before the first.
func (s *Subscription) Position(room api.RoomID) api.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[room]
}

// Positions are where the consumer stands in each room, by room id: fit to be kept, with Epoch, and given to another
// Follow, which then continues after the last event that was handed out here.
func (s *Subscription) Positions() []RoomPosition {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]RoomPosition, 0, len(s.taken))
	for id, seq := range s.taken {
		list = append(list, RoomPosition{Room: string(id), After: After(seq)})
	}
	slices.SortFunc(list, func(a, b RoomPosition) int { return strings.Compare(a.Room, b.Room) })
	return list
}

// Epoch is the epoch that the positions belong to.
func (s *Subscription) Epoch() api.Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.epoch
}

// Rooms are the rooms that are followed, as the server described them when following last began, by name.
func (s *Subscription) Rooms() []api.SyncedRoom {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]api.SyncedRoom, 0, len(s.stream.rooms))
	for _, r := range s.stream.rooms {
		if !r.left {
			list = append(list, r.as)
		}
	}
	slices.SortFunc(list, func(a, b api.SyncedRoom) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Close ends the subscription; the Client may follow anew after it. It waits for the subscription's goroutine and always returns nil.
func (s *Subscription) Close() error {
	s.end(ErrUnsubscribed)
	s.stop()
	<-s.done
	return nil
}

// end sets why the subscription is over; what is in the buffer is still handed out, except after Close.
func (s *Subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if errors.Is(err, ErrUnsubscribed) {
		s.err = err
		s.buffer.clear()
	}
	s.stream.conn = nil
	s.buffer.more.fire()
}

func (s *Subscription) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

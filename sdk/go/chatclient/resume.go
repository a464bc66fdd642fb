package chatclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// openAtOnce is how many rooms go into one sync.open: far below the message limit, whatever their names.
const openAtOnce = 200

// run opens the rooms on one connection after the other, and again on the same one when events were dropped.
func (s *Subscription) run() {
	defer close(s.done)
	defer s.c.following.CompareAndSwap(s, nil)
	defer s.stop()
	begun := false
	err := s.resolve()
	for attempt := 0; err == nil; attempt++ {
		var conn *conn
		if begun { // before that nobody takes anything: Follow has not returned
			if err = s.awaitRoom(); err != nil {
				break
			}
		}
		if conn, err = s.c.link.get(s.ctx); err != nil {
			break
		}
		err = s.openAll(conn, begun)
		switch wait, again := retryAfter(err, api.IdempotencyNatural, attempt); {
		case err == nil:
			attempt = 0
			if !begun {
				begun = true
				close(s.started)
			}
			err = s.watch(conn)
		case again:
			err = s.c.pause(s.ctx, wait)
		}
	}
	if s.ctx.Err() != nil {
		err = s.c.closedErr()
	}
	s.end(err)
	if !begun {
		close(s.started)
	}
}

// resolve turns FollowOptions.Rooms into positions: a count of events before the end needs the end.
func (s *Subscription) resolve() error {
	for _, p := range s.opts.Rooms {
		room := api.SyncRoom{Room: p.Room, After: p.After}
		if p.After == nil && p.History > 0 {
			got, err := s.c.RoomGet(s.ctx, &api.RoomGetParams{Room: p.Room})
			if err != nil {
				return fmt.Errorf("room %s: %w", p.Room, err)
			}
			room = api.SyncRoom{Room: string(got.Room.ID), After: After(max(got.Room.Head.Seq-api.Seq(p.History), before(&got.Room)))}
		}
		s.mu.Lock()
		s.stream.wanted = append(s.stream.wanted, room)
		s.mu.Unlock()
	}
	return nil
}

// before is the seq before the first event that the room still has.
func before(room *api.Room) api.Seq {
	if room.FirstSeq == nil {
		return 0
	}
	return *room.FirstSeq - 1
}

// openAll opens every room on conn, each after the last event that was let through.
func (s *Subscription) openAll(conn *conn, begun bool) error {
	s.mu.Lock()
	st := &s.stream
	if st.conn != conn && begun {
		st.resume = true
		s.hearAgainLocked()
	}
	st.conn, st.stale = conn, false
	st.retune()
	// By epoch: after an interruption in the midst of a reset, some positions belong to the old logs still.
	lists := map[api.Epoch][]api.SyncRoom{s.opts.Epoch: slices.Clone(st.wanted)}
	for id, r := range st.rooms {
		if !r.left {
			r.phase = opening
			lists[r.epoch] = append(lists[r.epoch], api.SyncRoom{Room: string(id), After: After(r.last)})
		}
	}
	s.mu.Unlock()
	if !begun {
		// What room.join follows on the connection would go on as it is, without a word of having caught up.
		// A refusal does not matter: the answer to sync.open will say it.
		err := s.ask(conn, api.MethodSyncClose, nil, func(json.RawMessage) error { return nil })
		if err != nil && !errors.As(err, new(*api.Error)) {
			return err
		}
	}
	for epoch, list := range lists {
		for some := range slices.Chunk(list, openAtOnce) {
			if err := s.openSome(conn, epoch, some, begun || s.opts.Joined); err != nil {
				return err
			}
		}
	}
	if s.opts.Joined {
		return s.open(conn, "", api.SyncRooms{Joined: true})
	}
	return nil
}

// openSome opens the rooms of list. If the server refuses one, it is found by opening them one by one; a
// refused room is given up where lenient, else it is an error.
func (s *Subscription) openSome(conn *conn, epoch api.Epoch, list []api.SyncRoom, lenient bool) error {
	err := s.open(conn, epoch, api.SyncRooms{List: list})
	if !errors.Is(err, api.ErrNotFound) && !errors.Is(err, api.ErrPermissionDenied) {
		return err
	}
	if len(list) > 1 {
		for i := range list {
			if err := s.openSome(conn, epoch, list[i:i+1], lenient); err != nil {
				return err
			}
		}
		return nil
	}
	if !lenient {
		return fmt.Errorf("room %s: %w", list[0].Room, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := api.RoomID(list[0].Room)
	delete(s.stream.rooms, id)
	s.stream.take(api.SyncedRoom{RoomID: id})
	s.buffer.force(&Unfollowed{RoomID: id, Err: err}, 0)
	return nil
}

// open sends one sync.open. Its answer is taken on the reading goroutine, so that it stands before the events that follow it.
func (s *Subscription) open(conn *conn, epoch api.Epoch, rooms api.SyncRooms) error {
	s.mu.Lock()
	signals := s.stream.signals
	s.mu.Unlock()
	params := &api.SyncOpenParams{Rooms: rooms, Epoch: epoch, Signals: &signals}
	if s.opts.MaxReplay > 0 {
		params.MaxReplay = &s.opts.MaxReplay
	}
	return s.ask(conn, api.MethodSyncOpen, params.AppendJSON(nil), func(raw json.RawMessage) error { return s.opened(conn, rooms, raw) })
}

// ask makes a call on conn whose result is taken on the reading goroutine.
func (s *Subscription) ask(conn *conn, method string, params json.RawMessage, take func(json.RawMessage) error) error {
	if err := conn.acquire(s.ctx); err != nil {
		return err
	}
	answer := make(chan error, 1) // one: the reply comes once
	r, err := conn.start(method, params, true, func(raw json.RawMessage, err error) {
		if err == nil {
			err = take(raw)
		}
		answer <- err
	})
	if err != nil {
		return err
	}
	select {
	case err = <-answer:
		return err
	case <-s.ctx.Done():
		conn.forget(r)
		return s.ctx.Err()
	}
}

// watch waits until the rooms have to be opened again: conn is lost, or events were dropped.
func (s *Subscription) watch(conn *conn) error {
	for {
		s.mu.Lock()
		stale, full := s.stream.stale, s.buffer.full
		s.mu.Unlock()
		if stale && full {
			// If this fails the server goes on sending what is dropped here; that costs bandwidth only.
			_ = s.ask(conn, api.MethodSyncClose, nil, func(json.RawMessage) error { return nil })
		}
		if stale {
			return nil
		}
		if err := s.tune(conn); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-conn.done:
			return nil
		case <-s.ctx.Done():
			s.quit(conn)
			return s.ctx.Err()
		}
	}
}

// awaitRoom waits until the consumer has taken enough for more to be worth asking for.
func (s *Subscription) awaitRoom() error {
	for {
		s.mu.Lock()
		full := s.buffer.full
		s.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// quit tells the server that nothing is followed any more, without waiting for the answer.
func (s *Subscription) quit(conn *conn) {
	select {
	case conn.slots <- struct{}{}:
		_, _ = conn.start(api.MethodSyncClose, nil, true, func(json.RawMessage, error) {})
	default: // so busy that it is not worth waiting: what comes is dropped
	}
}

package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/chatd-dev/chatd/api"
)

// SyncOpen implements sync.open.
func (s *Session) SyncOpen(ctx context.Context, p *api.SyncOpenParams) (*api.SyncOpenResult, error) {
	if s.port == nil {
		return nil, onWebSocketOnly()
	}
	if p.Signals != nil {
		s.mu.Lock()
		s.deaf = !*p.Signals
		s.mu.Unlock()
	}
	epoch := s.svc.store.Epoch()
	res := &api.SyncOpenResult{Epoch: epoch, Rooms: []api.SyncedRoom{}}
	if p.Rooms.Joined {
		return res, s.syncJoined(ctx, res)
	}
	// All or nothing: check every room before following any.
	ready := make([]prepared, 0, len(p.Rooms.List))
	defer func() {
		for _, r := range ready {
			s.drop(r.follow)
		}
	}()
	seen := map[api.RoomID]bool{}
	for i, want := range p.Rooms.List {
		field := fmt.Sprintf("rooms[%d].room", i)
		f, v, err := s.prepareFollow(ctx, field, want.Room)
		if err != nil {
			return nil, err
		}
		ready = append(ready, prepared{f, v})
		if seen[v.ID] {
			return nil, api.Errorf(api.CodeInvalidParams, "%s: named twice", field).WithField(field)
		}
		seen[v.ID] = true
	}
	for i := range p.Rooms.List {
		r := ready[0]
		ready = ready[1:] // sync drops it, if it has to be
		b := begin{after: p.Rooms.List[i].After, reset: p.Epoch != "" && p.Epoch != epoch, maxReplay: p.MaxReplay}
		if err := s.sync(res, r, b); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// prepared is a room that can be followed.
type prepared struct {
	follow *follow
	room   *RoomView
}

// syncJoined follows all rooms that the user is in, and those they join later: that is set first,
// so that a room joined meanwhile is not missed.
func (s *Session) syncJoined(ctx context.Context, res *api.SyncOpenResult) error {
	s.mu.Lock()
	s.followJoined = true
	s.mu.Unlock()
	for last := ""; ; {
		rooms, err := s.svc.store.ListRooms(ctx, s.UserID(), true, true, last, listLimit)
		if err != nil {
			return s.svc.coded(err)
		}
		for _, v := range rooms {
			last = v.Name
			var r prepared
			r.follow, r.room, err = s.prepareFollow(ctx, "rooms", string(v.ID))
			if err == nil {
				err = s.sync(res, r, begin{})
			}
			if errors.Is(err, api.ErrPermissionDenied) || errors.Is(err, api.ErrNotFound) {
				continue // left this very moment
			}
			if err != nil {
				return err
			}
		}
		if len(rooms) < listLimit {
			return nil
		}
	}
}

func (s *Session) sync(res *api.SyncOpenResult, r prepared, b begin) error {
	status, gap, err := s.startFollow(r.follow, r.room, b)
	if err != nil {
		return err
	}
	v := r.room
	res.Rooms = append(res.Rooms, api.SyncedRoom{RoomID: v.ID, Name: v.Name, Status: status, Head: v.Head, Gap: gap, Read: v.Read.state(&v.RoomRecord), FirstSeq: v.first()})
	return nil
}

// SyncUpdate implements sync.update.
func (s *Session) SyncUpdate(ctx context.Context, p *api.SyncUpdateParams) (*api.SyncUpdateResult, error) {
	if s.port == nil {
		return nil, onWebSocketOnly()
	}
	if p.Rooms == nil {
		return &api.SyncUpdateResult{Rooms: s.tuneAll(p.Signals)}, nil
	}
	rooms, err := s.eachFollowed(ctx, p.Rooms, func(id api.RoomID) bool { return s.tune(id, p.Signals) })
	if err != nil {
		return nil, err
	}
	return &api.SyncUpdateResult{Rooms: rooms}, nil
}

// SyncClose implements sync.close.
func (s *Session) SyncClose(ctx context.Context, p *api.SyncCloseParams) (*api.SyncCloseResult, error) {
	if s.port == nil {
		return nil, onWebSocketOnly()
	}
	if p.Rooms == nil {
		return &api.SyncCloseResult{Rooms: s.unfollowAll()}, nil
	}
	rooms, err := s.eachFollowed(ctx, p.Rooms, s.unfollow)
	if err != nil {
		return nil, err
	}
	return &api.SyncCloseResult{Rooms: rooms}, nil
}

// eachFollowed calls do with each of the rooms that the caller names, and gives those of which it says that they were followed.
func (s *Session) eachFollowed(ctx context.Context, refs []string, do func(id api.RoomID) bool) ([]api.RoomID, error) {
	rooms := []api.RoomID{}
	for i, ref := range refs {
		v, err := s.room(ctx, fmt.Sprintf("rooms[%d]", i), ref)
		if errors.Is(err, api.ErrNotFound) && isRoomID(ref) && do(api.RoomID(ref)) {
			rooms = append(rooms, api.RoomID(ref)) // a private room that they are no longer in
			continue
		}
		if err != nil {
			return nil, err
		}
		if do(v.ID) {
			rooms = append(rooms, v.ID)
		}
	}
	return rooms, nil
}

func onWebSocketOnly() error {
	return api.Errorf(api.CodeFailedPrecondition, "following rooms needs a WebSocket")
}

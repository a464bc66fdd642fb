package oracle

import (
	"context"
	"fmt"
	"iter"
	"maps"

	"github.com/chatd-dev/chatd/api"
)

// State is a room as the server tells it, and as it follows from its events.
type State struct {
	Gone        api.Seq // what stands up to here was purged
	Head        api.Head
	MemberCount int64
	Members     map[api.UserID]Member

	left map[api.UserID]bool // as far as a purged log tells
}

// Member is what lasts of an api.Member.
type Member struct {
	Username string
	Role     api.Role
	JoinedAt api.Timestamp
}

// fold applies an event.
func (s *State) fold(e *api.Event, payload api.EventPayload) error {
	s.Head.Seq = e.Seq
	switch p := payload.(type) {
	case *api.MessagePosted:
		s.Head.MsgNo = p.MsgNo
	case *api.MemberJoined:
		if _, in := s.Members[p.UserID]; in {
			return fmt.Errorf("seq %d: %s joins, who is in", e.Seq, p.Username)
		}
		s.Members[p.UserID] = Member{Username: p.Username, Role: p.Role, JoinedAt: e.At}
		delete(s.left, p.UserID)
		s.MemberCount++
	case *api.MemberLeft:
		return s.leaves(e, p.UserID, p.Username)
	case *api.MemberRemoved:
		return s.leaves(e, p.UserID, p.Username)
	case *api.MemberBanned:
		if p.Removed {
			return s.leaves(e, p.UserID, p.Username)
		}
	case *api.MemberRoleChanged:
		m, in := s.Members[p.UserID]
		if !in && s.Gone > 0 {
			return nil // when they joined is not known
		}
		if !in || m.Role != p.Was {
			return fmt.Errorf("seq %d: %s is made %s, who was %q", e.Seq, p.Username, p.Role, m.Role)
		}
		m.Role = p.Role
		s.Members[p.UserID] = m
	}
	return nil
}

// leaves takes a member out.
func (s *State) leaves(e *api.Event, id api.UserID, name string) error {
	if _, in := s.Members[id]; !in && s.Gone == 0 {
		return fmt.Errorf("seq %d: %s leaves, who is not in", e.Seq, name)
	}
	delete(s.Members, id)
	s.left[id] = true
	s.MemberCount--
	return nil
}

// differs says where two states differ; "" if they do not.
func (s *State) differs(told *State) string {
	if s.Gone > 0 {
		return s.differsPartly(told)
	}
	switch {
	case s.Head != told.Head:
		return fmt.Sprintf("the log's head is %+v, room.get tells %+v", s.Head, told.Head)
	case s.MemberCount != told.MemberCount:
		return fmt.Sprintf("the log leaves %d members, room.get tells %d", s.MemberCount, told.MemberCount)
	case !maps.Equal(s.Members, told.Members):
		for id, m := range s.Members {
			if told.Members[id] != m {
				return fmt.Sprintf("%s is %+v by the log, %+v by member.list", id, m, told.Members[id])
			}
		}
		return fmt.Sprintf("member.list tells %d members, the log %d", len(told.Members), len(s.Members))
	}
	return ""
}

// differsPartly is differs of what a purged log tells.
func (s *State) differsPartly(told *State) string {
	if s.Head.Seq != told.Head.Seq || s.Head.MsgNo > told.Head.MsgNo {
		return fmt.Sprintf("the log's head is %+v, room.get tells %+v", s.Head, told.Head)
	}
	if n := int64(len(told.Members)); n != told.MemberCount {
		return fmt.Sprintf("room.get tells %d members, member.list %d", told.MemberCount, n)
	}
	for id, m := range s.Members {
		if told.Members[id] != m {
			return fmt.Sprintf("%s is %+v by the log, %+v by member.list", id, m, told.Members[id])
		}
	}
	for id := range s.left {
		if m, in := told.Members[id]; in {
			return fmt.Sprintf("%s has left by the log, and is %+v by member.list", id, m)
		}
	}
	return ""
}

// Reader is who can read a room: a client, a session of the domain.
type Reader interface {
	RoomGet(ctx context.Context, p *api.RoomGetParams) (*api.RoomGetResult, error)
	MemberList(ctx context.Context, p *api.MemberListParams) (*api.MemberListResult, error)
	RoomHistory(ctx context.Context, p *api.RoomHistoryParams) (*api.RoomHistoryResult, error)
}

// Told asks for a room's state, which must not change meanwhile.
func Told(ctx context.Context, c Reader, room string) (*State, error) {
	got, err := c.RoomGet(ctx, &api.RoomGetParams{Room: room})
	if err != nil {
		return nil, err
	}
	s := &State{Head: got.Room.Head, MemberCount: got.Room.MemberCount, Members: make(map[api.UserID]Member)}
	if first := got.Room.FirstSeq; first != nil {
		s.Gone = *first - 1
	}
	for cursor := ""; ; {
		page, err := c.MemberList(ctx, &api.MemberListParams{Room: room, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, m := range page.Members {
			s.Members[m.UserID] = Member{Username: m.Username, Role: m.Role, JoinedAt: m.JoinedAt}
		}
		if cursor = page.NextCursor; cursor == "" {
			return s, nil
		}
	}
}

// Log reads a room's records from the first to the last, page by page.
func Log(ctx context.Context, c Reader, room string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		limit := int64(200)
		for after := api.Seq(0); ; {
			page, err := c.RoomHistory(ctx, &api.RoomHistoryParams{Room: room, After: &after, Limit: &limit})
			if err != nil {
				yield(nil, fmt.Errorf("room %s, history after %d: %w", room, after, err))
				return
			}
			for i := range page.Events {
				if !yield(page.Events[i].Raw, nil) {
					return
				}
				after = page.Events[i].Seq
			}
			if !page.HasMoreAfter || len(page.Events) == 0 {
				return
			}
		}
	}
}

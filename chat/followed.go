package chat

import (
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// followed is what a session follows, by room. Most follow few rooms: a map of one would be the largest part of an idle session.
type followed struct {
	few  []*follow              // in no order, while many is nil
	many map[api.RoomID]*follow // nil: there were never more than few holds
}

// fewFollows is up to how many are looked through one by one.
const fewFollows = 8

func (s *followed) index(id api.RoomID) int {
	return slices.IndexFunc(s.few, func(f *follow) bool { return f.room.id == id })
}

// of gives what follows a room; nil: nothing does.
func (s *followed) of(id api.RoomID) *follow {
	if s.many != nil {
		return s.many[id]
	}
	if i := s.index(id); i >= 0 {
		return s.few[i]
	}
	return nil
}

// put takes the place of what followed f's room.
func (s *followed) put(f *follow) {
	if s.many == nil {
		if i := s.index(f.room.id); i >= 0 {
			s.few[i] = f
			return
		}
		if len(s.few) < fewFollows {
			s.few = append(s.few, f)
			return
		}
		s.many = make(map[api.RoomID]*follow, 2*fewFollows)
		for _, f := range s.few {
			s.many[f.room.id] = f
		}
		s.few = nil
	}
	s.many[f.room.id] = f
}

func (s *followed) drop(id api.RoomID) {
	if s.many != nil {
		delete(s.many, id)
	} else if i := s.index(id); i >= 0 {
		s.few[i] = s.few[len(s.few)-1]
		s.few = slices.Delete(s.few, len(s.few)-1, len(s.few))
	}
}

// rooms are those that are followed.
func (s *followed) rooms() []api.RoomID {
	if s.many != nil {
		return slices.Collect(maps.Keys(s.many))
	}
	ids := make([]api.RoomID, 0, len(s.few))
	for _, f := range s.few {
		ids = append(ids, f.room.id)
	}
	return ids
}

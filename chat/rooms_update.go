package chat

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// RoomUpdate implements room.update.
func (s *Session) RoomUpdate(ctx context.Context, p *api.RoomUpdateParams) (*api.RoomUpdateResult, error) {
	if err := refuseIDForm("name", p.Name); err != nil {
		return nil, err
	}
	if err := refuseDirect(p.Visibility); err != nil {
		return nil, err
	}
	for _, f := range p.Clear {
		if f == api.RoomFieldTitle && p.Title != "" || f == api.RoomFieldTopic && p.Topic != "" {
			return nil, api.Errorf(api.CodeInvalidParams, "clear: %s is given too", f).WithField("clear")
		}
	}
	var v *RoomView
	e, err := s.inRoom(ctx, p.Room, func(t Tx, by *actor) error {
		room := t.Room()
		read, err := t.Read(by.user.ID)
		if err != nil {
			return err
		}
		v = &RoomView{RoomRecord: *room, Role: by.me.Role, Read: read}
		data := v.change(p)
		if data == nil {
			return by.may(Update)
		}
		deed := Update
		if data.Name != "" || data.Visibility != "" {
			deed, by.entry.unnamed = Rename, room.Name
		}
		if err := by.may(deed); err != nil {
			return err
		}
		if err := by.writes(t); err != nil {
			return err
		}
		if err := t.UpdateRoom(&v.RoomRecord); err != nil {
			return err
		}
		return by.tell(t, api.EventTypeRoomUpdated, data)
	})
	if errors.Is(err, ErrNameTaken) {
		return nil, nameTaken(p.Name)
	}
	if err != nil {
		return nil, err
	}
	v.Head = e.Head
	return &api.RoomUpdateResult{Room: v.view(s.svc), Changed: !e.Unchanged, Seq: eventOf(e)}, nil
}

// change makes the room what p asks for, and tells what has changed; nil: nothing.
func (v *RoomView) change(p *api.RoomUpdateParams) *api.RoomUpdated {
	data := &api.RoomUpdated{}
	changed := set(&v.Title, &data.Title, p.Title)
	changed = set(&v.Topic, &data.Topic, p.Topic) || changed
	changed = set(&v.Name, &data.Name, p.Name) || changed
	changed = set(&v.Visibility, &data.Visibility, p.Visibility) || changed
	if ms := p.SlowModeMS; ms != nil && time.Duration(*ms)*time.Millisecond != v.SlowMode {
		v.SlowMode, data.SlowModeMS, changed = time.Duration(*ms)*time.Millisecond, ms, true
	}
	if p.ReadOnly != nil && *p.ReadOnly != v.ReadOnly {
		v.ReadOnly, data.ReadOnly, changed = *p.ReadOnly, p.ReadOnly, true
	}
	if slices.Contains(p.Clear, api.RoomFieldTitle) && v.Title != "" {
		v.Title, data.Cleared, changed = "", append(data.Cleared, api.RoomFieldTitle), true
	}
	if slices.Contains(p.Clear, api.RoomFieldTopic) && v.Topic != "" {
		v.Topic, data.Cleared, changed = "", append(data.Cleared, api.RoomFieldTopic), true
	}
	if !changed {
		return nil
	}
	return data
}

// set changes what is, and tells it, if to is given and differs.
func set[T ~string](is, told *T, to T) bool {
	if to == "" || to == *is {
		return false
	}
	*is, *told = to, to
	return true
}

// RoomArchive implements room.archive.
func (s *Session) RoomArchive(ctx context.Context, p *api.RoomArchiveParams) (*api.RoomArchiveResult, error) {
	e, err := s.inRoom(ctx, p.Room, func(t Tx, by *actor) error {
		by.reason = p.Reason
		room := t.Room()
		if err := by.may(Archive); err != nil || room.ArchivedAt != 0 {
			return err
		}
		room.ArchivedAt = by.entry.At
		if err := t.UpdateRoom(room); err != nil {
			return err
		}
		return by.tell(t, api.EventTypeRoomArchived, &api.RoomArchived{Reason: p.Reason})
	})
	if err != nil {
		return nil, err
	}
	return &api.RoomArchiveResult{RoomID: e.RoomID, Archived: !e.Unchanged, Seq: eventOf(e)}, nil
}

// RoomUnarchive implements room.unarchive.
func (s *Session) RoomUnarchive(ctx context.Context, p *api.RoomUnarchiveParams) (*api.RoomUnarchiveResult, error) {
	e, err := s.inRoom(ctx, p.Room, func(t Tx, by *actor) error {
		room := t.Room()
		if err := by.may(Archive); err != nil || room.ArchivedAt == 0 {
			return err
		}
		data := &api.RoomUnarchived{ArchivedAt: room.ArchivedAt}
		room.ArchivedAt = 0
		if err := t.UpdateRoom(room); err != nil {
			return err
		}
		return by.tell(t, api.EventTypeRoomUnarchived, data)
	})
	if err != nil {
		return nil, err
	}
	return &api.RoomUnarchiveResult{RoomID: e.RoomID, Unarchived: !e.Unchanged, Seq: eventOf(e)}, nil
}

package chat

import (
	"context"
	"unicode"

	"github.com/chatd-dev/chatd/api"
)

// maxKinds is how many different emoji a message takes, maxPins how many pinned messages a room.
const (
	maxKinds = 50
	maxPins  = 100
)

// ReactionAdd implements reaction.add.
func (s *Session) ReactionAdd(ctx context.Context, p *api.ReactionAddParams) (*api.ReactionAddResult, error) {
	for _, r := range p.Emoji {
		if !unicode.IsGraphic(r) && r != zeroWidthJoiner && !unicode.Is(unicode.Variation_Selector, r) && !isTag(r) || unicode.IsSpace(r) {
			return nil, api.Errorf(api.CodeInvalidParams, "emoji: no spaces and no control characters").WithField("emoji")
		}
	}
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if err := on.there(); err != nil {
			return err
		}
		if err := on.unmuted(t); err != nil {
			return err
		}
		has, others, err := t.Reaction(p.Seq, p.Emoji, on.user.ID)
		switch {
		case err != nil || has:
			return err
		case others >= maxKinds:
			return api.Errorf(api.CodeFailedPrecondition, "the message has %d different reactions", maxKinds).WithField("emoji")
		}
		if err := t.PutReaction(p.Seq, p.Emoji, on.user.ID); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeReactionAdded, &api.ReactionAdded{Message: p.Seq, Emoji: p.Emoji})
	})
	if err != nil {
		return nil, err
	}
	return &api.ReactionAddResult{RoomID: e.RoomID, Message: p.Seq, Added: !e.Unchanged, Seq: eventOf(e)}, nil
}

// What emoji are put together with, which is not graphic by itself.
const zeroWidthJoiner = '\u200d'

func isTag(r rune) bool { return r >= 0xe0020 && r <= 0xe007f }

// ReactionRemove implements reaction.remove.
func (s *Session) ReactionRemove(ctx context.Context, p *api.ReactionRemoveParams) (*api.ReactionRemoveResult, error) {
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if err := on.writes(t); err != nil {
			return err
		}
		has, _, err := t.Reaction(p.Seq, p.Emoji, on.user.ID)
		if err != nil || !has {
			return err
		}
		if err := t.DeleteReaction(p.Seq, p.Emoji, on.user.ID); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeReactionRemoved, &api.ReactionRemoved{Message: p.Seq, Emoji: p.Emoji})
	})
	if err != nil {
		return nil, err
	}
	return &api.ReactionRemoveResult{RoomID: e.RoomID, Message: p.Seq, Removed: !e.Unchanged, Seq: eventOf(e)}, nil
}

// PinAdd implements pin.add.
func (s *Session) PinAdd(ctx context.Context, p *api.PinAddParams) (*api.PinAddResult, error) {
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if err := on.may(Pin); err != nil {
			return err
		}
		if err := on.writes(t); err != nil {
			return err
		}
		if err := on.there(); err != nil {
			return err
		}
		if on.msg.Pinned != 0 {
			return nil
		}
		pins, err := t.Pins()
		switch {
		case err != nil:
			return err
		case pins >= maxPins:
			return api.Errorf(api.CodeFailedPrecondition, "the room has %d pinned messages: unpin one first", maxPins).WithField("seq")
		}
		on.msg.Pinned = t.Room().Head.Seq + 1
		if err := t.PutMessage(on.msg); err != nil {
			return err
		}
		return on.tell(t, api.EventTypePinAdded, &api.PinAdded{Message: p.Seq})
	})
	if err != nil {
		return nil, err
	}
	return &api.PinAddResult{RoomID: e.RoomID, Message: p.Seq, Added: !e.Unchanged, Seq: eventOf(e)}, nil
}

// PinRemove implements pin.remove.
func (s *Session) PinRemove(ctx context.Context, p *api.PinRemoveParams) (*api.PinRemoveResult, error) {
	e, err := s.onMessage(ctx, p.Room, p.Seq, func(t Tx, on *target) error {
		if err := on.may(Pin); err != nil {
			return err
		}
		if err := on.writes(t); err != nil {
			return err
		}
		if on.msg.Pinned == 0 {
			return nil
		}
		on.msg.Pinned = 0
		if err := t.PutMessage(on.msg); err != nil {
			return err
		}
		return on.tell(t, api.EventTypePinRemoved, &api.PinRemoved{Message: p.Seq})
	})
	if err != nil {
		return nil, err
	}
	return &api.PinRemoveResult{RoomID: e.RoomID, Message: p.Seq, Removed: !e.Unchanged, Seq: eventOf(e)}, nil
}

// PinList implements pin.list.
func (s *Session) PinList(ctx context.Context, p *api.PinListParams) (*api.PinListResult, error) {
	res := &api.PinListResult{}
	err := s.look(ctx, p.Room, func(r Reader, v *RoomView) error {
		posted, err := r.Pinned(ctx, v.ID)
		if err != nil {
			return err
		}
		res.Messages, err = s.messages(ctx, r, v, posted)
		return err
	})
	return res, err
}

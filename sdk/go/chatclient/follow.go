package chatclient

import (
	"context"
	"iter"

	"github.com/chatd-dev/chatd/api"
)

// Subscription (skeleton, filled in below).
type Subscription struct{ c *Client }

// FollowOptions say what a Subscription follows.
type FollowOptions struct {
	// Rooms are followed each from its own position.
	Rooms []RoomPosition

	// Joined follows all rooms that the user is in, now or later: those of Rooms from their positions, the others from where
	// they stand, a room joined later from the join on.
	Joined bool

	// Epoch is the epoch in which the positions were learnt (Subscription.Epoch, kept with Positions); "" trusts them.
	Epoch api.Epoch

	// Signals asks for *Signal notifications.
	Signals bool

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

// Follow follows rooms.
func (c *Client) Follow(ctx context.Context, o *FollowOptions) (*Subscription, error) {
	return nil, ErrClosed
}

// Events iterates.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Notification, error] { return nil }

// Next returns the next notification.
func (s *Subscription) Next(ctx context.Context) (Notification, error) { return nil, ErrClosed }

// Run calls the handlers.
func (s *Subscription) Run(ctx context.Context) error { return nil }

// Position is the seq of the last event of a room (by id) that was handed out.
func (s *Subscription) Position(room api.RoomID) api.Seq { return 0 }

// Positions are all positions, fit for FollowOptions.Rooms of another Follow.
func (s *Subscription) Positions() []RoomPosition { return nil }

// Epoch is the epoch that the positions belong to.
func (s *Subscription) Epoch() api.Epoch { return "" }

// Rooms are the rooms that are followed, as the server last described them.
func (s *Subscription) Rooms() []api.SyncedRoom { return nil }

// Close ends it.
func (s *Subscription) Close() error { return nil }

func (s *Subscription) receive(conn *conn, m message) {}

package chatclient

import (
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Notification is what a Subscription hands out: *EventReceived, *CaughtUp, *Gap, *Reset, *Truncated, *Signal, *UserUpdated, *Account,
// *AccountGap, *Closing, *Reconnected or *Unfollowed. More may come; ignore what you do not know.
type Notification interface{ notification() }

// EventReceived is an event of a followed room, live or replayed. Each seq of a room comes once and in order.
type EventReceived struct {
	*api.Event
	// Last says that nothing of the room comes after it, unless the user comes back: they are not in it any more, or it was deleted.
	Last bool
}

// CaughtUp says that a room's replay is over and what follows is live. It comes once for each room
// when following begins, and again after each interruption.
type CaughtUp struct {
	RoomID api.RoomID
	Seq    api.Seq // the last before live events
}

// Gap says that events From..To of a room do not come; room.history has them where they still exist. With
// api.GapReasonRetention they do not.
type Gap struct {
	RoomID   api.RoomID
	From, To api.Seq
	Reason   api.GapReason // of the server, or GapReasonMissing
}

// GapReasonMissing is the Reason of a Gap that the server did not announce: its numbers jumped, and
// asking again did not bring what was missing.
const GapReasonMissing api.GapReason = "missing"

// Reset says that the server's logs are not the ones that the room's position came from: a backup was restored, or the
// position was another server's. Following goes on after Seq, the head of the new log.
type Reset struct {
	RoomID api.RoomID
	Epoch  api.Epoch
	Seq    api.Seq
}

// Truncated says that the oldest events of a room were removed: its log begins with FirstSeq now. What is kept of those before
// it is to be dropped. It comes when following begins, and again when there is less.
type Truncated struct {
	RoomID   api.RoomID
	FirstSeq api.Seq
}

// Signal is something of the moment, such as a member coming online. Signals may be lost.
type Signal struct{ *api.RoomSignalParams }

// UserUpdated says what others see of a member of a followed room from now on: Users keeps it. It comes once for each such room,
// where Signal comes, and like those may be lost.
type UserUpdated struct{ *api.UserUpdatedParams }

// Account is an event of the caller's own account, such as a room that they joined on another device. Those of one
// connection come in order, each once.
type Account struct{ *api.AccountEventParams }

// AccountGap says that events of the account may be missing here: after a lost connection, or when the consumer was too slow.
// What is kept from them is to be fetched anew.
type AccountGap struct{}

// Closing says that the server is about to close the connection, and why. The Subscription resumes by itself,
// unless Return is false.
type Closing struct {
	Reason         api.CloseReason
	Return         bool          // false: the server does not want this token back
	ReconnectAfter time.Duration // what the server asks to wait before coming back
}

// Reconnected says that the connection was lost and following has resumed: what follows continues where the events before it ended.
type Reconnected struct{}

// Unfollowed says that a room could not be followed any more after a reconnect: it is gone, or the user was removed.
type Unfollowed struct {
	RoomID api.RoomID
	Err    error
}

func (*EventReceived) notification() {}
func (*CaughtUp) notification()      {}
func (*Gap) notification()           {}
func (*Reset) notification()         {}
func (*Truncated) notification()     {}
func (*Signal) notification()        {}
func (*UserUpdated) notification()   {}
func (*Account) notification()       {}
func (*AccountGap) notification()    {}
func (*Closing) notification()       {}
func (*Reconnected) notification()   {}
func (*Unfollowed) notification()    {}

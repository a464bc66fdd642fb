package chat

import (
	"context"
	"errors"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Errors of a Store. They are matched with errors.Is; an implementation may wrap them with detail.
var (
	ErrNotFound    = errors.New("not found")
	ErrNameTaken   = errors.New("name taken")
	ErrNotMember   = errors.New("not a member")
	ErrKeyConflict = errors.New("idempotency key used with other content")
	ErrBadInvite   = errors.New("no such invitation, used up or expired")
	ErrNoMessage   = errors.New("no such message")
	ErrClosed      = errors.New("registration is closed to this caller")
	ErrTooMany     = errors.New("too many")

	// ErrUnavailable: the store cannot write now (no space, read-only, busy) but may later; reads may go on.
	ErrUnavailable = errors.New("store unavailable")

	// ErrBroken: a sync failed, so nothing more can be promised; the process has to end.
	ErrBroken = errors.New("store broken")
)

// Store keeps accounts, rooms and timelines. It is safe for concurrent use.
//
// Writes are durable when they return: synced, not only written. A write is never cut short by
// its context. Reads honour the context. An error from a write means that its outcome is unknown
// unless it is one of the errors above other than ErrUnavailable and ErrBroken.
type Store interface {
	AccountStore
	InviteStore
	RoomStore
	Eraser
	Timeline
	Searcher
	JobStore
	ImportStore

	// Epoch is the identity of the logs; it is made when the store is.
	Epoch() api.Epoch
	// Durability tells what a returned write has survived.
	Durability() api.Durability
	// Check reports whether the store can be written now; nil means ready.
	Check(ctx context.Context) error
	Close() error
}

// RoomRecord is a room as stored.
type RoomRecord struct {
	ID          api.RoomID
	Name        string
	Title       string
	Topic       string
	Visibility  api.Visibility
	CreatedAt   api.Timestamp
	CreatedBy   api.UserID
	SlowMode    time.Duration  // how long a member waits after a post; 0: not at all
	ReadOnly    bool           // only moderators and owners post
	ArchivedAt  api.Timestamp  // 0: it may be written
	Retention   Rule           // the room's own
	KeepLonger  bool           // whatever the server's rule is
	Users       []api.RoomUser // of a direct room: whom it is between, by username, for ever
	Hidden      bool           // an import has begun it: nobody sees it
	MemberCount int64
	Head        api.Head
	Gone        api.Head // the last event that was purged; zero: none was. The log begins behind it
}

// Open tells whether any member who is not muted may post in the room at any time.
func (r *RoomRecord) Open() bool { return r.SlowMode == 0 && !r.ReadOnly && r.ArchivedAt == 0 }

// RoomView is a room together with one user's part in it.
type RoomView struct {
	RoomRecord
	Role api.Role // "" if the user is not a member
	Read Read     // how far they have read; nothing if they are not a member
}

// Read is how far a member has read a room, and how many messages after that, as they now stand, mean them.
type Read struct {
	api.Head
	Mentions int64
}

// Membership is a user in a room.
type Membership struct {
	UserID   api.UserID
	Username string
	Role     api.Role
	JoinedAt api.Timestamp

	MutedUntil api.Timestamp // ended or not; 0: not muted
}

// Joining is how a membership begins.
type Joining struct {
	Membership
	Read api.Head // what was there counts as read
}

// RoomStore reads rooms and members. They are written by Timeline.Commit alone, with the events that say so (Tx).
type RoomStore interface {
	// ListRooms gives the rooms that user is in and, unless joinedOnly, public ones, archived ones only if they are asked
	// for, whose names come after afterName, by name, at most limit.
	ListRooms(ctx context.Context, user api.UserID, joinedOnly, archived bool, afterName string, limit int) ([]*RoomView, error)
	// RoomsOf gives the rooms that user is in and that have at most so many members, in no order.
	RoomsOf(ctx context.Context, user api.UserID, members int64) ([]api.RoomID, error)
	// ListMembers gives members whose usernames come after afterName, by username, at most limit; ErrNotFound.
	ListMembers(ctx context.Context, room api.RoomID, afterName string, limit int) ([]*Membership, error)
	// ListBans gives bans that end after a time, of users whose names come after afterName, by username, at most limit; ErrNotFound.
	ListBans(ctx context.Context, room api.RoomID, after api.Timestamp, afterName string, limit int) ([]*Restriction, error)
	// AllRooms gives rooms whose ids come after one, by id, at most limit.
	AllRooms(ctx context.Context, after api.RoomID, limit int) ([]*RoomRecord, error)
	// DirectRoom finds the direct room between people, who are given by username, and the part that user has in it; ErrNotFound.
	DirectRoom(ctx context.Context, between []api.RoomUser, user api.UserID) (*RoomView, error)
	// MemberByID and MemberByName find a member; ErrNotFound. MutedUntil is not told.
	MemberByID(ctx context.Context, room api.RoomID, user api.UserID) (*Membership, error)
	MemberByName(ctx context.Context, room api.RoomID, username string) (*Membership, error)
}

// Eraser takes away what deleted rooms held.
type Eraser interface {
	// Erase takes away some of it, so little that who commits meanwhile hardly notices; nil: nothing is left.
	Erase(ctx context.Context) (*Erased, error)
}

// Erased is a step of erasing.
type Erased struct {
	Room    api.RoomID
	Members []api.UserID // whose membership ended with it
}

// Record is an event as stored: its number and the bytes that are sent.
type Record struct {
	Seq   api.Seq
	MsgNo api.MsgNo // of message.posted; 0 otherwise
	Type  api.EventType
	At    api.Timestamp
	Bytes []byte
}

// HistoryQuery asks for a slice of a room's timeline.
type HistoryQuery struct {
	Room api.RoomID
	// Thread gives only answers under that message; 0: all. Types has to be message.posted alone then.
	Thread api.Seq
	// Sender gives only events of that user; "": all.
	Sender api.UserID
	// After < seq < Before; Before 0 means no bound.
	After, Before api.Seq
	Types         []api.EventType // empty: all
	Limit         int             // at most so many; 0 or less gives none
	MaxBytes      int             // stop after the record that reaches this; 0 means no bound
	Newest        bool            // the last ones of the slice rather than the first
}

// Timeline is the log of each room.
type Timeline interface {
	// Commit stores entries in one transaction, in order, and returns when it is synced. Each room's
	// events are numbered from the room's head on, seq and msg_no without a hole, also across entries
	// that fail or are duplicates (they take no number). Rules of an entry see the entries before it.
	// A returned error means that the fate of all of them is unknown; then no entry has a result.
	Commit(ctx context.Context, entries []*Entry) error
	// Snapshot reads several things as they stand at one moment. The Reader is good until look returns.
	Snapshot(ctx context.Context, look func(r Reader) error) error
	Reader
}

// Reader reads rooms and their logs.
type Reader interface {
	ExportReader

	// RoomByID and RoomByName find a room and the part that user has in it; ErrNotFound.
	RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*RoomView, error)
	RoomByName(ctx context.Context, name string, user api.UserID) (*RoomView, error)
	// Head gives the end of a room's log; ErrNotFound.
	Head(ctx context.Context, room api.RoomID) (api.Head, error)
	// History gives records by ascending seq whatever Newest says; ErrNotFound. The slices are the caller's.
	History(ctx context.Context, q *HistoryQuery) ([]Record, error)

	// FirstKept finds the first event of part of a log that is to be kept; 0: there is none, or no such room.
	FirstKept(ctx context.Context, q *KeptQuery) (api.Seq, error)

	// Messages tells what has become of messages, given by their message.posted records, in the same order; Mine
	// of the reactions is user's.
	Messages(ctx context.Context, room api.RoomID, user api.UserID, posted []Record) ([]MessageView, error)
	// Pinned gives the message.posted records of pinned messages, the one pinned last first.
	Pinned(ctx context.Context, room api.RoomID) ([]Record, error)
	// Thread gives the thread under a message, answered or not, as user sees it; ErrNoMessage.
	Thread(ctx context.Context, room api.RoomID, root api.Seq, user api.UserID) (*ThreadView, error)
	// Threads gives the threads of a room with answers, the last of which is numbered less than before (0: no bound), the
	// one answered last first, at most limit.
	Threads(ctx context.Context, room api.RoomID, before api.Seq, limit int) ([]ThreadKey, error)
	// FollowedThreads gives the threads that a user follows, answered or not, in rooms that they are in, in the order of their keys.
	FollowedThreads(ctx context.Context, q *ThreadQuery) ([]ThreadKey, error)
}

// KeptQuery says what is to be kept: an event that is neither too old nor stands too far back.
type KeptQuery struct {
	Room   api.RoomID
	After  api.Seq
	Scan   int           // looks at so many events after that one at most
	Since  api.Timestamp // it is not older than this
	Beyond api.MsgNo     // and there are more messages than so many up to and with it
}

// MessageState is what has become of a message.
type MessageState struct {
	Seq       api.Seq
	SenderID  api.UserID
	Thread    api.Seq // the message under which it stands; 0: none
	Edited    api.Seq // its last message.edited; 0: none
	EditedAt  api.Timestamp
	Edits     int64   // how many
	Deleted   api.Seq // its message.deleted; 0: it is there
	Pinned    api.Seq // its pin.added; 0: it is not pinned
	Replies   int64   // answers under it that are there
	LastReply api.Seq // the last answer under it, there or not

	Answers api.ThreadNo // that were ever given under it: the number of the last
}

// MessageView is a message as it stands.
type MessageView struct {
	State     MessageState
	Posted    []byte // its record
	Edit      []byte // the record of its last message.edited; nil: none
	Reactions []api.ReactionCount
}

package chat

import (
	"context"
	"errors"

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
	RoomStore
	Timeline

	// Epoch is the identity of the logs; it is made when the store is.
	Epoch() api.Epoch
	// Durability tells what a returned write has survived.
	Durability() api.Durability
	// Check reports whether the store can be written now; nil means ready.
	Check(ctx context.Context) error
	Close() error
}

// Account is a user as stored.
type Account struct {
	ID           api.UserID
	Username     string
	PasswordHash string // PHC string
	Admin        bool
	CreatedAt    api.Timestamp
}

// NewAccount says how an account comes to be; see CreateAccount.
type NewAccount struct {
	Account
	// FirstIsAdmin makes the account an administrator if the store holds no account yet.
	FirstIsAdmin bool
	// OnlyFirst refuses with ErrClosed if the store holds any account: the setup token's rule.
	OnlyFirst bool
	// InviteHash names the invitation to be used up; nil means none is needed.
	InviteHash []byte
}

// LoginSession is what a token opens. The token itself is not stored, only its SHA-256.
type LoginSession struct {
	ID         api.SessionID
	TokenHash  [32]byte
	UserID     api.UserID
	DeviceName string
	CreatedAt  api.Timestamp
	ExpiresAt  api.Timestamp
}

// Invite lets others register.
type Invite struct {
	Hash      []byte // SHA-256 of the secret
	CreatedBy api.UserID
	Uses      int64 // how many are left
	ExpiresAt api.Timestamp
}

// AccountStore keeps users, login sessions and invitations.
type AccountStore interface {
	// CreateAccount stores a new account, using up its invitation in the same transaction. It returns
	// the account as stored. ErrClosed, ErrBadInvite (judged at a.CreatedAt) and ErrNameTaken, in this
	// order, change nothing.
	CreateAccount(ctx context.Context, a *NewAccount) (*Account, error)
	// HasAccounts tells whether there is any account.
	HasAccounts(ctx context.Context) (bool, error)
	AccountByName(ctx context.Context, username string) (*Account, error)
	AccountByID(ctx context.Context, id api.UserID) (*Account, error)

	CreateSession(ctx context.Context, s *LoginSession) error
	// SessionByToken finds a session and its user; ErrNotFound. Expiry is the caller's to judge.
	SessionByToken(ctx context.Context, hash [32]byte) (*LoginSession, *Account, error)
	// ExtendSession moves a session's end; ErrNotFound if it is gone.
	ExtendSession(ctx context.Context, id api.SessionID, expiresAt api.Timestamp) error
	// DeleteSession ends a session; ending one that is gone is no error.
	DeleteSession(ctx context.Context, id api.SessionID) error

	CreateInvite(ctx context.Context, inv *Invite) error
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
	MemberCount int64
	Head        api.Head
}

// RoomView is a room together with one user's part in it.
type RoomView struct {
	RoomRecord
	Role api.Role // "" if the user is not a member
}

// Membership is a user in a room.
type Membership struct {
	UserID   api.UserID
	Username string
	Role     api.Role
	JoinedAt api.Timestamp
}

// RoomStore reads rooms and members. They are written by Timeline.Commit alone, with the events that say so.
type RoomStore interface {
	// RoomByID and RoomByName find a room and the part that user has in it; ErrNotFound.
	RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*RoomView, error)
	RoomByName(ctx context.Context, name string, user api.UserID) (*RoomView, error)
	// ListRooms gives the rooms that user is in and, unless joinedOnly, public ones, whose names come
	// after afterName, by name, at most limit.
	ListRooms(ctx context.Context, user api.UserID, joinedOnly bool, afterName string, limit int) ([]*RoomView, error)
	// ListMembers gives members whose usernames come after afterName, by username, at most limit; ErrNotFound.
	ListMembers(ctx context.Context, room api.RoomID, afterName string, limit int) ([]*Membership, error)
}

// Record is an event as stored: its number and the bytes that are sent.
type Record struct {
	Seq   api.Seq
	MsgNo api.MsgNo // of message.posted; 0 otherwise
	Type  api.EventType
	At    api.Timestamp
	Bytes []byte
}

// Draft is an event that has no number yet.
type Draft interface {
	Type() api.EventType
	// Append appends the complete record to dst. msgNo is 0 unless the type is message.posted.
	Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte
}

// Entry is one act waiting to be committed to one room's timeline: the change it makes and the
// events that tell it, all or nothing.
type Entry struct {
	// What is asked; static once handed to a lane.

	RoomID   api.RoomID
	SenderID api.UserID
	At       api.Timestamp
	Drafts   []Draft

	// Create is the room to be made; ErrNameTaken.
	Create *RoomRecord
	// Join makes this user a member. If they are one already the entry is done without events: Unchanged.
	Join *Membership
	// Leave ends this user's membership. If they are no member: Unchanged.
	Leave api.UserID
	// MembersOnly refuses with ErrNotMember unless SenderID is a member at this point of the log.
	MembersOnly bool
	// ReplyTo refuses with ErrNoMessage unless it is 0 or the seq of a message.posted of the room.
	ReplyTo api.Seq
	// Key is the idempotency key of the only draft, or "". If the sender used it in this room before:
	// with the same Digest the earlier record comes back with Duplicate set, also to who has left since;
	// otherwise ErrKeyConflict.
	Key    string
	Digest [16]byte

	// What came of it; set by Commit.

	Records   []Record // one a draft; none if Unchanged
	Head      api.Head // of the room right after this entry
	Duplicate bool
	Unchanged bool
	Err       error // of this entry alone, nothing of it is stored; ErrNotFound: no such room or sender

	// The lane's.

	done   chan struct{} // closed when what came of it is known
	poster *poster       // nil: nobody who may post again soon
	size   int           // about how much memory it holds, in bytes
}

// HistoryQuery asks for a slice of a room's timeline.
type HistoryQuery struct {
	Room api.RoomID
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
	// Head gives the end of a room's log; ErrNotFound.
	Head(ctx context.Context, room api.RoomID) (api.Head, error)
	// History gives records by ascending seq whatever Newest says; ErrNotFound. The slices are the caller's.
	History(ctx context.Context, q *HistoryQuery) ([]Record, error)
}

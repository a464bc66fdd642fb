package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// Import is an import as stored.
type Import struct {
	ID       api.ImportID
	ExportID api.ExportID
	Open     bool   // one is at most
	Body     []byte // what the domain notes of it
}

// ImportStore keeps imports. What an open one has brought, accounts and rooms, is hidden.
type ImportStore interface {
	// Imports gives imports, the newest first, at most limit.
	Imports(ctx context.Context, limit int) ([]*Import, error)
	// HiddenRooms gives rooms that are hidden, at most limit.
	HiddenRooms(ctx context.Context, limit int) ([]api.RoomID, error)
}

// ExportReader reads what an export takes along, in the order in which it came to be, by numbers of the store's own. What is
// hidden is not among it.
type ExportReader interface {
	// Accounts gives accounts, deleted ones too, with numbers above after.
	Accounts(ctx context.Context, after int64, limit int) ([]Person, error)
	// RoomAfter gives the first room with a number above after; ErrNotFound.
	RoomAfter(ctx context.Context, after int64) (no int64, id api.RoomID, err error)
	// People gives users who have to do with a room.
	People(ctx context.Context, q *PeopleQuery) ([]Person, error)
}

// PeopleQuery asks for users who are in a room, or banned from it or muted in it.
type PeopleQuery struct {
	Room api.RoomID
	// Sent gives also who made the room, sent an event, banned or muted somebody, and whose bots all these are.
	Sent  bool
	After int64        // numbers above this
	Only  []api.UserID // if not nil, these users and nothing else, whatever they have to do with the room
	Limit int
}

// Person is a user and their part in a room.
type Person struct {
	No int64
	Account
	Role         api.Role // "": no member
	JoinedAt     api.Timestamp
	Read         api.Head
	Restrictions []Restriction // bans and mutes, ended or not
	Threads      []RootedPart  // by root
}

// RootedPart is a ThreadPart in the thread under a message. How many answers mean the user is not told.
type RootedPart struct {
	Root api.Seq
	ThreadPart
}

// Restored is an event that was in another log. It is a Draft that is written already.
type Restored struct {
	SenderID api.UserID
	At       api.Timestamp
	Kind     api.EventType
	Of       api.Seq // the message that it is about; 0: none
	Key      string  // idempotency key
	Bytes    []byte
}

// Type implements Draft.
func (r *Restored) Type() api.EventType { return r.Kind }

// Append implements Draft.
func (r *Restored) Append(dst []byte, _ api.Seq, _ api.MsgNo) []byte { return append(dst, r.Bytes...) }

// About implements Draft.
func (r *Restored) About() api.Seq { return r.Of }

// ImportTx is what an act of an import does to its room.
type ImportTx interface {
	// Restore adds an event to the log; ErrKeyConflict puts nothing: its sender has used its key here. What is asked
	// under the key later is taken for a repetition, whatever it says.
	Restore(r *Restored) error
	// RestoreMember makes a user a member, who has read as far as it says.
	RestoreMember(j *Joining) error

	// PutLine keeps a line about the room, which need not be there yet, under a name. Lines gives them, by name.
	PutLine(name string, line []byte) error
	Lines() ([][]byte, error)
	// DeleteLines removes them.
	DeleteLines() error

	// Discard removes the hidden room: some of its last events, about limit of them, or, when there are none left, the rest.
	Discard(limit int) (more bool, err error)

	// PutImport adds an import or changes one. There must be no other that is open.
	PutImport(i *Import) error
}

// ImportAccountTx is what an import does to accounts.
type ImportAccountTx interface {
	// AccountByName finds an account, hidden or not; ErrNotFound. So does Account.
	AccountByName(username string) (*Account, error)
	// CreateHidden stores an account that nobody sees. Its id and name have to be free.
	CreateHidden(a *Account) error
	// ShowHidden lets everybody see the accounts that are hidden.
	ShowHidden() error
	// DropHidden removes them, and all lines of rooms; no event may have a hidden sender.
	DropHidden() error

	// OpenImport gives the import that is open; nil: none is.
	OpenImport() (*Import, error)
	// PutImport adds an import or changes one. There must be no other that is open.
	PutImport(i *Import) error
	// DeleteImport removes one.
	DeleteImport(id api.ImportID) error
}

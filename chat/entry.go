package chat

import "github.com/chatd-dev/chatd/api"

// Draft is an event that has no number yet.
type Draft interface {
	Type() api.EventType
	// Append appends the complete record to dst. msgNo is 0 unless the type is message.posted.
	Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte
	// About is the message that the event is about: the one that is edited, say, or that a post answers in its thread; 0: none.
	About() api.Seq
}

// Act is what an entry does, decided at its point of the log.
type Act interface {
	// Do looks at the room and then puts what changes, the events that tell it included. An error refuses the entry; it
	// may come only while nothing has been put. What puts nothing is Unchanged.
	Do(t Tx) error
}

// Mentions is whom a message means: some users, or everyone in the room, which leaves nobody to be named.
type Mentions struct {
	Users []api.UserID
	Room  bool
}

// Tx is an entry's room as the entries before it have left it, for its Act. Reads give the caller's own copies. What is
// put is stored together, or not at all. Faults of the store come back as errors, and need not be told from refusals.
type Tx interface {
	ImportTx

	// Room is the room; nil: there is none.
	Room() *RoomRecord
	// CreateRoom makes the room, which has the entry's id; ErrNameTaken, also if there is one with this id, or a direct
	// room between the same people. The log of one that is hidden begins behind its Head.
	CreateRoom(r *RoomRecord) error
	// DeleteRoom ends the room: nothing finds it any more, and its name is free. Erase takes away what it held.
	DeleteRoom() error

	// UpdateRoom changes what can be of a room: name, title, topic, visibility, slow mode, read-only, archived, hidden, retention. ErrNameTaken.
	UpdateRoom(r *RoomRecord) error

	// Account finds an account; ErrNotFound.
	Account(user api.UserID) (*Account, error)
	// Member gives a user's part in the room; nil: none. ErrNotFound: there is no such user. MutedUntil is not told.
	Member(user api.UserID) (*Membership, error)
	// PutMember makes a user a member, who has read what is there, or changes what their membership says. The username is
	// the store's to know.
	PutMember(m *Membership) error
	// DeleteMember ends a membership that there is; the user follows no thread of the room any more.
	DeleteMember(user api.UserID) error
	// Owners counts the members whose role is owner.
	Owners() (int, error)
	// Eldest gives who is to own the room when nobody does: a person who is not suspended before others, then a moderator
	// before others, then who came first; nil: nobody is in it.
	Eldest() (*Membership, error)

	// Restriction gives a user's restriction, ended or not; nil: none.
	Restriction(user api.UserID, kind RestrictionKind) (*Restriction, error)
	// PutRestriction adds one or replaces it.
	PutRestriction(r *Restriction) error
	// DeleteRestriction removes one, if there is one.
	DeleteRestriction(user api.UserID, kind RestrictionKind) error

	// Read gives how far a member has read. Who posts has read up to that message: Append sees to it.
	Read(user api.UserID) (Read, error)
	// PutRead changes it to an event of the log.
	PutRead(user api.UserID, seq api.Seq) error
	// PutMentions notes that a message, which is no other event, means those users, DeleteMentions that it does so no more.
	PutMentions(seq api.Seq, who Mentions) error
	DeleteMentions(seq api.Seq, who Mentions) error

	// Thread gives a user's part in the thread under a message; nil: none.
	Thread(root api.Seq, user api.UserID) (*ThreadPart, error)
	// PutThread begins or changes it: all but Mentions.
	PutThread(root api.Seq, p *ThreadPart) error
	// AnswersAfter counts the answers in a thread, there or not, that come after seq.
	AnswersAfter(root, seq api.Seq) (int64, error)

	// IsMessage tells whether seq is that of a message.posted.
	IsMessage(seq api.Seq) (bool, error)
	// Message gives what has become of a message; ErrNoMessage.
	Message(seq api.Seq) (*MessageState, error)
	// PutMessage changes it: all but Seq, SenderID, Thread and Reactions.
	PutMessage(m *MessageState) error
	// Versions gives the records of a message and of its edits.
	Versions(seq api.Seq) ([]Record, error)
	// Rewrite replaces the bytes of a record.
	Rewrite(r *Record) error
	// Pins counts the pinned messages.
	Pins() (int, error)

	// Reaction tells whether user has reacted with emoji, and how many other emoji the message has.
	Reaction(seq api.Seq, emoji string, user api.UserID) (has bool, others int, err error)
	// PutReaction and DeleteReaction add and remove one, and count it; emoji "" removes all of the message.
	PutReaction(seq api.Seq, emoji string, user api.UserID) error
	DeleteReaction(seq api.Seq, emoji string, user api.UserID) error

	InviteTx

	// Audit adds a record to the audit log, which only grows.
	Audit(r *AuditRecord) error

	// Append adds an event to the log, sent by the entry's sender; the first has the entry's key.
	Append(d Draft) error

	// Purge removes all events up to an event of the log, for good, and what has become of the messages among them. Their
	// numbers are not given again, nor are their idempotency keys.
	Purge(upTo api.Seq) error
}

// Entry is one act waiting to be committed to one room's timeline: the changes it makes and the
// events that tell them, all or nothing.
type Entry struct {
	// What is asked; static once handed to a lane.

	RoomID   api.RoomID
	SenderID api.UserID // "": the server, which appends nothing
	At       api.Timestamp
	Act      Act
	// Plain, if not nil, is the only event of an Act that comes to this in an open room: the sender is a member, and not
	// muted, ReplyTo is 0 or the seq of a message, Plain is appended. A store may do that in its own way, if it comes to the same.
	Plain   Draft
	ReplyTo api.Seq
	// Key is the idempotency key of the first event, or "". If the sender used it in this room before: with the
	// same Digest, or if none is known of the earlier one, that record comes back with Duplicate set, also to who has left since,
	// and without its Bytes if it was purged; otherwise ErrKeyConflict.
	Key    string
	Digest [16]byte // zero: none

	// What came of it; set by Commit.

	Records   []Record // of the events; none if Unchanged
	Head      api.Head // of the room right after this entry
	Joined    []Joining
	Left      []api.UserID
	Room      *RoomRecord // right after this entry; only if somebody joined
	Deleted   bool        // the room is gone with it
	Duplicate bool
	Unchanged bool
	Err       error // of this entry alone, nothing of it is stored; ErrNotFound: no such room or sender

	// The domain's.

	after func()             // called by the applier, in the order of the log, when the entry has taken effect; nil: nothing
	rule  api.PermissionRule // what decides on the act; "": being in the room, or what its refusal names

	// The lane's.

	svc     *Service
	unnamed string        // what the room is not called any more, or only to its members; "": names stay
	done    chan struct{} // closed when what came of it is known
	poster  *poster       // nil: nobody who may post again soon
	size    int           // about how much memory it holds, in bytes
}

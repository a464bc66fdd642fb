package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// Account is a user as stored: a person, a bot, or one that is deleted, whose name stays taken.
type Account struct {
	ID           api.UserID
	Username     string
	DisplayName  string
	PasswordHash string // PHC string; "": no password opens it
	Admin        bool
	OwnerID      api.UserID // whose bot it is; "": a person's account
	CreatedAt    api.Timestamp
	DeletedAt    api.Timestamp // 0: it is not
	Hidden       bool          // an import brings it: nobody sees it

	SuspendedAt    api.Timestamp // 0: it is not
	SuspendedUntil api.Timestamp // 0: until somebody restores it
	SuspendReason  string
}

// NewAccount says how an account comes to be; see CreateAccount.
type NewAccount struct {
	Account
	// FirstIsAdmin makes the account an administrator if the store holds no account yet.
	FirstIsAdmin bool
	// OnlyFirst refuses with ErrClosed if the store holds any account: the setup token's rule.
	OnlyFirst bool
	// InviteHash names the invitation to be used up, which has to be an administrator's; nil means none is needed.
	InviteHash []byte
	// MaxBots refuses with ErrTooMany another bot of an owner who has so many; 0: no bound.
	MaxBots int
	// Audit is stored with the account; nil: nothing.
	Audit *AuditRecord
}

// LoginSession is what a token opens. The token itself is not stored, only its SHA-256.
type LoginSession struct {
	ID         api.SessionID // of one that is Made, an api.TokenID
	TokenHash  [32]byte
	UserID     api.UserID
	DeviceName string // the name of one that is Made
	Addr       string // where it was last used, as limits count it
	CreatedAt  api.Timestamp
	SeenAt     api.Timestamp // when it was last used, coarsely; 0: never
	ExpiresAt  api.Timestamp

	Made  bool // by token.create, not by signing in: it ends when it was said to
	Scope Scope
}

// Scope is what a token gives of what its user may do. The zero value gives all of it.
type Scope struct {
	Methods   []string     // names, or noun.* for all of a noun; nil: all
	Rooms     []api.RoomID // nil: all
	PerMinute int64        // requests; 0: no bound
}

// AuditRecord says who did what to whom, from where and when, and what came of it.
type AuditRecord struct {
	No          int64 // 1, 2, 3 …, the store's to give
	At          api.Timestamp
	ActorID     api.UserID // "": a stranger
	ActorName   string     // the name that a stranger gave
	Addr        string
	Action      string // the method
	Subject     string // id of the user, session or token that it was done to; "": none
	SubjectName string
	Outcome     string // "ok", or the error's reason
	Detail      string
}

// AccountQuery asks for accounts, but for deleted ones.
type AccountQuery struct {
	Prefix string     // of the username
	Owner  api.UserID // whose bots; "": all accounts
	After  string     // usernames after this
	Limit  int
}

// AuditQuery asks for audit records, the newest first.
type AuditQuery struct {
	Actor   api.UserID // "": anybody
	Subject string     // "": anything
	Action  string     // a method, or a noun and a dot; "": all
	Before  int64      // numbers below this; 0: no bound
	Limit   int
}

// Totals are what a store holds.
type Totals struct {
	Users, Bots, Rooms, Messages int64
	Bytes                        int64 // on disk; 0: not known
}

// SentQuery asks for events that a user has sent, in any room, in an order of the store's own.
type SentQuery struct {
	User  api.UserID
	After int64 // the cursor that the page before gave; 0: from the start
	Scan  int   // look at so many events at most
	Limit int
}

// AccountStore keeps users, what their tokens open, and the audit log.
type AccountStore interface {
	// CreateAccount stores a new account, using up its invitation in the same transaction. It returns
	// the account as stored. ErrClosed, ErrBadInvite (judged at a.CreatedAt, also if who made it is no administrator any
	// more), ErrNameTaken, ErrNotFound (the owner of a bot is not there, or deleted) and ErrTooMany, in this order, change nothing.
	CreateAccount(ctx context.Context, a *NewAccount) (*Account, error)
	// HasAccounts tells whether there is any account.
	HasAccounts(ctx context.Context) (bool, error)
	AccountByName(ctx context.Context, username string) (*Account, error)
	AccountByID(ctx context.Context, id api.UserID) (*Account, error)
	// ListAccounts gives accounts by username.
	ListAccounts(ctx context.Context, q *AccountQuery) ([]*Account, error)

	// SessionByToken finds a session and its user; ErrNotFound. Whether it is good still is the caller's to judge.
	SessionByToken(ctx context.Context, hash [32]byte) (*LoginSession, *Account, error)
	// ListSessions gives a user's sessions, those that were made or those that were not, by id.
	ListSessions(ctx context.Context, user api.UserID, made bool) ([]*LoginSession, error)

	// ChangeAccounts runs do in one transaction. An error refuses it; as in an Act, it may come only
	// while nothing has been put.
	ChangeAccounts(ctx context.Context, do func(t AccountTx) error) error

	ListAudit(ctx context.Context, q *AuditQuery) ([]*AuditRecord, error)
	// SentEvents gives a page of records, and the cursor for the next one; 0: this was the last.
	SentEvents(ctx context.Context, q *SentQuery) (page []Record, next int64, err error)
	Totals(ctx context.Context) (*Totals, error)
}

// AccountTx is what ChangeAccounts can see and do. Reads give the caller's own copies.
type AccountTx interface {
	ImportAccountTx

	// Account finds an account; ErrNotFound.
	Account(id api.UserID) (*Account, error)
	// PutAccount changes all but what never changes: id, username, owner, time of creation.
	PutAccount(a *Account) error
	// OtherAdmins counts administrators who are neither deleted nor suspended at a time, without user.
	OtherAdmins(user api.UserID, at api.Timestamp) (int, error)

	// Session finds a session; ErrNotFound. Sessions is ListSessions.
	Session(id api.SessionID) (*LoginSession, error)
	Sessions(user api.UserID, made bool) ([]*LoginSession, error)
	// CreateSession stores a new one; ErrNotFound if there is no such user.
	CreateSession(l *LoginSession) error
	// PutSession changes what may change of a session that is there: name, address, times, scope.
	PutSession(l *LoginSession) error
	// DeleteSession ends a session; ending one that is gone is no error.
	DeleteSession(id api.SessionID) error

	InviteTx

	// Audit adds a record to the audit log, which only grows.
	Audit(r *AuditRecord) error
}

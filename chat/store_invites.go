package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// Invite lets others register, or come into a room.
type Invite struct {
	ID          api.InviteID
	Hash        []byte     // SHA-256 of the secret
	Room        api.RoomID // into which it leads; "": none
	CreatedBy   api.UserID
	CreatorName string // the store's to know
	CreatedAt   api.Timestamp
	Uses        int64 // how many are left
	Used        int64
	ExpiresAt   api.Timestamp
}

// open tells whether there is any use left of it.
func (i *Invite) open(now api.Timestamp) bool { return i.Uses > 0 && i.ExpiresAt > now }

// InviteQuery asks for open invitations, by id.
type InviteQuery struct {
	Room    api.RoomID // into that room; "": into any, or none
	Creator api.UserID // only theirs; "": all
	Server  bool       // besides: all that lead into no room
	Now     api.Timestamp
	After   api.InviteID // ids after this
	Limit   int
}

// InviteStore keeps invitations. One into a room that was deleted is none.
type InviteStore interface {
	// InviteByHash and InviteByID find an invitation, open or not; ErrNotFound.
	InviteByHash(ctx context.Context, hash []byte) (*Invite, error)
	InviteByID(ctx context.Context, id api.InviteID) (*Invite, error)
	ListInvites(ctx context.Context, q *InviteQuery) ([]*Invite, error)
	// SweepInvites removes those that are not open any more.
	SweepInvites(ctx context.Context, now api.Timestamp) error
}

// InviteTx is what a transaction can see of invitations and do with them.
type InviteTx interface {
	// Invite finds an invitation by its hash, open or not; nil: there is none.
	Invite(hash []byte) (*Invite, error)
	// OpenInvites counts those of a user.
	OpenInvites(user api.UserID, now api.Timestamp) (int, error)
	// CreateInvite stores a new one; ErrNotFound if there is no such user, or no such room.
	CreateInvite(inv *Invite) error
	// UseInvite counts a use of one that is there.
	UseInvite(hash []byte) error
	// DeleteInvite makes one void; one that is gone is no error.
	DeleteInvite(id api.InviteID) error
}

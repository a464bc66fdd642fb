package storetest

import (
	"crypto/sha256"
	"strconv"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Draft is an event of no meaning but its type and text.
type Draft struct {
	Kind api.EventType
	Text string
}

// Type implements chat.Draft.
func (d Draft) Type() api.EventType { return d.Kind }

// Append implements chat.Draft.
func (d Draft) Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, int64(seq), 10)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, d.Kind...)
	dst = append(dst, `","msg_no":`...)
	dst = strconv.AppendInt(dst, int64(msgNo), 10)
	dst = append(dst, `,"text":`...)
	dst = strconv.AppendQuote(dst, d.Text)
	return append(dst, '}')
}

// User is the id that NewAccount gives to name, RoomID the one that Create gives.
func User(name string) api.UserID { return api.UserID("user_" + name) }

// RoomID is the id that Create gives to the room name.
func RoomID(name string) api.RoomID { return api.RoomID("room_" + name) }

// NewAccount is a plain account.
func NewAccount(name string) *chat.NewAccount {
	return &chat.NewAccount{Account: chat.Account{ID: User(name), Username: name, PasswordHash: "hash of " + name, CreatedAt: now}}
}

// Create makes a public room with its owner in it, in one entry: two events.
func Create(name string, owner api.UserID) *chat.Entry {
	e := Join(RoomID(name), owner)
	e.Join.Role = api.RoleOwner
	e.Create = &chat.RoomRecord{ID: e.RoomID, Name: name, Visibility: api.VisibilityPublic, CreatedAt: now, CreatedBy: owner}
	e.Drafts = []chat.Draft{Draft{api.EventTypeRoomCreated, name}, e.Drafts[0]}
	return e
}

// Join makes user a member of room.
func Join(room api.RoomID, user api.UserID) *chat.Entry {
	return &chat.Entry{
		RoomID: room, SenderID: user, At: now,
		Join:   &chat.Membership{UserID: user, Username: string(user[len("user_"):]), Role: api.RoleMember, JoinedAt: now},
		Drafts: []chat.Draft{Draft{api.EventTypeMemberJoined, string(user)}},
	}
}

// Leave ends that.
func Leave(room api.RoomID, user api.UserID) *chat.Entry {
	return &chat.Entry{
		RoomID: room, SenderID: user, At: now, Leave: user,
		Drafts: []chat.Draft{Draft{api.EventTypeMemberLeft, string(user)}},
	}
}

// Post says text in room.
func Post(room api.RoomID, user api.UserID, text string) *chat.Entry {
	return &chat.Entry{RoomID: room, SenderID: user, At: now, MembersOnly: true, Drafts: []chat.Draft{Draft{api.EventTypeMessagePosted, text}}}
}

// Keyed is Post under an idempotency key; the digest is of the text.
func Keyed(room api.RoomID, user api.UserID, text, key string) *chat.Entry {
	e := Post(room, user, text)
	e.Key = key
	sum := sha256.Sum256([]byte(text))
	copy(e.Digest[:], sum[:])
	return e
}

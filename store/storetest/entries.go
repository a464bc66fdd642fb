package storetest

import (
	"crypto/sha256"
	"slices"
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

// About implements chat.Draft.
func (d Draft) About() api.Seq { return 0 }

// aboutDraft is a Draft about a message.
type aboutDraft struct {
	Draft
	of api.Seq
}

// About implements chat.Draft.
func (d aboutDraft) About() api.Seq { return d.of }

// User is the id that NewAccount gives to name, RoomID the one that Create gives.
func User(name string) api.UserID { return api.UserID("user_" + name) }

// RoomID is the id that Create gives to the room name.
func RoomID(name string) api.RoomID { return api.RoomID("room_" + name) }

// NewAccount is a plain account.
func NewAccount(name string) *chat.NewAccount {
	return &chat.NewAccount{Account: chat.Account{ID: User(name), Username: name, PasswordHash: "hash of " + name, CreatedAt: now}}
}

// Acting is an act as plain data: it makes a room, then a member, then ends a membership, and tells it; or says something.
type Acting struct {
	Create *chat.RoomRecord
	Join   *chat.Membership
	Leave  api.UserID

	Entry  *chat.Entry
	Drafts []chat.Draft // of anything but a post
}

// Do implements chat.Act.
func (a *Acting) Do(t chat.Tx) error {
	switch room := t.Room(); {
	case a.Create == nil && room == nil:
		return chat.ErrNotFound
	case a.Entry.Plain != nil:
		return a.post(t)
	case a.Join != nil:
		if m, err := t.Member(a.Join.UserID); err != nil || m != nil && a.Create == nil {
			return err
		}
	case a.Leave != "":
		if m, err := t.Member(a.Leave); err != nil || m == nil {
			return err
		}
	}
	if a.Create != nil {
		if err := t.CreateRoom(a.Create); err != nil {
			return err
		}
	}
	if a.Join != nil {
		if err := t.PutMember(a.Join); err != nil {
			return err
		}
	}
	if a.Leave != "" {
		if err := t.DeleteMember(a.Leave); err != nil {
			return err
		}
	}
	for _, d := range a.Drafts {
		if err := t.Append(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *Acting) post(t chat.Tx) error {
	m, err := t.Member(a.Entry.SenderID)
	switch {
	case err != nil:
		return err
	case m == nil:
		return chat.ErrNotMember
	}
	if a.Entry.ReplyTo != 0 {
		is, err := t.IsMessage(a.Entry.ReplyTo)
		if err != nil {
			return err
		}
		if !is {
			return chat.ErrNoMessage
		}
	}
	return t.Append(a.Entry.Plain)
}

// ActingOf is the act of an entry that was made here.
func ActingOf(e *chat.Entry) *Acting { return e.Act.(*Acting) }

func entry(room api.RoomID, user api.UserID, a *Acting) *chat.Entry {
	e := &chat.Entry{RoomID: room, SenderID: user, At: now, Act: a}
	a.Entry = e
	return e
}

// Copy is another entry that asks for the same.
func Copy(e *chat.Entry) *chat.Entry {
	c := *e
	switch a := e.Act.(type) {
	case *Acting:
		act := *a
		c.Act, act.Entry = &act, &c
	case *OnMessage:
		act := *a
		c.Act, act.e = &act, &c
	case *Reading:
		act := *a
		c.Act, act.e = &act, &c
	case *Partaking:
		act := *a
		c.Act = &act
	case *Ruling:
		act := *a
		c.Act, act.e = &act, &c
	case *Purging:
		act := *a
		c.Act = &act
	}
	return &c
}

// Create makes a public room with its owner in it, in one entry: two events.
func Create(name string, owner api.UserID) *chat.Entry {
	e := Join(RoomID(name), owner)
	a := ActingOf(e)
	a.Join.Role = api.RoleOwner
	a.Create = &chat.RoomRecord{ID: e.RoomID, Name: name, Visibility: api.VisibilityPublic, CreatedAt: now, CreatedBy: owner}
	a.Drafts = []chat.Draft{Draft{api.EventTypeRoomCreated, name}, a.Drafts[0]}
	return e
}

// Join makes user a member of room.
func Join(room api.RoomID, user api.UserID) *chat.Entry {
	return entry(room, user, &Acting{
		Join:   &chat.Membership{UserID: user, Username: string(user[len("user_"):]), Role: api.RoleMember, JoinedAt: now},
		Drafts: []chat.Draft{Draft{api.EventTypeMemberJoined, string(user)}},
	})
}

// Leave ends that.
func Leave(room api.RoomID, user api.UserID) *chat.Entry {
	return entry(room, user, &Acting{Leave: user, Drafts: []chat.Draft{Draft{api.EventTypeMemberLeft, string(user)}}})
}

func do(room api.RoomID, user api.UserID, act Doing) *chat.Entry {
	return &chat.Entry{RoomID: room, SenderID: user, At: now, Act: act}
}

// Delete ends a room.
func Delete(room api.RoomID, user api.UserID) *chat.Entry {
	return do(room, user, func(t chat.Tx) error {
		if t.Room() == nil {
			return chat.ErrNotFound
		}
		if err := t.Append(Draft{api.EventTypeRoomDeleted, string(room)}); err != nil {
			return err
		}
		return t.DeleteRoom()
	})
}

// Open makes a direct room between users, the first of whom opens it.
func Open(id api.RoomID, users ...api.UserID) *chat.Entry {
	room := &chat.RoomRecord{ID: id, Name: string(id), Visibility: api.VisibilityDirect, Users: between(users...), CreatedAt: now, CreatedBy: users[0]}
	return do(id, users[0], func(t chat.Tx) error {
		for _, u := range room.Users {
			if _, err := t.Member(u.UserID); err != nil {
				return err
			}
		}
		if err := t.CreateRoom(room); err != nil {
			return err
		}
		for _, u := range room.Users {
			if err := t.PutMember(&chat.Membership{UserID: u.UserID, Role: api.RoleMember, JoinedAt: now}); err != nil {
				return err
			}
		}
		return t.Append(Draft{api.EventTypeRoomCreated, string(id)})
	})
}

// between is whom a direct room is between.
func between(users ...api.UserID) []api.RoomUser {
	var people []api.RoomUser
	for _, id := range slices.Compact(slices.Sorted(slices.Values(users))) {
		people = append(people, api.RoomUser{UserID: id, Username: string(id[len("user_"):])})
	}
	return people
}

// Post says text in room.
func Post(room api.RoomID, user api.UserID, text string) *chat.Entry {
	e := entry(room, user, &Acting{})
	e.Plain = Draft{api.EventTypeMessagePosted, text}
	return e
}

// Keyed is Post under an idempotency key; the digest is of the text.
func Keyed(room api.RoomID, user api.UserID, text, key string) *chat.Entry {
	e := Post(room, user, text)
	e.Key = key
	sum := sha256.Sum256([]byte(text))
	copy(e.Digest[:], sum[:])
	return e
}

package chat

import "github.com/chatd-dev/chatd/api"

// Deed is what somebody does in a room that their role decides on. What any member may do is none.
type Deed string

// The deeds, in the words in which they are refused.
const (
	SpeakInReadOnly Deed = "post and edit in a read-only room"
	SpeakAtOnce     Deed = "post without waiting in slow mode"
	MentionRoom     Deed = "mention @room"
	Pin             Deed = "pin"
	DeleteOfOthers  Deed = "delete what others said"
	InviteToPublic  Deed = "add people to a public room"
	InviteToPrivate Deed = "add people to a private room"
	Remove          Deed = "remove people"
	BanPeople       Deed = "ban people"
	Mute            Deed = "mute people"
	SetRole         Deed = "change roles"
	Update          Deed = "change the room"
	Rename          Deed = "change a room's name and visibility"
	Archive         Deed = "archive the room"
	Retain          Deed = "change how long its history is kept"
	Delete          Deed = "delete the room"
	SeeInvites      Deed = "see and revoke invitations of others"
	Export          Deed = "export the room"
)

// least is the whole of who may do what in a room: the lowest role that may.
var least = map[Deed]api.Role{
	InviteToPublic: api.RoleMember,

	SpeakInReadOnly: api.RoleModerator,
	SpeakAtOnce:     api.RoleModerator,
	MentionRoom:     api.RoleModerator,
	Pin:             api.RoleModerator,
	DeleteOfOthers:  api.RoleModerator,
	InviteToPrivate: api.RoleModerator,
	Remove:          api.RoleModerator,
	BanPeople:       api.RoleModerator,
	Mute:            api.RoleModerator,
	Update:          api.RoleModerator,
	SeeInvites:      api.RoleModerator,

	SetRole: api.RoleOwner,
	Rename:  api.RoleOwner,
	Archive: api.RoleOwner,
	Retain:  api.RoleOwner,
	Delete:  api.RoleOwner,
	Export:  api.RoleOwner,
}

// inDirect are the deeds of everybody in a direct room, where roles, a server administrator's too, are nothing: the others
// are nobody's.
var inDirect = map[Deed]bool{Pin: true}

// ranks are the roles, the higher the more they may. Who is not in a room has none.
var ranks = map[api.Role]int{api.RoleMember: 1, api.RoleModerator: 2, api.RoleOwner: 3}

// Can tells whether a role may do a deed.
func Can(role api.Role, deed Deed) bool {
	lowest, known := least[deed]
	return known && ranks[role] >= ranks[lowest]
}

// CanTo tells whether a role may do a deed to somebody with another role, or with none in the room: owners to everybody,
// moderators to those below them.
func CanTo(role api.Role, deed Deed, on api.Role) bool {
	return Can(role, deed) && (role == api.RoleOwner || ranks[on] < ranks[role])
}

// roleOf is the role as which a member acts: a server's administrator may do in a room that they are in what an owner may.
func roleOf(user *Account, m *Membership) api.Role {
	if user.Admin {
		return api.RoleOwner
	}
	return m.Role
}

// actor is who acts in a room.
type actor struct {
	entry  *Entry
	user   *Account
	me     *Membership
	role   api.Role // as which they act
	direct bool     // the room is

	wasMuted bool // set by unmuted: a mute of theirs has ended

	// What the audit log is told, see tell.

	record func(action string) *AuditRecord // nil: nothing
	whom   *Account                         // to whom it is done; nil: to the room
	reason string
	beyond bool // set by may and mayTo: their role in the room alone would not let them
}

// can tells whether a deed is the actor's to do.
func (by *actor) can(deed Deed) bool {
	if by.direct {
		return inDirect[deed]
	}
	return Can(by.role, deed)
}

// decides notes what decides on what the actor does.
func (by *actor) decides(rule api.PermissionRule) {
	if by.entry != nil {
		by.entry.rule = rule
	}
}

// may refuses a deed that is not the actor's to do.
func (by *actor) may(deed Deed) error {
	by.decides(api.PermissionRuleRole)
	if by.can(deed) {
		by.beyond = by.beyond || !by.direct && !Can(by.me.Role, deed)
		return nil
	}
	if by.direct {
		by.decides(api.PermissionRuleState)
		return api.Errorf(api.CodeFailedPrecondition, "in a direct room nobody may %s", deed).WithField("room")
	}
	who := "only moderators and owners may "
	if least[deed] == api.RoleOwner {
		who = "only owners may "
	}
	return api.Errorf(api.CodePermissionDenied, "%s%s", who, deed).WithField("room")
}

// mayTo refuses a deed to somebody who is m in the room, nil for no member.
func (by *actor) mayTo(deed Deed, user *Account, m *Membership) error {
	if err := by.may(deed); err != nil {
		return err
	}
	on, is := api.Role(""), ""
	if m != nil {
		on = roleOf(user, m)
		is = articled(on)
	}
	if m != nil && on != m.Role {
		is = "an administrator of the server, and acts as " + is
	}
	switch {
	case user.ID == by.user.ID:
		return api.Errorf(api.CodeFailedPrecondition, "user: that is you").WithField("user")
	case !CanTo(by.role, deed, on):
		return api.Errorf(api.CodePermissionDenied, "user: %s is %s: only owners may %s of that role", user.Username, is, deed).WithField("user")
	}
	by.beyond = by.beyond || !CanTo(by.me.Role, deed, on)
	return nil
}

func articled(r api.Role) string {
	if r == api.RoleOwner {
		return "an " + string(r)
	}
	return "a " + string(r)
}

// lastOwner refuses to take a room's last owner from it.
func lastOwner(t Tx, m *Membership, field string) error {
	if m.Role != api.RoleOwner {
		return nil
	}
	owners, err := t.Owners()
	if err == nil && owners <= 1 {
		err = api.Errorf(api.CodeFailedPrecondition, "%s is the last owner: make somebody else one first", m.Username).WithField(field)
	}
	return err
}

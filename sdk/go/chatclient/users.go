package chatclient

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Users keeps what others see of users, such as the names for people that messages are shown with: from user.get and user.list, and
// the signals and events of rooms after that. It is for one goroutine at a time. Once signals have come to rest it holds what user.get
// would give now of whom it holds and who is in a followed room; and of whose account was deleted while they were in one.
//
// Follow with FollowOptions.Signals and Account, apply what the Subscription hands out, load whom Name does not know, and load again who is
// Stale. Signals may be lost: after *Gap and *Reconnected, and while SetSignals had them off, Doubt. Of who is only in rooms that are
// too large for signals, and of who is in none with the caller, it is as it was when they were loaded.
type Users struct {
	me    api.UserID
	known map[api.UserID]*api.User
	stale map[api.UserID]bool // of known
}

// NewUsers holds nobody yet; me is the caller.
func NewUsers(me api.UserID) *Users {
	return &Users{me: me, known: map[api.UserID]*api.User{}, stale: map[api.UserID]bool{}}
}

// Load takes in what user.get or user.list gave, asked for after what was applied last.
func (v *Users) Load(users ...api.User) {
	for i := range users {
		u := users[i]
		v.known[u.ID] = &u
		delete(v.stale, u.ID)
	}
}

// User gives what is known of a user; false: nothing.
func (v *Users) User(id api.UserID) (api.User, bool) {
	u := v.known[id]
	if u == nil {
		return api.User{}, false
	}
	return *u, true
}

// Name gives a user's name for people, or if they have none the username; "": the user is not known.
func (v *Users) Name(id api.UserID) string {
	switch u := v.known[id]; {
	case u == nil:
		return ""
	case u.DisplayName == "":
		return u.Username
	default:
		return u.DisplayName
	}
}

// Stale gives whom to load again, if they are of interest still: they may be called otherwise by now, and nobody was told.
func (v *Users) Stale() []api.UserID {
	stale := make([]api.UserID, 0, len(v.stale))
	for id := range v.stale {
		stale = append(stale, id)
	}
	slices.Sort(stale)
	return stale
}

// Doubt makes everybody Stale: signals may have been lost.
func (v *Users) Doubt() {
	for id := range v.known {
		v.stale[id] = true
	}
}

// ApplyUpdate takes a user.updated in, whoever it is about.
func (v *Users) ApplyUpdate(p *api.UserUpdatedParams) { v.Load(p.User) }

// ApplyAccount takes an event of the account in: the caller's own name, or that they have come into a room, and who is there may
// have taken another name before.
func (v *Users) ApplyAccount(e *api.AccountEventParams) {
	switch {
	case e.Type == api.AccountEventTypeRoomAdded:
		v.Doubt()
	case e.Type == api.AccountEventTypeAccountUpdated && e.User != nil:
		v.Load(*e.User)
	}
}

// Apply takes an event of a room in: who comes into one may have taken another name before. The error is that of e.Payload.
func (v *Users) Apply(e *api.Event) error {
	if e.Type != api.EventTypeMemberJoined {
		return nil
	}
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	if d, ok := payload.(*api.MemberJoined); ok && v.known[d.UserID] != nil && d.UserID != v.me {
		v.stale[d.UserID] = true
	}
	return nil
}

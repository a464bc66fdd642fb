package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Sessions keeps the login sessions of the user, for a list of the devices that are signed in: from session.list, and the events
// of the account after that. It is for one goroutine at a time. What it holds are the sessions that session.list would give now;
// when and from where each was used last, when it expires, whether it has a connection and which is the caller's stay as they were told.
//
// Follow with FollowOptions.Account, then load session.list, then apply what the Subscription hands out. After *AccountGap it is
// to be loaded again.
type Sessions struct {
	all []api.LoginSession // the newest first
}

// NewSessions holds nothing yet.
func NewSessions() *Sessions { return &Sessions{} }

// Load takes in the answer of session.list, instead of what is held.
func (v *Sessions) Load(list *api.SessionListResult) { v.all = slices.Clone(list.Sessions) }

// All gives the sessions, the newest first, as session.list does.
func (v *Sessions) All() []api.LoginSession { return slices.Clone(v.all) }

// ApplyAccount takes an event of the account in.
func (v *Sessions) ApplyAccount(e *api.AccountEventParams) {
	at := slices.IndexFunc(v.all, func(l api.LoginSession) bool { return l.ID == e.SessionID })
	switch {
	case e.Type == api.AccountEventTypeSessionAdded && e.Session != nil && at < 0:
		v.all = append(v.all, *e.Session)
		slices.SortFunc(v.all, func(a, b api.LoginSession) int { return cmp.Compare(b.ID, a.ID) }) // two at once are told in any order
	case e.Type == api.AccountEventTypeSessionRevoked && at >= 0:
		v.all = slices.Delete(v.all, at, at+1)
	}
}

package chatclient

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// unreadMentions knows which unread messages of a room, or answers of a thread, mean the user, so that the server's count of them
// can go on.
type unreadMentions struct {
	since api.Seq          // messages up to here have been counted by the server: which of them mean the user is not known
	meant map[api.Seq]bool // messages after since that are unread and mean the user
	stale bool             // the count has to be loaded again
}

// countedTo begins with a count of the messages up to since.
func countedTo(since api.Seq) unreadMentions {
	return unreadMentions{since: since, meant: map[api.Seq]bool{}}
}

// said notes that the user said something: all up to it is read.
func (u *unreadMentions) said(seq api.Seq) {
	u.since, u.stale = seq, false
	clear(u.meant)
}

// mean notes whether a message after since means the user; n is the count.
func (u *unreadMentions) mean(n *int64, seq api.Seq, meant bool) {
	switch was := u.meant[seq]; {
	case meant && !was:
		u.meant[seq] = true
		*n++
	case was && !meant:
		delete(u.meant, seq)
		*n--
	}
}

// change notes that a message means the user now, or does not; read is up to where they have read.
func (u *unreadMentions) change(n *int64, read, seq api.Seq, meant bool) {
	switch unknown := *n - int64(len(u.meant)); {
	case seq <= read:
	case seq > u.since:
		u.mean(n, seq, meant)
	case meant || unknown > 0: // was it counted?
		u.stale = true
	}
}

// isMeant tells whether a message that means those users, or the whole room, means me.
func isMeant(me api.UserID, users []api.UserID, room bool) bool {
	return room || slices.Contains(users, me)
}

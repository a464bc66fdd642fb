package chat

import (
	"time"

	"github.com/chatd-dev/chatd/api"
)

const (
	aboutALine   = 200 // bytes of a line that is no event
	aboutAThread = 32  // bytes of what a member's line says of a thread
)

// lineSize is about how many bytes a line has.
func lineSize(l *api.ExportLine) int {
	n := max(len(l.Event), aboutALine)
	if l.Member != nil {
		n += aboutAThread * len(l.Member.Threads)
	}
	return n
}

// memberPart is something that a user has in a room, with the way into a line of an export and back.
type memberPart struct {
	export  func(p *Person, m *api.ExportMember) (has bool)
	restore func(t Tx, m *api.ExportMember) error
}

// parts are all that there are: what is added to one is added here.
var parts = []memberPart{
	{
		func(p *Person, m *api.ExportMember) bool {
			if p.Role != "" {
				m.Role, m.JoinedAt, m.Read = p.Role, &p.JoinedAt, &p.Read
			}
			return p.Role != ""
		},
		func(t Tx, m *api.ExportMember) error {
			if m.Role == "" {
				return nil
			}
			head := t.Room().Head
			j := &Joining{Membership: Membership{UserID: m.UserID, Role: m.Role, JoinedAt: orElse(m.JoinedAt, 0)}, Read: orElse(m.Read, head)}
			if j.Read.Seq > head.Seq {
				j.Read = head
			}
			return t.RestoreMember(j)
		},
	},
	restrictionPart(RestrictionBan, func(m *api.ExportMember) **api.ExportRestriction { return &m.Ban }),
	restrictionPart(RestrictionMute, func(m *api.ExportMember) **api.ExportRestriction { return &m.Mute }),
	{
		func(p *Person, m *api.ExportMember) bool {
			for i := range p.Threads {
				part := &p.Threads[i]
				line := api.ExportThread{Root: part.Root}
				if part.Followed {
					line.Read = &part.Read.Seq
				}
				m.Threads = append(m.Threads, line)
			}
			return len(p.Threads) > 0
		},
		func(t Tx, m *api.ExportMember) error {
			for i := range m.Threads {
				if err := restoreThread(t, m, &m.Threads[i]); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// restoreThread gives a member back their part in a thread, if the message under which that is came along. Which answer is the
// last that they have read follows from the log.
func restoreThread(t Tx, m *api.ExportMember, x *api.ExportThread) error {
	if m.Role == "" {
		return nil
	}
	root, err := t.Message(x.Root)
	if err != nil {
		return unless(ErrNoMessage, err)
	}
	if root.Thread != 0 {
		return nil
	}
	head := t.Room().Head.Seq
	seq := min(orElse(x.Read, head), head)
	after, err := t.AnswersAfter(root.Seq, seq)
	if err != nil {
		return err
	}
	read := ThreadRead{ThreadHead: api.ThreadHead{Seq: seq, ThreadNo: root.Answers - api.ThreadNo(after)}}
	return t.PutThread(root.Seq, &ThreadPart{UserID: m.UserID, Followed: x.Read != nil, Read: read})
}

func restrictionPart(kind RestrictionKind, of func(m *api.ExportMember) **api.ExportRestriction) (part memberPart) {
	part.export = func(p *Person, m *api.ExportMember) (has bool) {
		for i := range p.Restrictions {
			if r := &p.Restrictions[i]; r.Kind == kind {
				*of(m) = &api.ExportRestriction{By: r.By, At: r.At, Until: ending(r.Until), Reason: r.Reason}
				has = true
			}
		}
		return has
	}
	part.restore = func(t Tx, m *api.ExportMember) error {
		r := *of(m)
		if r == nil {
			return nil
		}
		return t.PutRestriction(&Restriction{Kind: kind, UserID: m.UserID, By: r.By, At: r.At, Until: orElse(r.Until, ForEver), Reason: r.Reason})
	}
	return part
}

// member is a user's part in a room as a line; empty: they have none.
func (p *Person) member(room api.RoomID) (m *api.ExportMember, empty bool) {
	m, empty = &api.ExportMember{RoomID: room, UserID: p.ID}, true
	for i := range parts {
		empty = !parts[i].export(p, m) && empty
	}
	return m, empty
}

// exported is an account as a line: without what opens it, and without what only administrators see unless all is told.
func (a *Account) exported(all bool) *api.ExportUser {
	u := &api.ExportUser{ID: a.ID, Username: a.Username, DisplayName: a.DisplayName, Admin: a.Admin, OwnerID: a.OwnerID, CreatedAt: a.CreatedAt}
	if a.DeletedAt != 0 {
		u.DeletedAt = &a.DeletedAt
	}
	if all && a.SuspendedAt != 0 {
		u.Suspension = a.suspension()
	}
	return u
}

// importedUser is the account that a line tells of, which nobody can open yet.
func importedUser(u *api.ExportUser, name string, keepAdmin bool) *Account {
	a := &Account{
		ID: u.ID, Username: name, DisplayName: u.DisplayName, Admin: u.Admin && keepAdmin, OwnerID: u.OwnerID, CreatedAt: u.CreatedAt, DeletedAt: orElse(u.DeletedAt, 0),
	}
	if x := u.Suspension; x != nil {
		a.SuspendedAt, a.SuspendedUntil, a.SuspendReason = x.At, orElse(x.Until, 0), x.Reason
	}
	return a
}

// exported is a room as a line.
func (r *RoomRecord) exported() *api.ExportRoom {
	x := &api.ExportRoom{
		ID: r.ID, Name: r.Name, Title: r.Title, Topic: r.Topic, Visibility: r.Visibility, CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy, ReadOnly: r.ReadOnly, KeepLonger: r.KeepLonger, Head: r.Head,
		Users: r.Users,
	}
	if r.SlowMode > 0 {
		ms := r.SlowMode.Milliseconds()
		x.SlowModeMS = &ms
	}
	if r.ArchivedAt != 0 {
		x.ArchivedAt = &r.ArchivedAt
	}
	if r.Gone != (api.Head{}) {
		x.Before = &r.Gone
	}
	if r.Retention != (Rule{}) {
		x.Retention = r.Retention.view()
	}
	return x
}

// importedRoom is the room that a line tells of.
func importedRoom(x *api.ExportRoom) *RoomRecord {
	r := &RoomRecord{
		ID: x.ID, Name: x.Name, Title: x.Title, Topic: x.Topic, Visibility: x.Visibility, CreatedAt: x.CreatedAt, CreatedBy: x.CreatedBy,
		SlowMode: time.Duration(orElse(x.SlowModeMS, 0)) * time.Millisecond, ReadOnly: x.ReadOnly, ArchivedAt: orElse(x.ArchivedAt, 0),
		KeepLonger: x.KeepLonger,
	}
	if rule := x.Retention; rule != nil {
		r.Retention = ruleOf(rule.MaxAgeS, rule.MaxMessages)
	}
	return r
}

package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// ImportWrite implements import.write. Lines are taken in runs, of users or of one room, each in a transaction together with
// how far the import has come.
func (s *Session) ImportWrite(ctx context.Context, p *api.ImportWriteParams) (*api.ImportWriteResult, error) {
	svc := s.svc
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	svc.importing.Lock()
	defer svc.importing.Unlock()
	st, err := svc.importOf(ctx, p.Import)
	switch {
	case err != nil:
		return nil, err
	case st.Import.FinishedAt != nil || st.Finishing:
		return nil, api.Errorf(api.CodeFailedPrecondition, "the import is finished: nothing more comes").WithField("import")
	case p.Line > st.Import.NextLine:
		return nil, api.Errorf(api.CodeConflict, "line: the next is %d", st.Import.NextLine).WithField("line")
	}
	for st.Import.NextLine < p.Line+int64(len(p.Lines)) {
		r := &importRun{st: *st, first: p.Line, lines: p.Lines, from: int(st.Import.NextLine - p.Line)}
		room, err := r.cut()
		if err != nil {
			return nil, err
		}
		if room == "" {
			err = svc.store.ChangeAccounts(ctx, r.users)
		} else {
			e := svc.entry(room, user)
			e.Act, e.size = does(r.room), r.bytes()
			err = svc.commit(ctx, e)
		}
		if err == nil {
			err = r.refusal
		}
		if err != nil {
			return nil, svc.coded(err)
		}
		*st = r.st
	}
	return &api.ImportWriteResult{NextLine: st.Import.NextLine}, nil
}

// importRun is some lines of an import that are taken together.
type importRun struct {
	st        importState // as the lines leave it
	first     int64       // which line the call's first one is; 0: not known
	lines     []api.ExportLine
	from, end int   // of the call's lines, those that are taken
	refusal   error // of the line behind those that were
}

// cut finds the end of the run, and its room; "": it is of users.
func (r *importRun) cut() (room api.RoomID, err error) {
	now := r.st.Room
	for r.end = r.from; r.end < len(r.lines); r.end++ {
		of, err := r.roomOf(r.end, &now)
		switch {
		case r.end == r.from && err != nil:
			return "", err
		case r.end == r.from:
			room = of
		case err != nil || of != room:
			return room, nil
		}
	}
	return room, nil
}

// roomOf is the room that a line is about, "" for a user's; now is the room whose events come.
func (r *importRun) roomOf(i int, now *api.RoomID) (api.RoomID, error) {
	l := &r.lines[i]
	switch {
	case !one(l):
		return "", r.refuse(api.CodeInvalidParams, i, "", "must have one of user, member, room and event")
	case l.Member != nil:
		return l.Member.RoomID, nil
	case l.Room != nil:
		*now = l.Room.ID
	case l.Event != nil && *now == "":
		return "", r.refuse(api.CodeInvalidParams, i, "event", "comes after its room")
	case l.User != nil:
		return "", nil
	}
	return *now, nil
}

// bytes is about how much memory the run holds.
func (r *importRun) bytes() (n int) {
	for i := r.from; i < r.end; i++ {
		n += lineSize(&r.lines[i])
	}
	return n
}

// one tells whether a line says one thing.
func one(l *api.ExportLine) bool {
	n := 0
	for _, has := range []bool{l.User != nil, l.Member != nil, l.Room != nil, l.Event != nil} {
		if has {
			n++
		}
	}
	return n == 1
}

// refuse says what is wrong with line i of the call, and where in it.
func (r *importRun) refuse(code api.Code, i int, path, format string, args ...any) error {
	field := fmt.Sprintf("lines[%d]", i)
	if path != "" {
		field += "." + path
	}
	where := field
	if r.first > 0 {
		where = fmt.Sprintf("line %d: %s", r.first+int64(i), path)
	}
	return api.Errorf(code, "%s: %s", where, fmt.Sprintf(format, args...)).WithField(field)
}

// take takes the lines one by one, until one is refused: those before it are taken.
func (r *importRun) take(line func(i int) error, put func() error) error {
	for i := r.from; i < r.end; i++ {
		if err := line(i); err != nil {
			var refusal *api.Error
			if i == r.from || !errors.As(err, &refusal) {
				return err
			}
			r.refusal = err
			break
		}
		r.st.Import.NextLine++
	}
	return put()
}

// users is what a run of users does.
func (r *importRun) users(t AccountTx) error {
	return r.take(func(i int) error {
		a, err := r.user(t, i)
		if err != nil {
			return err
		}
		r.st.Import.Users++
		if a == nil {
			return nil
		}
		return t.CreateHidden(a)
	}, func() error { return r.st.put(t) })
}

// user looks at a line of a user, and gives the account that is to be made; nil: they are here.
func (r *importRun) user(t AccountTx, i int) (*Account, error) {
	u := r.lines[i].User
	switch _, err := t.Account(u.ID); {
	case err == nil:
		return nil, nil
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	name := r.st.userName(u.Username)
	if refuseIDForm("username", name) != nil {
		return nil, r.refuse(api.CodeInvalidParams, i, "user.username", "must not look like an id")
	}
	switch _, err := t.AccountByName(name); {
	case err == nil:
		return nil, r.refuse(api.CodeAlreadyExists, i, "user.username", "%s is somebody else here", name)
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	return importedUser(u, name, r.st.KeepAdmins), nil
}

func (st *importState) userName(name string) string {
	if to := st.Users[name]; to != "" {
		return to
	}
	return name
}

// room is what a run of one room does.
func (r *importRun) room(t Tx) error {
	return r.take(func(i int) error {
		switch l := &r.lines[i]; {
		case l.Member != nil:
			return r.member(t, i, l.Member)
		case l.Room != nil:
			return r.begin(t, i, l.Room)
		default:
			return r.event(t, i, l.Event)
		}
	}, func() error { return r.st.put(t) })
}

// known refuses a user who is not there.
func (r *importRun) known(t Tx, i int, path string, user api.UserID) error {
	_, err := t.Member(user)
	if errors.Is(err, ErrNotFound) {
		return r.refuse(api.CodeNotFound, i, path, "no such user, here or in a line before")
	}
	return err
}

// member keeps what a user has in a room until all of the room is there.
func (r *importRun) member(t Tx, i int, m *api.ExportMember) error {
	switch room := t.Room(); {
	case room != nil && room.Hidden:
		return r.refuse(api.CodeInvalidParams, i, "member", "comes before its room")
	case room != nil:
		return r.refuse(api.CodeAlreadyExists, i, "member.room_id", "the room is here already")
	}
	if err := r.known(t, i, "member.user_id", m.UserID); err != nil {
		return err
	}
	for path, x := range map[string]*api.ExportRestriction{"member.ban.by": m.Ban, "member.mute.by": m.Mute} {
		if x != nil {
			if err := r.known(t, i, path, x.By); err != nil {
				return err
			}
		}
	}
	r.st.Import.Members++
	return t.PutLine("member "+string(m.UserID), (&api.ExportLine{Member: m}).AppendJSON(nil))
}

// begin makes a room that nobody sees.
func (r *importRun) begin(t Tx, i int, x *api.ExportRoom) error {
	if r.st.At != r.st.Until {
		return r.refuse(api.CodeFailedPrecondition, i, "room", "the log of %s ends at %d, and %d has come", r.st.Room, r.st.Until.Seq, r.st.At.Seq)
	}
	if t.Room() != nil {
		return r.refuse(api.CodeAlreadyExists, i, "room.id", "the room is here already")
	}
	if err := r.known(t, i, "room.created_by", x.CreatedBy); err != nil {
		return err
	}
	before := orElse(x.Before, api.Head{})
	if before.Seq > x.Head.Seq || before.MsgNo > x.Head.MsgNo {
		return r.refuse(api.CodeInvalidParams, i, "room.before", "is behind the head")
	}
	whole := *x
	if err := r.named(i, &whole); err != nil {
		return err
	}
	if err := r.between(t, i, &whole); err != nil {
		return err
	}
	room := &RoomRecord{ID: x.ID, Name: whole.Name, Visibility: api.VisibilityPrivate, Users: whole.Users, CreatedAt: x.CreatedAt, CreatedBy: x.CreatedBy, Hidden: true, Head: before}
	err := t.CreateRoom(room)
	switch {
	case errors.Is(err, ErrNameTaken) && len(whole.Users) > 0: // its name is its id, which no other room has
		return r.refuse(api.CodeAlreadyExists, i, "room.users", "there is a direct room between them here")
	case errors.Is(err, ErrNameTaken):
		return r.refuse(api.CodeAlreadyExists, i, "room.name", "%s is another room here", whole.Name)
	}
	if err != nil {
		return err
	}
	r.st.Room, r.st.Gone, r.st.At, r.st.Until = x.ID, before, before, x.Head
	r.st.Import.Rooms++
	return t.PutLine("room", (&api.ExportLine{Room: &whole}).AppendJSON(nil))
}

// named gives a room the name that it has here. That of a direct room is its id.
func (r *importRun) named(i int, x *api.ExportRoom) error {
	if (x.Visibility == api.VisibilityDirect) != (len(x.Users) > 0) {
		return r.refuse(api.CodeInvalidParams, i, "room.users", "a direct room is between users, and no other is")
	}
	if len(x.Users) > 0 {
		if x.Name != string(x.ID) {
			return r.refuse(api.CodeInvalidParams, i, "room.name", "that of a direct room is its id")
		}
		return nil
	}
	if x.Name = r.st.roomName(x.Name); refuseIDForm("name", x.Name) != nil {
		return r.refuse(api.CodeInvalidParams, i, "room.name", "must not look like an id")
	}
	return nil
}

// between gives a direct room its people under the names that they have here, and refuses one that has others in it.
func (r *importRun) between(t Tx, i int, x *api.ExportRoom) error {
	if len(x.Users) == 0 {
		return nil
	}
	users := make([]api.RoomUser, len(x.Users))
	is := map[api.UserID]bool{}
	for j, u := range x.Users {
		path := fmt.Sprintf("room.users[%d].user_id", j)
		a, err := t.Account(u.UserID)
		switch {
		case errors.Is(err, ErrNotFound):
			return r.refuse(api.CodeNotFound, i, path, "no such user, here or in a line before")
		case err != nil:
			return err
		case is[u.UserID]:
			return r.refuse(api.CodeInvalidParams, i, path, "is there twice")
		}
		is[u.UserID], users[j] = true, api.RoomUser{UserID: u.UserID, Username: a.Username}
	}
	x.Users = byUsername(users)
	return eachLine(t, x.ID, func(l *api.ExportLine) error {
		if l.Member != nil && l.Member.Role != "" && !is[l.Member.UserID] {
			return r.refuse(api.CodeInvalidParams, i, "room.users", "%s is a member and not among them", l.Member.UserID)
		}
		return nil
	})
}

func byUsername(users []api.RoomUser) []api.RoomUser {
	slices.SortFunc(users, func(a, b api.RoomUser) int { return cmp.Compare(a.Username, b.Username) })
	return users
}

func (st *importState) roomName(name string) string {
	if to := st.Rooms[name]; to != "" {
		return to
	}
	return name
}

package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

const (
	exportLines = 1000 // on a page, unless it is asked for fewer
	exportFew   = 100  // a page with room for fewer ends before a room
)

// ExportRead implements export.read.
func (s *Session) ExportRead(ctx context.Context, p *api.ExportReadParams) (*api.ExportReadResult, error) {
	x := &export{s: s, rooms: p.Rooms, limit: int(orElse(p.Limit, exportLines)), bytes: int(s.svc.opts.Limits.HistoryBytes), lines: []api.ExportLine{}}
	var login *LoginSession
	if x.user, login = s.who(); x.user == nil {
		return nil, signInFirst()
	}
	res := &api.ExportReadResult{}
	if err := x.mayAll(login); err != nil {
		return nil, err
	}
	var err error
	if p.Cursor == "" {
		res.Header, err = x.begin(ctx)
	} else {
		err = x.resume(ctx, p.Cursor)
	}
	if err == nil {
		err = x.read(ctx)
	}
	if err != nil {
		return nil, s.svc.coded(err)
	}
	if res.Lines = x.lines; !x.done {
		res.NextCursor = x.cursor()
	}
	return res, nil
}

// export is a page of one.
type export struct {
	s     *Session
	user  *Account
	rooms []string // none: the whole server
	limit int
	bytes int // 0: no bound

	at    exportAt
	lines []api.ExportLine
	size  int // of lines, about
	done  bool
}

func (x *export) whole() bool { return len(x.rooms) == 0 }

// mayAll refuses an export of the whole server to who may not have all of it.
func (x *export) mayAll(login *LoginSession) error {
	switch {
	case !x.whole():
		return nil
	case !x.user.Admin:
		return api.Errorf(api.CodePermissionDenied, "the whole server is for administrators only: name rooms")
	case login.Scope.Rooms != nil:
		return api.Errorf(api.CodePermissionDenied, "the token is for some rooms only")
	}
	return nil
}

// enter finds a room that is to be exported, number i of those that were asked for.
func (x *export) enter(ctx context.Context, r Reader, i int, ref string) (*RoomView, error) {
	field := "rooms"
	if !x.whole() {
		field = fmt.Sprintf("rooms[%d]", i)
	}
	find := func() (*RoomView, error) { return r.RoomByName(ctx, ref, x.user.ID) }
	if isRoomID(ref) {
		find = func() (*RoomView, error) { return r.RoomByID(ctx, api.RoomID(ref), x.user.ID) }
	}
	v, err := find()
	if err == nil && v.Hidden {
		err = ErrNotFound
	}
	_, login := x.s.who()
	direct := err == nil && v.Visibility == api.VisibilityDirect && !x.whole()
	switch {
	case login == nil:
		return nil, signInFirst()
	case errors.Is(err, ErrNotFound):
		return nil, noRoom(field)
	case err == nil && !direct && x.user.Admin && login.Scope.covers(v.ID):
		return v, nil
	}
	if err := mayEnter(login, field, v, err, true).err; err != nil {
		return nil, err
	}
	if direct {
		return nil, api.Errorf(api.CodeFailedPrecondition, "in a direct room nobody may %s", Export).WithField(field)
	}
	if !Can(v.Role, Export) {
		return nil, api.Errorf(api.CodePermissionDenied, "only owners may %s", Export).WithField(field)
	}
	return v, nil
}

// begin writes down that there is an export, and says what it is.
func (x *export) begin(ctx context.Context) (*api.ExportHeader, error) {
	svc := x.s.svc
	rec := x.s.record(api.MethodExportRead)
	rec.Detail = "the whole server"
	scope := api.ExportScopeServer
	if !x.whole() {
		scope = api.ExportScopeRooms
		names := make([]string, len(x.rooms))
		for i, ref := range x.rooms {
			v, err := x.enter(ctx, svc.store, i, ref)
			if err != nil {
				return nil, err
			}
			names[i] = v.Name
			rec.on(string(v.ID), v.Name)
		}
		if rec.Detail = ""; len(names) > 1 {
			rec.on("", "").Detail = strings.Join(names, ", ")
		}
	}
	stamp, err := svc.lastImport(ctx)
	if err != nil {
		return nil, err
	}
	x.at = exportAt{id: api.ExportID(svc.newID(prefixExport)), stamp: stamp}
	if !x.whole() {
		x.at.phase = exportNext
	}
	if err := svc.store.ChangeAccounts(ctx, func(t AccountTx) error { return t.Audit(rec) }); err != nil {
		return nil, err
	}
	return &api.ExportHeader{Version: 1, ID: x.at.id, At: svc.wallTime(), Server: svc.opts.Version, Epoch: svc.store.Epoch(), Scope: scope}, nil
}

// read fills the page.
func (x *export) read(ctx context.Context) error {
	for !x.done && len(x.lines) < x.limit && (x.bytes <= 0 || x.size < x.bytes) {
		var err error
		switch x.at.phase {
		case exportUsers:
			err = x.readUsers(ctx)
		case exportNext:
			err = x.next(ctx)
		case exportPeople:
			if len(x.lines) > 0 && x.limit-len(x.lines) < exportFew {
				return nil
			}
			err = x.s.svc.store.Snapshot(ctx, func(r Reader) error { return x.readPeople(ctx, r) })
		case exportEvents:
			err = x.s.svc.store.Snapshot(ctx, func(r Reader) error { return x.readEvents(ctx, r) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *export) add(l api.ExportLine) {
	x.lines = append(x.lines, l)
	x.size += lineSize(&l)
}

func (x *export) readUsers(ctx context.Context) error {
	left := x.limit - len(x.lines)
	page, err := x.s.svc.store.Accounts(ctx, x.at.users, left)
	if err != nil {
		return err
	}
	x.addUsers(page)
	if len(page) < left {
		x.at.phase = exportNext
	}
	return nil
}

func (x *export) addUsers(page []Person) {
	for i := range page {
		x.add(api.ExportLine{User: page[i].exported(true)})
		x.at.users = page[i].No
	}
}

// next goes to the next room.
func (x *export) next(ctx context.Context) error {
	svc := x.s.svc
	if x.whole() {
		no, id, err := svc.store.RoomAfter(ctx, x.at.room)
		if errors.Is(err, ErrNotFound) {
			x.done = true
			return nil
		}
		if err != nil {
			return err
		}
		x.at.enter(no, id)
		return nil
	}
	if x.at.room == int64(len(x.rooms)) {
		x.done = true
		return nil
	}
	v, err := x.enter(ctx, svc.store, int(x.at.room), x.rooms[x.at.room])
	if err == nil {
		x.at.enter(x.at.room+1, v.ID)
	}
	return err
}

// readPeople reads who has to do with the room. With the last of them it is fixed what the room is: what has changed of those
// who were read before comes once more.
func (x *export) readPeople(ctx context.Context, r Reader) error {
	v, err := x.enter(ctx, r, int(x.at.room)-1, string(x.at.roomID))
	if err != nil {
		return x.gone(err)
	}
	if x.at.people == 0 {
		x.at.first = v.Head.Seq
	}
	if err := x.newUsers(ctx, r); err != nil {
		return err
	}
	left := max(1, (x.limit-len(x.lines))/2)
	page, err := r.People(ctx, &PeopleQuery{Room: v.ID, Sent: !x.whole(), After: x.at.people, Limit: left})
	if err != nil {
		return err
	}
	for i := range page {
		x.addPerson(&page[i], false)
		if x.at.people = page[i].No; x.bytes > 0 && x.size >= x.bytes {
			return nil // who is left comes on the next page
		}
	}
	if len(page) == left {
		return nil
	}
	if err := x.changed(ctx, r, v); err != nil {
		return err
	}
	x.add(api.ExportLine{Room: v.exported()})
	x.at.after, x.at.head, x.at.phase = v.Gone.Seq, v.Head.Seq, exportEvents
	return nil
}

// gone is what becomes of an export in which something is missing all of a sudden.
func (x *export) gone(err error) error {
	if x.whole() && errors.Is(err, api.ErrNotFound) {
		return api.Errorf(api.CodeConflict, "a room was deleted meanwhile: begin anew").WithField("cursor")
	}
	return err
}

// newUsers reads those who have come since the users were read.
func (x *export) newUsers(ctx context.Context, r Reader) error {
	for x.whole() {
		page, err := r.Accounts(ctx, x.at.users, exportLines)
		if err != nil || len(page) == 0 {
			return err
		}
		x.addUsers(page)
	}
	return nil
}

func (x *export) addPerson(p *Person, again bool) {
	if !x.whole() {
		x.add(api.ExportLine{User: p.exported(false)})
	}
	if m, empty := p.member(x.at.roomID); !empty || again {
		x.add(api.ExportLine{Member: m})
	}
}

func (x *export) readEvents(ctx context.Context, r Reader) error {
	if x.at.after == x.at.head {
		x.at.phase = exportNext
		return nil
	}
	v, err := x.enter(ctx, r, int(x.at.room)-1, string(x.at.roomID))
	if err != nil {
		return x.gone(err)
	}
	q := &HistoryQuery{Room: v.ID, After: x.at.after, Before: x.at.head + 1, Limit: x.limit - len(x.lines)}
	if x.bytes > 0 {
		q.MaxBytes = max(1, x.bytes-x.size)
	}
	page, err := r.History(ctx, q)
	if err != nil {
		return err
	}
	if len(page) == 0 || page[0].Seq != x.at.after+1 {
		return api.Errorf(api.CodeConflict, "events of %s are gone meanwhile: begin anew", v.Name).WithField("cursor")
	}
	for i := range page {
		x.add(api.ExportLine{Event: page[i].Bytes})
	}
	x.at.after = page[len(page)-1].Seq
	return nil
}

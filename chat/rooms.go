package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

const listLimit = 100

// room finds a room by id or name and checks that the caller may know of it.
func (s *Session) room(ctx context.Context, field, ref string) (*RoomView, error) {
	return s.enter(ctx, field, ref, false)
}

// enter finds a room by id or name, and decides whether the caller may know of it, or be in it.
func (s *Session) enter(ctx context.Context, field, ref string, asMember bool) (*RoomView, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	asOf := s.svc.namesAsOf.Load()
	v, err := s.svc.roomBy(ctx, ref, user.ID)
	if err := mayEnter(login, field, v, err, asMember).err; err != nil {
		return nil, s.svc.coded(err)
	}
	if v.Visibility == api.VisibilityPublic {
		s.svc.remember(v.Name, v.ID, asOf)
	}
	return v, nil
}

// roomBy finds a room and user's part in it.
func (s *Service) roomBy(ctx context.Context, ref string, user api.UserID) (*RoomView, error) {
	if isRoomID(ref) {
		return s.store.RoomByID(ctx, api.RoomID(ref), user)
	}
	return s.store.RoomByName(ctx, ref, user)
}

// visible makes one answer of a room that is not there and one that the user may not see.
func visible(field string, v *RoomView, err error) error {
	if errors.Is(err, ErrNotFound) || err == nil && v.Role == "" && v.Visibility != api.VisibilityPublic {
		return noRoom(field)
	}
	return err
}

// memberRoom is room for those who are in it.
func (s *Session) memberRoom(ctx context.Context, field, ref string) (*RoomView, error) {
	return s.enter(ctx, field, ref, true)
}

func notMember(field, name string) error {
	return api.Errorf(api.CodePermissionDenied, "not a member of %s: join it first", name).WithField(field)
}

// roomID finds a room's id without asking the store where it can: the commit checks the rest. A
// private room's name is looked up each time, so that a stranger's post gets no further than one
// to a room that is not there.
func (s *Session) roomID(ctx context.Context, field, ref string) (api.RoomID, error) {
	_, login := s.who()
	if login == nil {
		return "", signInFirst()
	}
	id, ok := api.RoomID(ref), isRoomID(ref)
	if !ok {
		s.svc.namesMu.RLock()
		id, ok = s.svc.names[ref]
		s.svc.namesMu.RUnlock()
	}
	switch {
	case ok && !login.Scope.covers(id):
		return "", noRoom(field)
	case ok:
		return id, nil
	}
	v, err := s.room(ctx, field, ref)
	if err != nil {
		return "", err
	}
	return v.ID, nil
}

// remember keeps a public room's name, unless names have changed since asOf, before it was read.
func (s *Service) remember(name string, id api.RoomID, asOf int64) {
	s.namesMu.RLock()
	_, ok := s.names[name]
	s.namesMu.RUnlock()
	if ok {
		return
	}
	s.namesMu.Lock()
	defer s.namesMu.Unlock()
	if s.namesAsOf.Load() != asOf {
		return
	}
	if len(s.names) >= maxNames {
		clear(s.names)
	}
	s.names[name] = id
}

// forget is called when a room has another name, or is not public any more, before anybody is told.
func (s *Service) forget(name string) {
	s.namesMu.Lock()
	defer s.namesMu.Unlock()
	s.namesAsOf.Add(1)
	delete(s.names, name)
}

func orElse[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// RoomCreate implements room.create.
func (s *Session) RoomCreate(ctx context.Context, p *api.RoomCreateParams) (*api.RoomCreateResult, error) {
	svc := s.svc
	if err := refuseIDForm("name", p.Name); err != nil {
		return nil, err
	}
	if err := refuseDirect(p.Visibility); err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	now := svc.wallTime()
	room := &RoomRecord{
		ID: api.RoomID(svc.newID(prefixRoom)), Name: p.Name, Title: p.Title, Topic: p.Topic, Visibility: p.Visibility, CreatedAt: now, CreatedBy: user.ID,
	}
	if room.Visibility == "" {
		room.Visibility = api.VisibilityPublic
	}
	e := svc.entry(room.ID, user)
	e.Act = does(func(t Tx) error {
		if err := svc.comes(t, user, user, ""); err != nil {
			return err
		}
		if err := t.CreateRoom(room); err != nil {
			return err
		}
		if err := t.Append(e.tells(user, api.EventTypeRoomCreated, &api.RoomCreated{Name: room.Name, Title: room.Title, Topic: room.Topic, Visibility: room.Visibility})); err != nil {
			return err
		}
		return e.join(t, user, user, api.RoleOwner, user.ID)
	})
	err := svc.commit(ctx, e)
	if errors.Is(err, ErrNameTaken) {
		return nil, nameTaken(p.Name)
	}
	if err != nil {
		return nil, svc.coded(err)
	}
	return &api.RoomCreateResult{Room: e.shownTo(&e.Joined[0]).view(svc)}, nil
}

// refuseDirect refuses to make a room of a kind that dm.open alone makes.
func refuseDirect(v api.Visibility) error {
	if v == api.VisibilityDirect {
		return api.Errorf(api.CodeInvalidParams, "visibility: must be public or private; dm.open makes direct rooms").WithField("visibility")
	}
	return nil
}

func nameTaken(name string) error {
	return api.Errorf(api.CodeAlreadyExists, "the room name %s is taken", name).WithField("name")
}

// entry is an act of user's in room; what it does is the caller's to say.
func (s *Service) entry(room api.RoomID, user *Account) *Entry {
	return &Entry{RoomID: room, SenderID: user.ID, At: s.wallTime(), svc: s}
}

// tells is an event of e, whose sender is user.
func (e *Entry) tells(user *Account, kind api.EventType, data appender) Draft {
	return &fact{entry: e, sender: user.Username, kind: kind, data: data}
}

// unless is err, but nil for one that says that there is nothing to do.
func unless(nothing, err error) error {
	if errors.Is(err, nothing) {
		return nil
	}
	return err
}

// commit puts e into its room's lane and waits for it.
func (s *Service) commit(ctx context.Context, e *Entry) error {
	if err := s.lane(e.RoomID).submit(e); err != nil {
		return err
	}
	return e.wait(ctx)
}

// RoomGet implements room.get.
func (s *Session) RoomGet(ctx context.Context, p *api.RoomGetParams) (*api.RoomGetResult, error) {
	v, err := s.room(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	return &api.RoomGetResult{Room: v.view(s.svc)}, nil
}

// RoomList implements room.list. The cursor is the last name of the page before.
func (s *Session) RoomList(ctx context.Context, p *api.RoomListParams) (*api.RoomListResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	limit := int(orElse(p.Limit, listLimit))
	list := s.svc.store.ListRooms
	if login.Scope.Rooms != nil {
		list = login.Scope.listRooms(s.svc.store)
	}
	rooms, err := list(ctx, user.ID, orElse(p.Joined, false), orElse(p.Archived, false), p.Cursor, limit+1)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.RoomListResult{Rooms: make([]api.Room, 0, len(rooms))}
	if len(rooms) > limit {
		rooms = rooms[:limit]
		res.NextCursor = rooms[limit-1].Name
	}
	for _, v := range rooms {
		res.Rooms = append(res.Rooms, v.view(s.svc))
	}
	return res, nil
}

// RoomLeave implements room.leave.
func (s *Session) RoomLeave(ctx context.Context, p *api.RoomLeaveParams) (*api.RoomLeaveResult, error) {
	v, err := s.room(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	e := s.svc.entry(v.ID, user)
	e.Act = does(func(t Tx) error {
		me, err := memberOf(t, user.ID)
		if err != nil {
			return unless(ErrNotMember, err)
		}
		if t.Room().Visibility == api.VisibilityDirect {
			return api.Errorf(api.CodeFailedPrecondition, "a direct room cannot be left").WithField("room")
		}
		if err := lastOwner(t, me, "room"); err != nil {
			return err
		}
		if err := t.DeleteMember(user.ID); err != nil {
			return err
		}
		return t.Append(e.tells(user, api.EventTypeMemberLeft, &api.MemberLeft{UserID: user.ID, Username: user.Username}))
	})
	if err := s.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, p.Room, err)
	}
	res := &api.RoomLeaveResult{RoomID: v.ID, Left: !e.Unchanged}
	if res.Left {
		res.Seq = &e.Records[0].Seq
	}
	return res, nil
}

// seenBy is the user whose part in the room v tells, acting, for what is decided on a read.
func (v *RoomView) seenBy(user *Account) *actor {
	me := &Membership{UserID: user.ID, Username: user.Username, Role: v.Role}
	return &actor{user: user, me: me, role: roleOf(user, me), direct: v.Visibility == api.VisibilityDirect}
}

// shownTo is the room of e as somebody sees it who joined by e.
func (e *Entry) shownTo(m *Joining) *RoomView {
	return &RoomView{RoomRecord: *e.Room, Role: m.Role, Read: Read{Head: m.Read}}
}

func (v *RoomView) view(svc *Service) api.Room {
	var slow *int64
	if v.SlowMode > 0 {
		slow = new(int64)
		*slow = v.SlowMode.Milliseconds()
	}
	var archived *api.Timestamp
	if v.ArchivedAt > 0 {
		archived = &v.ArchivedAt
	}
	room := api.Room{
		ID: v.ID, Name: v.Name, Title: v.Title, Topic: v.Topic, Visibility: v.Visibility, CreatedAt: v.CreatedAt,
		MemberCount: v.MemberCount, Head: v.Head, FirstSeq: v.first(), Role: v.Role, SlowModeMS: slow, ReadOnly: v.ReadOnly, ArchivedAt: archived, Users: v.Users,
	}
	if rule := svc.inForceFor(&v.RoomRecord); rule != (Rule{}) {
		room.Retention = rule.view()
	}
	if v.Role != "" {
		read := v.Read.state(&v.RoomRecord)
		room.Read = &read
	}
	return room
}

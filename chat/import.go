package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

const (
	importsListed = 100
	roomsAtOnce   = 100 // that are shown, or removed, side by side
	discardAtOnce = 500 // events of a room that are removed in one step: who posts meanwhile notices nothing
)

// importState is what is noted of an import.
type importState struct {
	Import     api.Import        `json:"import"`
	Users      map[string]string `json:"users,omitempty"` // who get another name
	Rooms      map[string]string `json:"rooms,omitempty"`
	KeepAdmins bool              `json:"keep_admins,omitempty"`
	Finishing  bool              `json:"finishing,omitempty"` // nothing more comes, and some of it may be seen

	Room  api.RoomID `json:"room,omitempty"` // whose events come now
	Gone  api.Head   `json:"gone"`           // what stands before its first event here
	At    api.Head   `json:"at"`             // its last event, so far
	Until api.Head   `json:"until"`          // its last event
}

func readImport(i *Import) (*importState, error) {
	st := new(importState)
	if err := json.Unmarshal(i.Body, st); err != nil {
		return nil, fmt.Errorf("stored import %s: %w", i.ID, err)
	}
	return st, nil
}

// stored is the state as it is stored.
func (st *importState) stored() (*Import, error) {
	body, err := json.Marshal(st)
	return &Import{ID: st.Import.ID, ExportID: st.Import.ExportID, Open: st.Import.FinishedAt == nil, Body: body}, err
}

// put stores the state.
func (st *importState) put(t interface{ PutImport(i *Import) error }) error {
	i, err := st.stored()
	if err != nil {
		return err
	}
	return t.PutImport(i)
}

// findImport finds an import; nil: there is none.
func (s *Service) findImport(ctx context.Context, is func(i *Import) bool) (*importState, error) {
	imports, err := s.store.Imports(ctx, importsListed)
	if err != nil {
		return nil, s.coded(err)
	}
	if at := slices.IndexFunc(imports, is); at >= 0 {
		return readImport(imports[at])
	}
	return nil, nil
}

// importOf finds an import that there has to be.
func (s *Service) importOf(ctx context.Context, id api.ImportID) (*importState, error) {
	st, err := s.findImport(ctx, func(i *Import) bool { return i.ID == id })
	if err == nil && st == nil {
		err = api.Errorf(api.CodeNotFound, "no such import").WithField("import")
	}
	return st, err
}

// rename notes who and what get other names here.
func (st *importState) rename(users []api.UserRename, rooms []api.RoomRename) {
	st.Users, st.Rooms = map[string]string{}, map[string]string{}
	for _, r := range users {
		st.Users[r.From] = r.To
	}
	for _, r := range rooms {
		st.Rooms[r.From] = r.To
	}
}

// ImportBegin implements import.begin.
func (s *Session) ImportBegin(ctx context.Context, p *api.ImportBeginParams) (*api.ImportBeginResult, error) {
	svc := s.svc
	svc.importing.Lock()
	defer svc.importing.Unlock()
	st, err := svc.findImport(ctx, func(i *Import) bool { return i.ExportID == p.Header.ID })
	if err != nil {
		return nil, err
	}
	if st != nil {
		return &api.ImportBeginResult{Import: st.Import}, nil
	}
	st = &importState{
		Import: api.Import{
			ID: api.ImportID(svc.newID(prefixImport)), ExportID: p.Header.ID, BegunBy: s.UserID(), BegunAt: svc.wallTime(), NextLine: 2,
		},
		KeepAdmins: orElse(p.KeepAdmins, false),
	}
	st.rename(p.RenameUsers, p.RenameRooms)
	rec := *s.begins(api.MethodImportBegin)
	rec.on(string(st.Import.ID), "")
	err = svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		open, err := t.OpenImport()
		if err == nil && open != nil {
			err = api.Errorf(api.CodeFailedPrecondition, "the import %s is open: finish or abort it first", open.ID).WithField("header")
		}
		if err != nil {
			return err
		}
		if err := st.put(t); err != nil {
			return err
		}
		return t.Audit(&rec)
	})
	if err != nil {
		return nil, svc.coded(err)
	}
	return &api.ImportBeginResult{Import: st.Import}, nil
}

// ImportList implements import.list.
func (s *Session) ImportList(ctx context.Context, _ *api.ImportListParams) (*api.ImportListResult, error) {
	imports, err := s.svc.store.Imports(ctx, importsListed)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.ImportListResult{Imports: make([]api.Import, 0, len(imports))}
	for _, i := range imports {
		st, err := readImport(i)
		if err != nil {
			return nil, err
		}
		res.Imports = append(res.Imports, st.Import)
	}
	return res, nil
}

// ImportFinish implements import.finish. What is interrupted is finished by the next call.
func (s *Session) ImportFinish(ctx context.Context, p *api.ImportFinishParams) (*api.ImportFinishResult, error) {
	svc := s.svc
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	rec := s.begins(api.MethodImportFinish).on(string(p.Import), "")
	svc.importing.Lock()
	defer svc.importing.Unlock()
	st, err := svc.importOf(ctx, p.Import)
	if err != nil {
		return nil, err
	}
	if st.Import.FinishedAt != nil {
		return &api.ImportFinishResult{Import: st.Import}, nil
	}
	if err := st.complete(&p.End); err != nil {
		return nil, err
	}
	st.Finishing = true
	if err := svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		if err := t.ShowHidden(); err != nil {
			return err
		}
		return st.put(t)
	}); err != nil {
		return nil, svc.coded(err)
	}
	if err := svc.eachHidden(ctx, user, s.svc.showRoom); err != nil {
		return nil, svc.coded(err)
	}
	now := svc.wallTime()
	st.Import.FinishedAt = &now
	rec.Detail = fmt.Sprintf("%d users, %d rooms, %d events", st.Import.Users, st.Import.Rooms, st.Import.Events)
	if err := svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		if err := st.put(t); err != nil {
			return err
		}
		return t.Audit(rec)
	}); err != nil {
		return nil, svc.coded(err)
	}
	return &api.ImportFinishResult{Import: st.Import}, nil
}

// complete refuses an import of which something is missing.
func (st *importState) complete(end *api.ExportEnd) error {
	for _, c := range []struct {
		what      string
		came, all int64
	}{
		{"users", st.Import.Users, end.Users}, {"members", st.Import.Members, end.Members}, {"rooms", st.Import.Rooms, end.Rooms}, {"events", st.Import.Events, end.Events},
	} {
		if c.came != c.all {
			return api.Errorf(api.CodeFailedPrecondition, "end.%s: %d of %d have come", c.what, c.came, c.all).WithField("end." + c.what)
		}
	}
	if st.At != st.Until {
		return api.Errorf(api.CodeFailedPrecondition, "end: the log of %s ends at %d, and %d has come", st.Room, st.Until.Seq, st.At.Seq).WithField("end.events")
	}
	return nil
}

// eachHidden commits an act for each room that is hidden, some side by side, until none is.
func (s *Service) eachHidden(ctx context.Context, user *Account, act func(e *Entry) Act) error {
	for {
		rooms, err := s.store.HiddenRooms(ctx, roomsAtOnce)
		if err != nil || len(rooms) == 0 {
			return err
		}
		entries := make([]*Entry, 0, len(rooms))
		for _, id := range rooms {
			e := s.entry(id, user)
			e.Act = act(e)
			if err := s.lane(id).submit(e); err != nil {
				return err
			}
			entries = append(entries, e)
		}
		for _, e := range entries {
			if err := e.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// showRoom lets everybody see a room that an import has brought, if they may, and tells its members.
func (s *Service) showRoom(e *Entry) Act {
	e.after = func() { s.appeared(e) }
	return does(func(t Tx) error {
		room := t.Room()
		if room == nil || !room.Hidden {
			return nil
		}
		err := eachLine(t, e.RoomID, func(l *api.ExportLine) error {
			if l.Room != nil {
				return t.UpdateRoom(importedRoom(l.Room))
			}
			for i := range parts {
				if err := parts[i].restore(t, l.Member); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return t.DeleteLines()
	})
}

// eachLine calls do with each line that is kept about a room.
func eachLine(t Tx, room api.RoomID, do func(l *api.ExportLine) error) error {
	lines, err := t.Lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		var l api.ExportLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("stored line of %s: %w", room, err)
		}
		if err := do(&l); err != nil {
			return err
		}
	}
	return nil
}

// appeared tells the members of a room who are connected that it is there.
func (s *Service) appeared(e *Entry) {
	for i := range e.Joined {
		user := e.Joined[i].UserID
		sessions := s.sessionsOf(user)
		if len(sessions) == 0 {
			continue
		}
		v, err := s.store.RoomByID(context.Background(), e.RoomID, user)
		if err != nil {
			s.logger.Warn("tell of an imported room", "room", e.RoomID, "user", user, "err", err)
			continue
		}
		room := v.view(s)
		s.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeRoomAdded, RoomID: e.RoomID, Room: &room})
		if err := s.tellAllFollowed(context.Background(), e.RoomID, user); err != nil {
			s.logger.Warn("tell of threads in an imported room", "room", e.RoomID, "user", user, "err", err)
		}
		for _, sess := range sessions {
			sess.joinedElsewhere(e, user)
		}
	}
}

// ImportAbort implements import.abort.
func (s *Session) ImportAbort(ctx context.Context, p *api.ImportAbortParams) (*api.ImportAbortResult, error) {
	svc := s.svc
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	rec := s.begins(api.MethodImportAbort).on(string(p.Import), "")
	svc.importing.Lock()
	defer svc.importing.Unlock()
	st, err := svc.findImport(ctx, func(i *Import) bool { return i.ID == p.Import && i.Open })
	switch {
	case err != nil:
		return nil, err
	case st == nil:
		return &api.ImportAbortResult{}, nil
	case st.Finishing:
		return nil, api.Errorf(api.CodeFailedPrecondition, "some of it may be seen already: finish it").WithField("import")
	}
	if err := svc.eachHidden(ctx, user, discardSome); err != nil {
		return nil, svc.coded(err)
	}
	if err := svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		if err := t.DropHidden(); err != nil {
			return err
		}
		if err := t.DeleteImport(p.Import); err != nil {
			return err
		}
		return t.Audit(rec)
	}); err != nil {
		return nil, svc.coded(err)
	}
	return &api.ImportAbortResult{Aborted: true}, nil
}

// discardSome removes a part of a hidden room.
func discardSome(*Entry) Act {
	return does(func(t Tx) error {
		if room := t.Room(); room == nil || !room.Hidden {
			return nil
		}
		_, err := t.Discard(discardAtOnce)
		return err
	})
}

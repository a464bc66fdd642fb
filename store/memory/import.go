package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Imports implements chat.ImportStore.
func (s *Store) Imports(ctx context.Context, limit int) ([]*chat.Import, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var imports []*chat.Import
	for _, i := range slices.Backward(s.imports) {
		if len(imports) < limit {
			imports = append(imports, clone(i))
		}
	}
	return imports, ctx.Err()
}

// HiddenRooms implements chat.ImportStore.
func (s *Store) HiddenRooms(ctx context.Context, limit int) ([]api.RoomID, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []api.RoomID
	for _, r := range s.roomsInOrder() {
		if r.Hidden && len(ids) < limit {
			ids = append(ids, r.ID)
		}
	}
	return ids, ctx.Err()
}

func (s *Store) putImport(i *chat.Import) {
	stored := clone(i)
	stored.Body = bytes.Clone(i.Body)
	if at := slices.IndexFunc(s.imports, func(o *chat.Import) bool { return o.ID == i.ID }); at >= 0 {
		s.imports[at] = stored
		return
	}
	s.imports = append(s.imports, stored)
}

// PutImport implements chat.ImportTx.
func (a *act) PutImport(i *chat.Import) error {
	a.put = true
	a.s.putImport(i)
	return nil
}

// Restore implements chat.ImportTx.
func (a *act) Restore(r *chat.Restored) error {
	k := key{r.SenderID, r.Key}
	if _, taken := a.r.keys[k]; taken && r.Key != "" {
		return chat.ErrKeyConflict
	}
	a.put = true
	rec := a.r.append(r, r.At, r.SenderID)
	a.e.Records = append(a.e.Records, rec)
	if r.Key != "" {
		rec.Bytes = nil
		a.r.keys[k] = used{Record: rec}
	}
	return nil
}

// RestoreMember implements chat.ImportTx.
func (a *act) RestoreMember(j *chat.Joining) error {
	if err := a.PutMember(&j.Membership); err != nil {
		return err
	}
	read := j.Read
	if a.r.at(read.Seq) != nil {
		read = a.r.headAt(read.Seq)
	}
	a.r.read[j.UserID] = read
	if n := len(a.e.Joined); n > 0 && a.e.Joined[n-1].UserID == j.UserID {
		a.e.Joined[n-1].Read = read
	}
	return nil
}

// PutLine implements chat.ImportTx.
func (a *act) PutLine(name string, line []byte) error {
	a.put = true
	of := a.s.lines[a.e.RoomID]
	if of == nil {
		of = map[string][]byte{}
		a.s.lines[a.e.RoomID] = of
	}
	of[name] = bytes.Clone(line)
	return nil
}

// Lines implements chat.ImportTx.
func (a *act) Lines() ([][]byte, error) {
	of := a.s.lines[a.e.RoomID]
	lines := make([][]byte, 0, len(of))
	for _, name := range slices.Sorted(maps.Keys(of)) {
		lines = append(lines, bytes.Clone(of[name]))
	}
	return lines, nil
}

// DeleteLines implements chat.ImportTx.
func (a *act) DeleteLines() error {
	a.put = true
	delete(a.s.lines, a.e.RoomID)
	return nil
}

// Discard implements chat.ImportTx.
func (a *act) Discard(int) (more bool, err error) {
	a.put = true
	delete(a.s.rooms, a.r.ID)
	delete(a.s.names, a.r.Name)
	delete(a.s.lines, a.r.ID)
	a.r = nil
	return false, nil
}

// AccountByName implements chat.ImportAccountTx.
func (c *change) AccountByName(username string) (*chat.Account, error) {
	return c.Account(c.s.users[username])
}

// CreateHidden implements chat.ImportAccountTx.
func (c *change) CreateHidden(a *chat.Account) error {
	c.put = true
	stored := clone(a)
	stored.Hidden = true
	c.s.addAccount(stored)
	return nil
}

// ShowHidden implements chat.ImportAccountTx.
func (c *change) ShowHidden() error {
	c.put = true
	for _, a := range c.s.accounts {
		a.Hidden = false
	}
	return nil
}

// DropHidden implements chat.ImportAccountTx.
func (c *change) DropHidden() error {
	c.put = true
	for id, a := range c.s.accounts {
		if a.Hidden {
			delete(c.s.accounts, id)
			delete(c.s.users, a.Username)
		}
	}
	clear(c.s.lines)
	return nil
}

// OpenImport implements chat.ImportAccountTx.
func (c *change) OpenImport() (*chat.Import, error) {
	for _, i := range c.s.imports {
		if i.Open {
			return clone(i), nil
		}
	}
	return nil, nil
}

// PutImport implements chat.ImportAccountTx.
func (c *change) PutImport(i *chat.Import) error {
	c.put = true
	c.s.putImport(i)
	return nil
}

// DeleteImport implements chat.ImportAccountTx.
func (c *change) DeleteImport(id api.ImportID) error {
	c.put = true
	c.s.imports = slices.DeleteFunc(c.s.imports, func(i *chat.Import) bool { return i.ID == id })
	return nil
}

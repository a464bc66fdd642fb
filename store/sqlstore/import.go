package sqlstore

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Imports implements chat.ImportStore.
func (s *Store) Imports(ctx context.Context, limit int) ([]*chat.Import, error) {
	var imports []*chat.Import
	err := s.read.each(ctx, `SELECT id, export_id, open, body FROM import ORDER BY import_no DESC LIMIT $1 + 0`, []any{int64(limit)}, func(rows *sql.Rows) (bool, error) {
		i := new(chat.Import)
		imports = append(imports, i)
		return true, rows.Scan(importFields(i)...)
	})
	return imports, wrap("list imports", err)
}

func importFields(i *chat.Import) []any { return []any{&i.ID, &i.ExportID, &i.Open, &i.Body} }

// HiddenRooms implements chat.ImportStore.
func (s *Store) HiddenRooms(ctx context.Context, limit int) ([]api.RoomID, error) {
	var ids []api.RoomID
	err := s.read.each(ctx, `SELECT id FROM room WHERE hidden = 1 ORDER BY room_no LIMIT $1 + 0`, []any{int64(limit)}, func(rows *sql.Rows) (bool, error) {
		var id api.RoomID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return true, err
	})
	return ids, wrap("list hidden rooms", err)
}

func (t *tx) putImport(i *chat.Import) error {
	_, err := t.exec(`INSERT INTO import (id, export_id, open, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET export_id = excluded.export_id, open = excluded.open, body = excluded.body`, string(i.ID), string(i.ExportID), i.Open, i.Body)
	return err
}

// PutImport implements chat.ImportTx.
func (a *act) PutImport(i *chat.Import) error {
	a.put = true
	return a.check(a.b.tx.putImport(i))
}

// Restore implements chat.ImportTx.
func (a *act) Restore(r *chat.Restored) error {
	inserted, err := a.b.insert(&chat.Entry{RoomID: a.r.ID, SenderID: r.SenderID, At: r.At}, a.r, r.Key, r, true)
	switch {
	case err != nil:
		return a.check(err)
	case !inserted:
		return chat.ErrKeyConflict
	}
	a.put = true
	return nil
}

// RestoreMember implements chat.ImportTx.
func (a *act) RestoreMember(j *chat.Joining) error {
	if err := a.PutMember(&j.Membership); err != nil {
		return err
	}
	p, err := a.reader(j.UserID)
	if err != nil {
		return a.check(err)
	}
	var read api.Head
	if err := a.b.tx.row(`UPDATE member SET read_seq = $1, read_msg_no = COALESCE((SELECT msg_no FROM event WHERE log_no = $2), $3) WHERE room_no = $4 AND user_no = $5
		RETURNING read_seq, read_msg_no`, int64(j.Read.Seq), logNo(a.r.no, j.Read.Seq), int64(j.Read.MsgNo), a.r.no, p.no).Scan((*int64)(&read.Seq), (*int64)(&read.MsgNo)); err != nil {
		return a.check(err)
	}
	if n := len(a.e.Joined); n > 0 && a.e.Joined[n-1].UserID == j.UserID {
		a.e.Joined[n-1].Read = read
	}
	return nil
}

// PutLine implements chat.ImportTx.
func (a *act) PutLine(name string, line []byte) error {
	a.put = true
	_, err := a.b.tx.exec(`INSERT INTO import_line (room_id, name, line) VALUES ($1, $2, $3) ON CONFLICT (room_id, name) DO UPDATE SET line = excluded.line`,
		string(a.e.RoomID), name, line)
	return a.check(err)
}

// Lines implements chat.ImportTx.
func (a *act) Lines() ([][]byte, error) {
	var lines [][]byte
	err := a.b.tx.each(`SELECT line FROM import_line WHERE room_id = $1 ORDER BY name`, func(rows *sql.Rows) error {
		var line []byte
		err := rows.Scan(&line)
		lines = append(lines, line)
		return err
	}, string(a.e.RoomID))
	return lines, a.check(err)
}

// DeleteLines implements chat.ImportTx.
func (a *act) DeleteLines() error {
	a.put = true
	_, err := a.b.tx.exec(`DELETE FROM import_line WHERE room_id = $1`, string(a.e.RoomID))
	return a.check(err)
}

// Discard implements chat.ImportTx. The room's row goes with the last step: until then its number is nobody else's.
func (a *act) Discard(limit int) (more bool, err error) {
	a.put = true
	first, last := logNo(a.r.no, 0), logNo(a.r.no, maxSeq)
	var from sql.NullInt64
	if err := a.b.tx.row(`SELECT MIN(log_no) FROM (SELECT log_no FROM event WHERE log_no > $1 AND log_no <= $2 ORDER BY log_no DESC LIMIT $3 + 0)`, first, last, int64(limit)).Scan(&from); err != nil {
		return false, a.check(err)
	}
	if from.Valid {
		return true, a.check(a.b.tx.deleteEvents(from.Int64, last))
	}
	if err := a.DeleteLines(); err != nil {
		return false, err
	}
	delete(a.b.rooms, a.r.ID)
	clear(a.b.people) // some are of a number that may be another room's now
	return false, a.check(one(a.b.tx.exec(`DELETE FROM room WHERE room_no = $1 AND hidden = 1`, a.r.no)))
}

// AccountByName implements chat.ImportAccountTx.
func (c change) AccountByName(username string) (*chat.Account, error) {
	var a chat.Account
	return &a, c.one(c.t.row(selectAccount+` FROM account a WHERE a.username = $1`, username), accountFields(&a)...)
}

// CreateHidden implements chat.ImportAccountTx.
func (c change) CreateHidden(a *chat.Account) error {
	_, err := c.t.exec(`INSERT INTO account (id, username, password_hash, admin, created_at, display_name, owner_id, deleted_at, suspended_at, suspended_until, suspend_reason, hidden)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)`, string(a.ID), a.Username, a.PasswordHash, a.Admin, int64(a.CreatedAt), a.DisplayName, string(a.OwnerID),
		int64(a.DeletedAt), int64(a.SuspendedAt), int64(a.SuspendedUntil), a.SuspendReason)
	return err
}

// ShowHidden implements chat.ImportAccountTx.
func (c change) ShowHidden() error {
	_, err := c.t.exec(`UPDATE account SET hidden = 0 WHERE hidden = 1`)
	return err
}

// DropHidden implements chat.ImportAccountTx.
func (c change) DropHidden() error {
	if _, err := c.t.exec(`DELETE FROM account WHERE hidden = 1`); err != nil {
		return err
	}
	clear(c.t.w.batch.people)
	_, err := c.t.exec(`DELETE FROM import_line`)
	return err
}

// OpenImport implements chat.ImportAccountTx.
func (c change) OpenImport() (*chat.Import, error) {
	i := new(chat.Import)
	there, err := found(c.t.row(`SELECT id, export_id, open, body FROM import WHERE open = 1`), importFields(i)...)
	if err != nil || !there {
		return nil, err
	}
	return i, nil
}

// PutImport implements chat.ImportAccountTx.
func (c change) PutImport(i *chat.Import) error { return c.t.putImport(i) }

// DeleteImport implements chat.ImportAccountTx.
func (c change) DeleteImport(id api.ImportID) error {
	_, err := c.t.exec(`DELETE FROM import WHERE id = $1`, string(id))
	return err
}

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// DeleteRoom implements chat.Tx. What it takes is the same whatever the room holds: its id and name.
func (a *act) DeleteRoom() error {
	a.put = true
	a.e.Deleted, a.r.deleted = true, true
	if _, err := a.b.tx.exec(`INSERT INTO erasure (room_no, id) VALUES ($1, $2)`, a.r.no, string(a.r.ID)); err != nil {
		return a.check(err)
	}
	gone := fmt.Sprintf("deleted %d", a.r.no) // no room is called so, nor ever will be
	if err := one(a.b.tx.exec(`UPDATE room SET deleted = 1, id = $1, name = $1, title = '', topic = '', visibility = '', direct = '' WHERE room_no = $2`, gone, a.r.no)); err != nil {
		return a.check(err)
	}
	delete(a.b.rooms, a.r.ID)
	a.b.deleted = append(a.b.deleted, a.r.no)
	return nil
}

// A step of erasing is as long as a commit of some posts.
const (
	eraseMembers = 200
	eraseEvents  = 200
)

// Erase implements chat.Eraser.
func (s *Store) Erase(ctx context.Context) (*chat.Erased, error) {
	var no int64
	e := &chat.Erased{}
	err := s.read.one(ctx, `SELECT room_no, id FROM erasure ORDER BY room_no LIMIT 1`, nil, &no, (*string)(&e.Room))
	if errors.Is(err, chat.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("erase", err)
	}
	err = s.write.do(ctx, func(t *tx) error {
		e.Members = nil
		for _, step := range []func(t *tx, room int64, e *chat.Erased) (more bool, err error){eraseMembership, eraseRestrictions, erasePurgedKeys, eraseLog} {
			if more, err := step(t, no, e); err != nil || more {
				return err
			}
		}
		if _, err := t.exec(`DELETE FROM invite WHERE room_no <> 0 AND room_no = $1`, no); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM erasure WHERE room_no = $1`, no)
		return err
	})
	if err != nil {
		return nil, wrap("erase", err)
	}
	return e, nil
}

// eraseMembership erases who was in a room: at once all that there are few of, so that who was in it learns that soon.
func eraseMembership(t *tx, room int64, e *chat.Erased) (more bool, err error) {
	last := int64(0)
	err = t.each(`SELECT m.user_no, a.id FROM member m JOIN account a ON a.user_no = m.user_no WHERE m.room_no = $1 ORDER BY m.user_no LIMIT $2 + 0`, func(rows *sql.Rows) error {
		var user api.UserID
		err := rows.Scan(&last, (*string)(&user))
		e.Members = append(e.Members, user)
		return err
	}, room, eraseMembers)
	if err != nil || len(e.Members) == 0 {
		return false, err
	}
	_, err = t.exec(`DELETE FROM member WHERE room_no = $1 AND user_no <= $2`, room, last)
	return true, err
}

func eraseRestrictions(t *tx, room int64, _ *chat.Erased) (more bool, err error) {
	n, err := t.exec(`DELETE FROM restriction WHERE room_no = $1 AND (kind, user_no) IN (SELECT kind, user_no FROM restriction WHERE room_no = $1 LIMIT $2 + 0)`, room, eraseMembers)
	return n > 0, err
}

// erasePurgedKeys erases the keys of what was purged.
func erasePurgedKeys(t *tx, room int64, _ *chat.Erased) (more bool, err error) {
	n, err := t.exec(`DELETE FROM purged_key WHERE room_no = $1 AND (idempotency_key, sender_no) IN (SELECT idempotency_key, sender_no FROM purged_key WHERE room_no = $1 LIMIT $2 + 0)`, room, eraseEvents)
	return n > 0, err
}

// eraseLog erases events from the first on, and what became of the messages among them.
func eraseLog(t *tx, room int64, _ *chat.Erased) (more bool, err error) {
	first, end := logNo(room, 1), logNo(room, maxSeq)
	var last int64
	more, err = found(t.row(`SELECT log_no FROM event WHERE log_no >= $1 AND log_no <= $2 ORDER BY log_no LIMIT 1 OFFSET $3 + 0`, first, end, eraseEvents-1), &last)
	if err != nil {
		return false, err
	}
	if !more {
		last = end
	}
	return more, t.deleteEvents(first, last)
}

// rowsAPage is about how many rows that are deleted side by side change a page of the database.
const rowsAPage = 2

// deleteEvents deletes the events from one to another, and what hangs on them: each table is a range of log_no.
func (t *tx) deleteEvents(first, last int64) error {
	for _, query := range []string{
		`DELETE FROM reaction WHERE log_no BETWEEN $1 AND $2`,
		`DELETE FROM thread WHERE log_no BETWEEN $1 AND $2`,
		`DELETE FROM mention WHERE log_no BETWEEN $1 AND $2`,
		`DELETE FROM message WHERE log_no BETWEEN $1 AND $2`,
		`DELETE FROM event WHERE log_no BETWEEN $1 AND $2`,
	} {
		n, err := t.exec(query, first, last)
		if err != nil {
			return err
		}
		t.w.pages += int(n) / rowsAPage
	}
	return nil
}

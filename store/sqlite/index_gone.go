package sqlite

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/store/sqlstore"
)

// wholeLog is beyond the last event of any room: all of it is gone.
const wholeLog = 1<<roomBits - 1

// Gone implements sqlstore.Index.
func (x *index) Gone(rooms []int64) {
	x.mu.Lock()
	for _, no := range rooms {
		delete(x.behind, no)
		x.gone[no] = wholeLog
	}
	x.mu.Unlock()
	signal(x.wake)
}

// Purged implements sqlstore.Index.
func (x *index) Purged(rooms []sqlstore.Purge) {
	if len(rooms) == 0 {
		return
	}
	x.mu.Lock()
	for _, p := range rooms {
		x.gone[p.RoomNo] = max(x.gone[p.RoomNo], p.UpTo)
	}
	x.mu.Unlock()
	signal(x.wake)
}

// forgetSome removes something of what is gone; false: nothing is. What is indexed was read before or after it was purged:
// before, it is noted here only later.
func (x *index) forgetSome(ctx context.Context, db *indexDB) (more bool, err error) {
	p := sqlstore.Purge{}
	x.mu.Lock()
	for no, upTo := range x.gone {
		if p = (sqlstore.Purge{RoomNo: no, UpTo: upTo}); upTo == wholeLog { // these first
			break
		}
	}
	x.mu.Unlock()
	if p.RoomNo == 0 {
		return false, nil
	}
	left, err := db.forget(ctx, p, indexBatch)
	if err != nil || left {
		return true, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone[p.RoomNo] == p.UpTo {
		delete(x.gone, p.RoomNo)
	}
	return true, nil
}

// forget removes some of what there is of a part of a log, so many messages at most; and then, if all of it is gone, that there is
// such a room.
func (db *indexDB) forget(ctx context.Context, p sqlstore.Purge, limit int) (left bool, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		docs, err := docsOf(ctx, tx, p, limit)
		if err != nil {
			return err
		}
		d, err := newIndexDropper(ctx, tx)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if err := d.drop(ctx, doc); err != nil {
				return err
			}
		}
		if left = len(docs) == limit; left || p.UpTo != wholeLog {
			return nil
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM room WHERE room_no = $1", p.RoomNo)
		return err
	})
	return left, err
}

func docsOf(ctx context.Context, tx *sql.Tx, p sqlstore.Purge, limit int) ([]int64, error) {
	first := p.RoomNo << roomBits
	rows, err := tx.QueryContext(ctx, "SELECT doc FROM doc WHERE log_no >= $1 AND log_no <= $2 LIMIT $3 + 0", first, first|int64(p.UpTo), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var docs []int64
	for rows.Next() {
		var doc int64
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, rows.Err()
}

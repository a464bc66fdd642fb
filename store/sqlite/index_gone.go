package sqlite

import (
	"context"
	"database/sql"
)

// Gone implements sqlstore.Index.
func (x *index) Gone(rooms []int64) {
	x.mu.Lock()
	for _, no := range rooms {
		delete(x.behind, no)
		delete(x.purged, no)
		x.gone[no] = struct{}{}
	}
	x.mu.Unlock()
	signal(x.wake)
}

// forgetSome removes something of a room that was deleted, or else of what was purged; false: there is none.
func (x *index) forgetSome(ctx context.Context, db *indexDB) (more bool, err error) {
	x.mu.Lock()
	room, found := int64(0), false
	for room = range x.gone {
		found = true
		break
	}
	x.mu.Unlock()
	if !found {
		return x.forgetPurged(ctx, db)
	}
	left, err := db.forget(ctx, room, indexBatch)
	if err == nil && !left {
		x.mu.Lock()
		delete(x.gone, room)
		x.mu.Unlock()
	}
	return true, err
}

// forget removes some of what there is of a room, so many messages at most, and then that there is such a room.
func (db *indexDB) forget(ctx context.Context, room int64, limit int) (left bool, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		docs, err := docsOf(ctx, tx, room, limit)
		if err != nil {
			return err
		}
		w, err := newIndexWriter(ctx, tx)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if err := w.drop(ctx, doc); err != nil {
				return err
			}
		}
		if left = len(docs) == limit; left {
			return nil
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM room WHERE room_no = $1", room)
		return err
	})
	return left, err
}

func docsOf(ctx context.Context, tx *sql.Tx, room int64, limit int) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT doc FROM doc WHERE log_no >= $1 AND log_no < $2 LIMIT $3 + 0", room<<38, (room+1)<<38, limit)
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

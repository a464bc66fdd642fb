package sqlite

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/store/sqlstore"
)

// Purged implements sqlstore.Index.
func (x *index) Purged(rooms []sqlstore.Purge) {
	if len(rooms) == 0 {
		return
	}
	x.mu.Lock()
	for _, p := range rooms {
		x.purged[p.RoomNo] = max(x.purged[p.RoomNo], p.UpTo)
	}
	x.mu.Unlock()
	signal(x.wake)
}

// forgetPurged removes some of what was purged; false: there was nothing. What is indexed was read before or after it was
// purged: before, it is noted here only later.
func (x *index) forgetPurged(ctx context.Context, db *indexDB) (bool, error) {
	p := sqlstore.Purge{}
	x.mu.Lock()
	for no, upTo := range x.purged { // whichever
		p.RoomNo, p.UpTo = no, upTo
	}
	x.mu.Unlock()
	if p.RoomNo == 0 {
		return false, nil
	}
	n, err := db.forgetUpTo(ctx, p, indexBatch)
	if err != nil || n == indexBatch {
		return true, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.purged[p.RoomNo] == p.UpTo {
		delete(x.purged, p.RoomNo)
	}
	return true, nil
}

// forgetUpTo removes up to so many messages that were purged, and tells how many there were.
func (db *indexDB) forgetUpTo(ctx context.Context, p sqlstore.Purge, limit int) (n int, err error) {
	from := p.RoomNo << 38
	docs, err := db.docs(ctx, from, from|int64(p.UpTo), limit)
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	return len(docs), db.inTx(ctx, func(tx *sql.Tx) error {
		w, err := newIndexWriter(ctx, tx)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if err := w.drop(ctx, doc); err != nil {
				return err
			}
		}
		return nil
	})
}

// docs gives the numbers of messages of a part of the log.
func (db *indexDB) docs(ctx context.Context, after, last int64, limit int) ([]int64, error) {
	rows, err := db.read.QueryContext(ctx, "SELECT doc FROM doc WHERE log_no > $1 AND log_no <= $2 LIMIT $3", after, last, limit)
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

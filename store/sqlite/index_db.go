package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
	"github.com/chatd-dev/chatd/store/sqlstore"
)

// indexForm is changed with what is in the index, and with what package search makes of a text: one of another form is
// made anew.
const indexForm = 2

// indexID, "chtx", is in the header of the file (PRAGMA application_id).
const indexID = 0x63687478

// A doc is the time of a message in milliseconds and a number of its own in it, so that the newest come first by number. The
// log_no is that of the store's log.
const (
	docBits  = 20
	maxDocAt = 1<<(63-docBits) - 1
)

// indexPlan is word by word what the schema of an index says. Of each room it is known how far it is indexed, and what time the
// event there shows: in another copy of the log another one has that number.
var indexPlan = [...]string{
	`CREATE TABLE meta (epoch TEXT NOT NULL) STRICT`,
	`CREATE TABLE room (room_no INTEGER PRIMARY KEY, id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL) STRICT`,
	`CREATE TABLE doc (doc INTEGER PRIMARY KEY, log_no INTEGER NOT NULL UNIQUE) STRICT`,
	`CREATE VIRTUAL TABLE word USING fts5(text, mark, content='', contentless_delete=1, tokenize='ascii', prefix='1 2 3')`,
}

// indexReaders is how many searches run at once.
const indexReaders = 2

var errOtherIndex = errors.New("the index is of another form or another store")

// indexDB is the open database of the index.
type indexDB struct{ write, read *sql.DB }

func (db *indexDB) close() { _ = errors.Join(db.read.Close(), db.write.Close()) }

// openIndex opens the index of the store of this epoch, and makes it if there is none that fits.
func openIndex(ctx context.Context, path string, epoch api.Epoch) (*indexDB, error) {
	db, err := tryIndex(ctx, path, epoch)
	if errors.Is(err, errOtherIndex) || errors.Is(fault(err), chat.ErrBroken) {
		if err := removeIndex(path); err != nil {
			return nil, err
		}
		return tryIndex(ctx, path, epoch)
	}
	return db, err
}

func tryIndex(ctx context.Context, path string, epoch api.Epoch) (*indexDB, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	write, err := pool(path, 1, "cache_size(-4096)", "journal_mode(wal)", "synchronous(1)", "journal_size_limit(4194304)")
	if err != nil {
		return nil, err
	}
	read, err := pool(path, indexReaders, "cache_size(-2048)", "query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	db := &indexDB{write: write, read: read}
	if err := db.prepare(ctx, epoch); err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

func (db *indexDB) prepare(ctx context.Context, epoch api.Epoch) error {
	var id, form, tables int
	if err := db.write.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT COUNT(*) FROM sqlite_schema)`).Scan(&id, &form, &tables); err != nil {
		return err
	}
	if tables == 0 {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			if err := plan(ctx, tx, epoch); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO word (word, rank) VALUES ('automerge', 16)")
			return err
		})
	}
	if id != indexID || form != indexForm {
		return errOtherIndex
	}
	for _, table := range indexPlan {
		var n int
		if err := db.write.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE sql = $1", table).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return errOtherIndex
		}
	}
	var of string
	err := db.write.QueryRowContext(ctx, "SELECT epoch FROM meta").Scan(&of)
	if errors.Is(err, sql.ErrNoRows) || err == nil && of != string(epoch) {
		return errOtherIndex
	}
	return err
}

// plan makes an empty file the index of the store of this epoch.
func plan(ctx context.Context, tx *sql.Tx, epoch api.Epoch) error {
	for _, table := range indexPlan {
		if _, err := tx.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO meta (epoch) VALUES ($1)", string(epoch)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", indexID, indexForm))
	return err
}

func (db *indexDB) inTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// position is how far the index has come in a room.
type position struct {
	roomID api.RoomID
	seq    api.Seq
	at     api.Timestamp // that the event there shows; 0: there was none any more
}

func timeOf(d *sqlstore.Document) api.Timestamp {
	if d.Message == nil {
		return 0
	}
	return d.Message.At
}

// positions tells how far the index has come, by room number.
func (db *indexDB) positions(ctx context.Context) (map[int64]position, error) {
	rows, err := db.read.QueryContext(ctx, "SELECT room_no, id, seq, at FROM room")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	had := map[int64]position{}
	for rows.Next() {
		var no int64
		var p position
		if err := rows.Scan(&no, (*string)(&p.roomID), (*int64)(&p.seq), (*int64)(&p.at)); err != nil {
			return nil, err
		}
		had[no] = p
	}
	return had, rows.Err()
}

// put indexes messages as they stand, and notes that these parts of the log are done, whose last events show these times.
func (db *indexDB) put(ctx context.Context, docs []sqlstore.Document, parts []sqlstore.Growth, ends []api.Timestamp) error {
	return db.inTx(ctx, func(tx *sql.Tx) error {
		w, err := newIndexWriter(ctx, tx)
		if err != nil {
			return err
		}
		for i := range parts {
			if err := w.read(ctx, &parts[i]); err != nil {
				return err
			}
		}
		slices.SortFunc(docs, func(a, b sqlstore.Document) int { return cmp.Compare(timeOf(&a), timeOf(&b)) }) // most are the newest then
		for i := range docs {
			if err := w.place(ctx, &docs[i]); err != nil {
				return err
			}
		}
		if err := w.write(ctx); err != nil {
			return err
		}
		for i := range parts {
			p := &parts[i]
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO room (room_no, id, seq, at) VALUES ($1, $2, $3, $4)",
				p.RoomNo, string(p.RoomID), int64(p.Head), int64(ends[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

func docAt(at api.Timestamp) int64 { return min(max(int64(at), 0), maxDocAt-1) }

// indexed is what the index gets: the words as package search makes them, which the index's own tokenizer leaves as they
// are, and what else is asked for, in words that are in a column of their own.
func indexed(d *sqlstore.Document) (text, mark string) {
	var b strings.Builder
	for _, t := range search.Tokens(d.Message.Text) {
		b.WriteString(t.Text)
		b.WriteByte(' ')
	}
	marks := []string{roomMark(roomOf(d.LogNo)), userMark(d.SenderNo)}
	has := chat.SearchKinds(d.Message)
	for _, k := range search.Kinds {
		if has&k.Kind != 0 {
			marks = append(marks, kindMark(k.Kind))
		}
	}
	return b.String(), strings.Join(marks, " ")
}

// roomBits is how many bits of a log_no are the seq.
const roomBits = 38

func roomOf(logNo int64) int64      { return logNo >> roomBits }
func seqOf(logNo int64) int64       { return logNo & (1<<roomBits - 1) }
func roomMark(no int64) string      { return "r" + strconv.FormatInt(no, 10) }
func userMark(no int64) string      { return "u" + strconv.FormatInt(no, 10) }
func kindMark(k search.Kind) string { return "h" + strconv.Itoa(int(k)) }

// find calls each with what the index has for q, the newest first, until it returns false.
func (db *indexDB) find(ctx context.Context, q *sqlstore.IndexQuery, each func(at api.Timestamp, logNo int64) (bool, error)) error {
	from, until := docAt(q.Since)<<docBits, int64(maxDocAt)<<docBits
	if q.Until != 0 {
		until = docAt(q.Until) << docBits
	}
	args := []any{from, until}
	query := `SELECT doc, log_no FROM doc WHERE doc >= $1 AND doc < $2 ORDER BY doc DESC`
	if match := expression(q); match != "" {
		args = append(args, match)
		query = `SELECT word.rowid, doc.log_no FROM word CROSS JOIN doc ON doc.doc = word.rowid
			WHERE word MATCH $3 AND word.rowid >= $1 AND word.rowid < $2 ORDER BY word.rowid DESC`
	}
	rows, err := db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return ended(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var doc, logNo int64
		if err := rows.Scan(&doc, &logNo); err != nil {
			return ended(ctx, err)
		}
		if more, err := each(api.Timestamp(doc>>docBits), logNo); err != nil || !more {
			return err
		}
	}
	return ended(ctx, rows.Err())
}

// ended says of an error that came because the caller gave up what it is.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return fault(err)
}

// expression puts a question as FTS5 reads it (https://sqlite.org/fts5.html#full_text_query_syntax); "": everything. Only
// words that package search made get in, and each is quoted.
func expression(q *sqlstore.IndexQuery) string {
	var all, none []string
	add := func(not bool, s string) {
		if not {
			none = append(none, s)
		} else {
			all = append(all, s)
		}
	}
	for i := range q.Text.Terms {
		t := &q.Text.Terms[i]
		s := `text : ` + quote(strings.Join(t.Words, " "))
		if t.Prefix {
			s += " *"
		}
		add(t.Not, s)
	}
	for _, h := range q.Text.Has {
		add(h.Not, oneOf([]string{kindMark(h.Kind)}))
	}
	for _, part := range []struct {
		not  bool
		mark func(int64) string
		nos  []int64
	}{{false, userMark, q.From}, {true, userMark, q.NotFrom}, {false, roomMark, q.Rooms}} {
		if len(part.nos) > 0 {
			var marks []string
			for _, no := range part.nos {
				marks = append(marks, part.mark(no))
			}
			add(part.not, oneOf(marks))
		}
	}
	if len(all) == 0 {
		return "" // FTS5 knows no NOT on its own
	}
	s := strings.Join(all, " AND ")
	if len(none) > 0 {
		s = "(" + s + ") NOT (" + strings.Join(none, " OR ") + ")"
	}
	return s
}

func oneOf(marks []string) string {
	for i := range marks {
		marks[i] = quote(marks[i])
	}
	return "mark : (" + strings.Join(marks, " OR ") + ")"
}

func quote(words string) string { return `"` + strings.ReplaceAll(words, `"`, `""`) + `"` }

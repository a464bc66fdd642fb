package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/chatd-dev/chatd/store/sqlstore"
)

// indexDropper removes messages in one transaction, whose end closes its statements.
type indexDropper struct{ forget, unword *sql.Stmt }

func newIndexDropper(ctx context.Context, tx *sql.Tx) (d indexDropper, err error) {
	err = prepareAll(ctx, tx, []preparing{{&d.forget, "DELETE FROM doc WHERE doc = $1"}, {&d.unword, "DELETE FROM word WHERE rowid = $1"}})
	return d, err
}

// drop removes a message.
func (d *indexDropper) drop(ctx context.Context, doc int64) error {
	if _, err := d.forget.ExecContext(ctx, doc); err != nil {
		return err
	}
	_, err := d.unword.ExecContext(ctx, doc)
	return err
}

// preparing is a statement that is to be prepared.
type preparing struct {
	into  **sql.Stmt
	query string
}

func prepareAll(ctx context.Context, tx *sql.Tx, all []preparing) (err error) {
	for _, s := range all {
		if *s.into, err = tx.PrepareContext(ctx, s.query); err != nil { //nolint:sqlclosecheck // the transaction's end closes it
			return err
		}
	}
	return nil
}

// indexWriter writes in one transaction, too.
type indexWriter struct {
	indexDropper
	known, of, free, add, word, again *sql.Stmt

	last int64                     // the greatest number of a doc
	had  map[int64]int64           // docs of the parts that are being indexed, by log_no: there are none unless the log was another copy
	in   map[int64]sqlstore.Growth // those parts, by room number
	put  []placed
}

// placed is a message and its doc's number.
type placed struct {
	doc   int64
	known bool               // there is such a doc
	d     *sqlstore.Document // without a message: it goes
}

func newIndexWriter(ctx context.Context, tx *sql.Tx) (*indexWriter, error) {
	w := &indexWriter{had: map[int64]int64{}, in: map[int64]sqlstore.Growth{}}
	var err error
	if w.indexDropper, err = newIndexDropper(ctx, tx); err != nil {
		return nil, err
	}
	if err := prepareAll(ctx, tx, []preparing{
		{&w.known, "SELECT doc FROM doc WHERE log_no = $1"},
		{&w.of, "SELECT log_no, doc FROM doc WHERE log_no > $1 AND log_no <= $2"},
		{&w.free, "SELECT COALESCE(MAX(doc) + 1, $1) FROM doc WHERE doc >= $1 AND doc < $2"},
		{&w.add, "INSERT INTO doc (doc, log_no) VALUES ($1, $2)"},
		{&w.word, "INSERT INTO word (rowid, text, mark) VALUES ($1, $2, $3)"},
		{&w.again, "INSERT OR REPLACE INTO word (rowid, text, mark) VALUES ($1, $2, $3)"},
	}); err != nil {
		return nil, err
	}
	return w, tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(doc), 0) FROM doc").Scan(&w.last)
}

// read looks for docs of a part of the log that is about to be indexed.
func (w *indexWriter) read(ctx context.Context, p *sqlstore.Growth) error {
	w.in[p.RoomNo] = *p
	first := p.RoomNo << roomBits
	rows, err := w.of.QueryContext(ctx, first|int64(p.After), first|int64(p.Head))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var logNo, doc int64
		if err := rows.Scan(&logNo, &doc); err != nil {
			return err
		}
		w.had[logNo] = doc
	}
	return rows.Err()
}

// docOf gives the doc of a message; false: there is none.
func (w *indexWriter) docOf(ctx context.Context, logNo int64) (doc int64, is bool, err error) {
	if p, is := w.in[roomOf(logNo)]; is && int64(p.After) < seqOf(logNo) && seqOf(logNo) <= int64(p.Head) {
		doc, is = w.had[logNo]
		return doc, is, nil
	}
	err = w.known.QueryRowContext(ctx, logNo).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return doc, err == nil, err
}

// place gives a message its number.
func (w *indexWriter) place(ctx context.Context, d *sqlstore.Document) error {
	doc, known, err := w.docOf(ctx, d.LogNo)
	switch {
	case err != nil:
		return err
	case known && d.Message != nil && doc>>docBits != docAt(d.Message.At): // of another time: the log was another copy of the database
		if err := w.drop(ctx, doc); err != nil {
			return err
		}
		known = false
	case !known && d.Message == nil:
		return nil
	}
	if !known {
		if doc, err = w.number(ctx, d); err != nil {
			return err
		}
	}
	w.put = append(w.put, placed{doc, known, d})
	return nil
}

// write writes what was placed, in the order of the numbers: at each step back FTS5 would begin a new segment.
func (w *indexWriter) write(ctx context.Context) error {
	slices.SortFunc(w.put, func(a, b placed) int { return cmp.Compare(a.doc, b.doc) })
	for _, p := range w.put {
		if p.d.Message == nil {
			if err := w.drop(ctx, p.doc); err != nil {
				return err
			}
			continue
		}
		s := w.word
		if p.known {
			s = w.again
		}
		text, mark := indexed(p.d)
		if _, err := s.ExecContext(ctx, p.doc, text, mark); err != nil {
			return err
		}
	}
	return nil
}

// number gives a new doc a number. Of one millisecond there are a million; should they all be taken, it is of the next.
func (w *indexWriter) number(ctx context.Context, d *sqlstore.Document) (int64, error) {
	for at := docAt(d.Message.At); ; at++ {
		doc := at << docBits
		switch {
		case doc > w.last:
		case at == w.last>>docBits:
			doc = w.last + 1
		default:
			if err := w.free.QueryRowContext(ctx, doc, (at+1)<<docBits).Scan(&doc); err != nil {
				return 0, err
			}
		}
		if doc>>docBits == at {
			w.last = max(w.last, doc)
			_, err := w.add.ExecContext(ctx, doc, d.LogNo)
			return doc, err
		}
	}
}

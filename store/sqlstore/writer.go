package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

var errClosed = errors.New("the store is closed")

// writer owns the one connection that writes.
type writer struct {
	// Static after construction.

	db      *sql.DB
	dialect *Dialect
	now     func() time.Time

	wrote atomic.Int64 // when the last transaction was committed, in Unix nanoseconds; 0 after a failure

	mu     sync.Mutex // held for a whole transaction; guards the rest
	conn   *sql.Conn  // nil until it is needed, and after it had to be given up
	stmts  map[string]*sql.Stmt
	broken error // why nothing is written any more
	closed bool
	pages  int   // about how many were written since BeforeWrite
	batch  batch // of Commit, kept for its memory
}

func newWriter(db *sql.DB, dialect *Dialect, now func() time.Time) *writer {
	return &writer{db: db, dialect: dialect, now: now}
}

// tx is a transaction that writes. Its statements are prepared once and kept.
type tx struct {
	ctx context.Context // never ends: a write that was begun is finished
	w   *writer
}

// do runs f in a transaction and commits it unless f returns an error. It returns when the commit
// is synced. Nothing of ctx but its values is heeded.
func (w *writer) do(ctx context.Context, f func(t *tx) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return errClosed
	case w.broken != nil:
		return w.broken
	}
	t := &tx{ctx: context.WithoutCancel(ctx), w: w}
	err := t.run(f)
	if err == nil {
		w.wrote.Store(w.now().UnixNano())
		return nil
	}
	switch err = w.dialect.Fault(err); {
	case errors.Is(err, chat.ErrBroken):
		w.broken = err
		w.wrote.Store(0)
	case errors.Is(err, chat.ErrUnavailable):
		w.wrote.Store(0)
	}
	return err
}

func (t *tx) run(f func(t *tx) error) error {
	if err := t.w.connect(t.ctx); err != nil {
		return err
	}
	if before := t.w.dialect.BeforeWrite; before != nil {
		pages := t.w.pages
		t.w.pages = 0
		if err := before(pages, t.row); err != nil {
			return err
		}
	}
	if _, err := t.exec(t.w.dialect.Begin); err != nil {
		t.w.discard()
		return err
	}
	committed := false
	defer func() { // also when f panics
		if !committed {
			t.rollBack()
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if _, err := t.exec("COMMIT"); err != nil && !mutant.On(mutant.IgnoredSyncError) {
		return err
	}
	committed = true
	return nil
}

// rollBack ends the transaction. Some errors have ended it already; then the connection is
// replaced rather than guessed about.
func (t *tx) rollBack() {
	clear(t.w.batch.rooms) // they hold what is rolled back
	clear(t.w.batch.people)
	if _, err := t.exec("ROLLBACK"); err != nil {
		t.w.discard()
	}
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn, w.stmts = conn, map[string]*sql.Stmt{}
	return nil
}

func (w *writer) discard() { discard(&w.conn, &w.stmts) }

// discard closes a connection and what was prepared on it for good, not only gives it back to the pool. It takes nil.
func discard(conn **sql.Conn, stmts *map[string]*sql.Stmt) {
	if *conn == nil {
		return
	}
	for _, s := range *stmts {
		s.Close()
	}
	_ = (*conn).Raw(func(any) error { return driver.ErrBadConn })
	(*conn).Close()
	*conn, *stmts = nil, nil
}

func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	w.discard()
	return w.db.Close()
}

// prepared gives the statement of query, which is a constant, prepared on the connection.
func (t *tx) prepared(query string) (*sql.Stmt, error) {
	if s := t.w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = s
	return s, nil
}

// statementPages is how many pages a statement changes, about; a long record adds its own.
const statementPages = 2

// exec runs query and tells how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return 0, err
	}
	t.w.pages += statementPages
	res, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row runs query, which gives at most one row.
func (t *tx) row(query string, args ...any) *sql.Row {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return t.w.conn.QueryRowContext(t.ctx, query, args...) // which reports the error
	}
	return s.QueryRowContext(t.ctx, args...)
}

// each calls scan for each row of query.
func (t *tx) each(query string, scan func(rows *sql.Rows) error, args ...any) error {
	s, err := t.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// found scans row; false means that there was none.
func found(row *sql.Row, dest ...any) (bool, error) {
	switch err := row.Scan(dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

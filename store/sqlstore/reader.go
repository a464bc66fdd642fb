package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/chatd-dev/chatd/chat"
)

// reader runs single statements on a pool, each prepared once, or in a transaction. A statement that has begun ends, whoever has
// given up: SQLite's driver closes a connection that was interrupted, and on a disk that cannot be written no other can be opened.
// What waits for a connection is given up, and what takes many statements between two of them.
type reader struct {
	// Static after construction.

	db      *sql.DB
	dialect *Dialect
	of      *reader // whose transaction tx is; nil: none
	tx      *sql.Tx
	turns   chan struct{} // as deep as there are connections: who has a turn finds one free; nil: of has one

	missing []string // what of has not prepared yet; owned by who reads in the transaction

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

// looks are the reads that a snapshot can make.
type looks struct{ read *reader }

var _ chat.Reader = looks{}

// Snapshot implements chat.Timeline. Nothing in it waits for another connection: all might be in snapshots.
func (s *Store) Snapshot(ctx context.Context, look func(r chat.Reader) error) error {
	return s.snapshot(ctx, func(l looks) error { return look(l) })
}

func (s *Store) snapshot(ctx context.Context, look func(l looks) error) error {
	if err := s.read.begin(ctx); err != nil {
		return wrap("begin to read", err)
	}
	defer s.read.end()
	conn, err := s.read.db.Conn(ctx)
	if err != nil {
		return wrap("begin to read", s.read.fault(ctx, err))
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), s.dialect.Snapshot)
	if err != nil {
		return wrap("begin to read", s.read.fault(ctx, errors.Join(err, conn.Close())))
	}
	r := &reader{dialect: s.dialect, of: s.read, tx: tx}
	defer func() {
		_ = errors.Join(tx.Rollback(), conn.Close()) // it has only read
		for _, query := range r.missing {
			_, _ = s.read.prepared(ctx, query) //nolint:sqlclosecheck // kept; the next snapshot tries again
		}
	}()
	return look(looks{r})
}

func newReader(db *sql.DB, dialect *Dialect) *reader {
	return &reader{db: db, dialect: dialect, turns: make(chan struct{}, db.Stats().MaxOpenConnections), stmts: map[string]*sql.Stmt{}}
}

// begin waits for a turn, until end.
func (r *reader) begin(ctx context.Context) error {
	if r.turns == nil {
		return nil
	}
	select {
	case r.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) end() {
	if r.turns != nil {
		<-r.turns
	}
}

// prepared gives the statement of query. There are few different ones: each is a constant or one
// of a few dozen forms.
func (r *reader) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.of == nil {
		if s := r.known(query); s != nil {
			return s, nil
		}
	}
	ctx = context.WithoutCancel(ctx)
	if r.of != nil {
		if s := r.of.known(query); s != nil {
			return r.tx.StmtContext(ctx, s), nil // the transaction's end closes it
		}
		r.missing = append(r.missing, query)
		return r.tx.PrepareContext(ctx, query) //nolint:sqlclosecheck // likewise
	}
	s, err := r.db.PrepareContext(ctx, query) // takes long, perhaps: no lock is held
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.stmts[query]; other != nil {
		s.Close() //nolint:sqlclosecheck // only this one: others use the other
		return other, nil
	}
	r.stmts[query] = s
	return s, nil
}

func (r *reader) known(query string) *sql.Stmt {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.stmts[query]
}

// one scans the only row of query; chat.ErrNotFound if there is none.
func (r *reader) one(ctx context.Context, query string, args []any, dest ...any) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.end()
	s, err := r.prepared(ctx, query) //nolint:sqlclosecheck // kept; close closes it
	if err != nil {
		return r.fault(ctx, err)
	}
	err = s.QueryRowContext(context.WithoutCancel(ctx), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return chat.ErrNotFound
	}
	return r.fault(ctx, err)
}

// each calls scan for each row of query until it returns false.
func (r *reader) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) (more bool, err error)) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.end()
	s, err := r.prepared(ctx, query) //nolint:sqlclosecheck // kept; close closes it
	if err != nil {
		return r.fault(ctx, err)
	}
	rows, err := s.QueryContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return r.fault(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		more, err := scan(rows)
		if err != nil {
			return r.fault(ctx, err)
		}
		if !more {
			return nil
		}
	}
	return r.fault(ctx, rows.Err())
}

// fault says what err means; a call that was given up says so, not how the driver put it.
func (r *reader) fault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return r.dialect.Fault(err)
	}
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stmts {
		s.Close()
	}
	r.stmts = map[string]*sql.Stmt{}
	return r.db.Close()
}

package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/chatd-dev/chatd/chat"
)

// reader runs reads on a few connections, each of which keeps what it has prepared. A statement that has begun ends, whoever has
// given up: SQLite's driver closes a connection that was interrupted, and on a disk that cannot be written no other can be opened.
// What waits for a connection is given up, and what takes many statements between two of them.
type reader struct {
	// Static after construction.

	db      *sql.DB
	dialect *Dialect
	idle    chan *conn // as deep as there are connections; closed when the reader is

	closing sync.Once
}

// conn is a connection that reads. Who has taken it from the reader owns it.
type conn struct {
	r      *reader
	sql    *sql.Conn // nil until it is needed, and after it had to be given up
	stmts  map[string]*sql.Stmt
	pinned bool // to a snapshot: another connection would not see its moment
}

// looks are the reads that a snapshot can make.
type looks struct{ read source }

// source is where reads run: on any connection, or on that of a snapshot.
type source interface {
	// one scans the only row of query; chat.ErrNotFound if there is none.
	one(ctx context.Context, query string, args []any, dest ...any) error
	// each calls scan for each row of query until it returns false.
	each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) (more bool, err error)) error
}

var _ chat.Reader = looks{}

// Snapshot implements chat.Timeline. Nothing in it waits for another connection: all might be in snapshots.
func (s *Store) Snapshot(ctx context.Context, look func(r chat.Reader) error) error {
	return s.snapshot(ctx, func(l looks) error { return look(l) })
}

func (s *Store) snapshot(ctx context.Context, look func(l looks) error) error {
	c, err := s.reader.take(ctx)
	if err != nil {
		return wrap("begin to read", err)
	}
	defer s.reader.give(c)
	if err := c.exec(s.dialect.BeginRead); err != nil {
		return wrap("begin to read", c.fault(ctx, err))
	}
	c.pinned = true
	defer func() {
		if c.exec("ROLLBACK") != nil { // it has only read
			c.discard() // it might see this moment for ever
		}
		c.pinned = false
	}()
	return look(looks{c})
}

// newReader makes a reader of the connections of db, which has a bound of open ones.
func newReader(db *sql.DB, dialect *Dialect) *reader {
	r := &reader{db: db, dialect: dialect, idle: make(chan *conn, db.Stats().MaxOpenConnections)}
	for range cap(r.idle) {
		r.idle <- &conn{r: r}
	}
	return r
}

// take waits for a connection, which is to be given back.
func (r *reader) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c, ok := <-r.idle:
		if !ok {
			return nil, errClosed
		}
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reader) give(c *conn) { r.idle <- c }

func (r *reader) one(ctx context.Context, query string, args []any, dest ...any) error {
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer r.give(c)
	return c.one(ctx, query, args, dest...)
}

func (r *reader) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) (more bool, err error)) error {
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer r.give(c)
	return c.each(ctx, query, args, scan)
}

// close waits for the reads under way.
func (r *reader) close() error {
	var err error
	r.closing.Do(func() {
		for range cap(r.idle) {
			c := <-r.idle
			c.discard()
		}
		close(r.idle)
		err = r.db.Close()
	})
	return err
}

// prepared gives the statement of query. There are few different ones: each is a constant or one of a few dozen forms.
func (c *conn) prepared(query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	if c.sql == nil {
		if c.pinned {
			return nil, driver.ErrBadConn
		}
		conn, err := c.r.db.Conn(context.Background())
		if err != nil {
			return nil, err
		}
		c.sql, c.stmts = conn, map[string]*sql.Stmt{}
	}
	s, err := c.sql.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(query string) error {
	s, err := c.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background())
	return err
}

func (c *conn) one(ctx context.Context, query string, args []any, dest ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := c.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return c.fault(ctx, err)
	}
	err = s.QueryRowContext(context.WithoutCancel(ctx), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return chat.ErrNotFound
	}
	return c.fault(ctx, err)
}

func (c *conn) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) (more bool, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := c.prepared(query) //nolint:sqlclosecheck // kept; discard closes it
	if err != nil {
		return c.fault(ctx, err)
	}
	rows, err := s.QueryContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return c.fault(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		more, err := scan(rows)
		if err != nil {
			return c.fault(ctx, err)
		}
		if !more {
			return nil
		}
	}
	return c.fault(ctx, rows.Err())
}

// fault says what err means; a call that was given up says so, not how the driver put it. A connection that is gone is replaced.
func (c *conn) fault(ctx context.Context, err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		c.discard()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return c.r.dialect.Fault(err)
	}
}

func (c *conn) discard() { discard(&c.sql, &c.stmts) }

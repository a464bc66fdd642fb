package sqlite

import (
	"database/sql"
	"errors"
	"log/slog"

	"github.com/chatd-dev/chatd/chat"
)

const (
	// walPages is how many pages of 4 KiB gather in the write-ahead log before they are copied to
	// the database. More cost less, as a page changed often is copied once; but recovery after a
	// crash reads them all.
	walPages = 4096
	// walBehind: if readers have kept the log from starting over until it is this long, wait for them.
	walBehind = 4 * walPages
	// walKeep is the size that the file is cut back to after that.
	walKeep = 2 * walPages * 4096
)

// checkpointer keeps the write-ahead log short. SQLite would do it inside a commit, where the
// batch's callers wait for it and its errors are lost; here it comes before the next transaction,
// when what was committed is being sent already.
type checkpointer struct {
	logger *slog.Logger
	next   int64 // pages in the log at which to try again; guarded by the writer's lock
}

func (c *checkpointer) beforeWrite(row func(query string, args ...any) *sql.Row) error {
	var busy, pages, copied int64
	if err := row("PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &pages, &copied); err != nil {
		return err
	}
	if pages < walPages {
		c.next = walPages
	}
	if pages < c.next {
		return nil
	}
	c.next = pages + walPages // the log may not start over while someone reads from it
	err := c.checkpoint(row, pages)
	if errors.Is(fault(err), chat.ErrBroken) {
		return err
	}
	if err != nil { // no space: nothing is lost, the log only grows, and the write itself will tell
		c.logger.Warn("checkpoint failed", "pages", pages, "error", err)
	}
	return nil
}

func (c *checkpointer) checkpoint(row func(query string, args ...any) *sql.Row, pages int64) error {
	var busy, log, copied int64
	if pages < walBehind {
		return row("PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &copied)
	}
	// New readers do not hold it up, so those that do are done soon.
	return row("PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &log, &copied)
}

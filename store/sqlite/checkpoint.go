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
	// walLook is how many pages, about, may be written before the log is looked at again.
	walLook = walPages / 8
	// walBehind: if readers have kept the log from starting over until it is this long, wait for them.
	walBehind = 4 * walPages
	// walKeep is the size that the file is cut back to after that.
	walKeep = 2 * walPages * 4096
)

// checkpointer keeps the write-ahead log short. SQLite would do it inside a commit, where the
// batch's callers wait for it and its errors are lost; here it comes before the next transaction,
// when what was committed is being sent already.
type checkpointer struct {
	logger  *slog.Logger
	written int   // pages, about, since the log was looked at; guarded by the writer's lock
	next    int64 // pages in the log at which to try again; guarded by the writer's lock
}

func (c *checkpointer) beforeWrite(written int, row func(query string, args ...any) *sql.Row) error {
	if c.written += written; c.written < walLook {
		return nil
	}
	c.written = 0
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

// checkpoint copies the log. What readers still look at is not copied; they have moved on when the
// rest is, so a second attempt nearly always gets it all, and the log can start over.
func (c *checkpointer) checkpoint(row func(query string, args ...any) *sql.Row, pages int64) error {
	mode := "PRAGMA wal_checkpoint(PASSIVE)"
	if pages > walBehind {
		mode = "PRAGMA wal_checkpoint(RESTART)" // which waits for readers
	}
	var busy, log, copied int64
	for range 3 {
		if err := row(mode).Scan(&busy, &log, &copied); err != nil || copied == log {
			return err
		}
	}
	return nil
}

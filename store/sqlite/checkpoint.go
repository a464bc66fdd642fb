package sqlite

import (
	"context"
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
	// walTail is how many pages may be left for the writer to copy itself.
	walTail = walPages / 8
	// walKeep is the size that the file is cut back to after that.
	walKeep = 2 * walPages * 4096
)

// checkpointer keeps the write-ahead log short. SQLite would do it inside a commit, where the
// batch's callers wait for it and its errors are lost. Here a connection of its own copies what is in
// the log while the writer goes on; what was written meanwhile, which is little, the writer copies
// before its next transaction, as only so the log can start over.
type checkpointer struct {
	logger *slog.Logger
	db     *sql.DB // of the one connection that copies beside the writer

	// Guarded by the writer's lock.

	written int        // pages, about, since the log was looked at
	next    int64      // pages in the log at which to try again
	copying chan error // how the copying beside the writer ended; nil: nothing is being copied
}

func (c *checkpointer) beforeWrite(written int, row func(query string, args ...any) *sql.Row) error {
	c.written += written
	ended := len(c.copying) > 0
	if ended {
		if err := c.wait(); err != nil {
			return err
		}
	}
	if c.written < walLook && !ended {
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
	switch {
	case pages < c.next, c.copying != nil && pages <= walBehind:
		return nil
	case pages-copied > walTail && pages <= walBehind && !ended: // one pass beside, then the writer's
		c.copyBeside()
		return nil
	}
	if err := c.wait(); err != nil {
		return err
	}
	c.next = pages + walPages // the log may not start over while someone reads from it
	return c.failed(c.checkpoint(row, pages))
}

// copyBeside copies what is in the log now while the writer goes on.
func (c *checkpointer) copyBeside() {
	done := make(chan error, 1)
	c.copying = done
	go func() { // ends when it is copied; wait waits for it
		_, err := c.db.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
		done <- err
	}()
}

// wait waits until nothing is being copied beside the writer.
func (c *checkpointer) wait() error {
	if c.copying == nil {
		return nil
	}
	err := <-c.copying
	c.copying = nil
	return c.failed(err)
}

// close ends the copying. The writer writes no more.
func (c *checkpointer) close() error {
	err := c.wait()
	if c.db != nil {
		err = errors.Join(err, c.db.Close()) // the last connection to close folds the log into the database
	}
	return err
}

// failed gives an error that ends all writing, and only tells of others.
func (c *checkpointer) failed(err error) error {
	if errors.Is(fault(err), chat.ErrBroken) {
		return err
	}
	if err != nil { // no space: nothing is lost, the log only grows, and the write itself will tell
		c.logger.Warn("checkpoint failed", "error", err)
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

package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// fault says what an error of SQLite means for the store (https://sqlite.org/rescode.html).
func fault(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || errors.Is(err, chat.ErrBroken) || errors.Is(err, chat.ErrUnavailable) {
		return err
	}
	switch e.Code() {
	// After a failed sync the kernel may have dropped what was written and will not say so again:
	// only a restart, which reads what is really there, is safe.
	case codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC, codes.SQLITE_IOERR_TRUNCATE, codes.SQLITE_IOERR_CLOSE, codes.SQLITE_IOERR_DIR_CLOSE,
		codes.SQLITE_IOERR_CORRUPTFS, codes.SQLITE_IOERR_DATA:
		if mutant.On(mutant.SurvivedSyncError) {
			break
		}
		return fmt.Errorf("%w: %w", chat.ErrBroken, err)
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", chat.ErrBroken, err)
	case codes.SQLITE_FULL, codes.SQLITE_READONLY, codes.SQLITE_IOERR, codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_CANTOPEN, codes.SQLITE_PROTOCOL,
		codes.SQLITE_PERM, codes.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	return err
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
	"github.com/chatd-dev/chatd/store/sqlstore"
)

// Options of Open; the zero value is good.
type Options struct {
	// Logger is told about migrations and checkpoints that fail; nil means nobody is.
	Logger *slog.Logger
	// Now gives the time; nil means time.Now.
	Now func() time.Time
}

// Store is a chat.Store in a SQLite database.
type Store struct {
	*sqlstore.Store
	lock        *lock
	index       *index
	checkpoints *checkpointer
}

var _ chat.Store = (*Store)(nil)

// readers is how many reads run at once; more would only take turns on the processors.
const readers = 4

// Open opens the database at path, making it and its directory if need be, and brings its schema
// up to date. It refuses a database that another process has open, that a newer chatd has written,
// or that is not chatd's, and leaves it as it was.
func Open(ctx context.Context, path string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open database: make data directory: %w", err)
	}
	l, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	x, c := newIndex(path, logger), &checkpointer{logger: logger, written: walLook}
	s, err := open(ctx, path, opts.Now, x, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, fault(err)), c.close(), l.release())
	}
	if err := x.start(s); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), s.Close(), c.close(), l.release())
	}
	return &Store{s, l, x, c}, nil
}

func open(ctx context.Context, path string, now func() time.Time, x *index, c *checkpointer) (*sqlstore.Store, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	if err := inspect(ctx, path); err != nil {
		return nil, err
	}
	synchronous := 2 // FULL
	if mutant.On(mutant.SynchronousNormal) {
		synchronous = 1
	}
	durable := fmt.Sprintf("synchronous(%d)", synchronous)
	write, err := pool(path, 1, "cache_size(-16384)", "foreign_keys(1)", "journal_mode(wal)", durable, "wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", walKeep))
	if err != nil {
		return nil, err
	}
	read, err := pool(path, readers, "cache_size(-2048)", "query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if c.db, err = pool(path, 1, "cache_size(-64)", durable); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	err = prepare(ctx, write, c.logger)
	if err == nil {
		err = connectAll(ctx, read, readers)
	}
	if err == nil {
		err = connectAll(ctx, c.db, 1)
	}
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return sqlstore.New(ctx, write, read, &sqlstore.Dialect{
		Durability:  api.DurabilityFull,
		Begin:       "BEGIN IMMEDIATE",
		BeginRead:   "BEGIN",
		Fault:       fault,
		BeforeWrite: c.beforeWrite,
		Index:       x,
		Size:        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
	}, &sqlstore.Options{Now: now})
}

// prepare checks that the writing connection is what durability needs, and migrates.
func prepare(ctx context.Context, write *sql.DB, logger *slog.Logger) error {
	var mode string
	var synchronous int
	if err := write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := write.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return err
	}
	if mode != "wal" || synchronous != 2 && !mutant.On(mutant.SynchronousNormal) {
		return fmt.Errorf("journal_mode is %s, synchronous %d: the file system cannot do a write-ahead log", mode, synchronous)
	}
	return migrate(ctx, write, logger)
}

// Close implements chat.Store.
func (s *Store) Close() error {
	s.index.close()
	return errors.Join(s.Store.Close(), s.checkpoints.close(), s.lock.release())
}

// pool opens up to n connections with these pragmas, and keeps them.
func pool(path string, n int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_dqs": {"0"}, "_pragma": append(pragmas, "busy_timeout(5000)", "temp_store(memory)")}
	connector, err := sqlite.NewConnector(dsn(path, q))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// connectAll opens all connections of a pool now: one cannot be opened while the disk cannot be written.
func connectAll(ctx context.Context, db *sql.DB, n int) error {
	for range n {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		var n int
		if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM meta").Scan(&n); err != nil { // which opens the log too
			return err
		}
	}
	return nil
}

func dsn(path string, q url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// makeDir makes dir for its owner only, and its parents. Each new entry is synced: a database is
// no safer than the way to it.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// createFile makes the database for its owner only; SQLite gives its other files the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(filepath.Dir(path)))
}

package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// minEngine: below it a write-ahead log with two connections could be corrupted, and FTS5 overflow.
const minEngine = "3.53.2"

// applicationID, "chtd", is in the header of the file (PRAGMA application_id).
const applicationID = 0x63687464

const versionTable = "schema_version"

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewerSchema refuses a database that a newer chatd has migrated.
var ErrNewerSchema = errors.New("the database was written by a newer chatd")

// errForeign refuses a file that is not chatd's.
var errForeign = errors.New("the file is not a chatd database")

// inspect looks at the file without changing it: may this program open it for writing?
func inspect(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	// Without a log beside it the file is all there is, and can be read without making one.
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		q.Set("immutable", "1")
	}
	connector, err := sqlite.NewConnector(dsn(path, q))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var engine string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&engine); err != nil {
		return err
	}
	if older(engine, minEngine) {
		return fmt.Errorf("SQLite %s has known corruption bugs; at least %s is needed", engine, minEngine)
	}
	if info.Size() == 0 {
		return nil
	}
	return inspectSchema(ctx, db)
}

func inspectSchema(ctx context.Context, db *sql.DB) error {
	var id, tables, versions int64
	err := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), count(*), count(*) FILTER (WHERE name = $1)
		FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`, versionTable).Scan(&id, &tables, &versions)
	if err != nil {
		return err
	}
	// A crash in the first migration leaves a database that is nobody's yet.
	if id != applicationID && (id != 0 || tables != versions) {
		return errForeign
	}
	if versions == 0 {
		return nil
	}
	var version int64
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM `+versionTable).Scan(&version); err != nil {
		return err
	}
	latest, err := latestSchema()
	if err != nil {
		return err
	}
	if version > latest {
		return fmt.Errorf("%w: its schema is %d, this one knows %d; run that version, or restore a backup", ErrNewerSchema, version, latest)
	}
	return nil
}

// migrate brings the schema up to date, each step in a transaction.
func migrate(ctx context.Context, db *sql.DB, logger *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	before, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	level := slog.LevelInfo
	if before == 0 {
		level = slog.LevelDebug // a new store: nothing of anybody's was changed
	}
	for _, step := range done {
		logger.Log(ctx, level, "schema migrated", "version", step.Source.Version, "took", step.Duration)
	}
	return nil
}

// latestSchema is the number of the last migration.
func latestSchema() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	latest := int64(0)
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		latest = max(latest, n)
	}
	return latest, nil
}

// older compares versions a.b.c.
func older(version, than string) bool {
	v, t := strings.Split(version, "."), strings.Split(than, ".")
	for i := range min(len(v), len(t)) {
		a, errA := strconv.Atoi(v[i])
		b, errB := strconv.Atoi(t[i])
		if errA != nil || errB != nil || a != b {
			return errA != nil || a < b
		}
	}
	return len(v) < len(t)
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlstore"
)

// ready gives the open database, or says why there is none.
func (x *index) ready(ctx context.Context) (*indexDB, error) {
	for {
		x.mu.Lock()
		db, err, changed := x.db, x.err, x.changed
		x.mu.Unlock()
		switch {
		case db != nil:
			return db, nil
		case err != nil:
			return nil, unusable(err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Behind implements sqlstore.Index.
func (x *index) Behind(ctx context.Context) (map[int64]sqlstore.Growth, error) {
	if _, err := x.ready(ctx); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.behind), nil
}

// Find implements sqlstore.Index.
func (x *index) Find(ctx context.Context, q *sqlstore.IndexQuery, each func(at api.Timestamp, logNo int64) (bool, error)) error {
	db, err := x.ready(ctx)
	if err != nil {
		return err
	}
	var looking error // of each, which says nothing of the index
	err = db.find(ctx, q, func(at api.Timestamp, logNo int64) (more bool, _ error) {
		more, looking = each(at, logNo)
		return more, looking
	})
	switch {
	case err == nil || looking != nil || ctx.Err() != nil:
		return err
	case errors.Is(err, chat.ErrBroken):
		x.mu.Lock()
		x.set(nil, err)
		x.mu.Unlock()
		select {
		case x.broken <- err:
		default:
		}
	}
	return unusable(err)
}

// unusable says that there is no index now. That one is damaged is no damage to the store.
func unusable(err error) error { return fmt.Errorf("search index: %w: %v", chat.ErrUnavailable, err) } //nolint:errorlint // not to be told as what it is

// Indexed waits until the index has all that is committed, and makes it hurry.
func (s *Store) Indexed(ctx context.Context) error {
	x := s.index
	x.waiters.Add(1)
	defer x.waiters.Add(-1)
	for {
		signal(x.hurry)
		x.mu.Lock()
		done, changed := x.db != nil && x.settled(), x.changed
		x.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

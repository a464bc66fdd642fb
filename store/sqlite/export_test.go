package sqlite

import (
	"context"
	"errors"
)

// FillIndex lets the index grow no more, as on a full disk.
func (s *Store) FillIndex(ctx context.Context) error {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	_, err := s.index.db.write.ExecContext(ctx, "PRAGMA max_page_count = 1") // which is as many as there are
	return err
}

// WaitForIndex is how many have waited for a connection to the index.
func (s *Store) WaitForIndex() int64 {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	return s.index.db.read.Stats().WaitCount
}

// HoldIndex takes all that searches read the index with, until it is called off.
func (s *Store) HoldIndex(ctx context.Context) (letGo func() error, err error) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	var held []interface{ Close() error }
	for range indexReaders {
		conn, err := s.index.db.read.Conn(ctx)
		if err != nil {
			return nil, err
		}
		held = append(held, conn)
	}
	return func() (err error) {
		for _, conn := range held {
			err = errors.Join(err, conn.Close())
		}
		return err
	}, nil
}

package sqlite

import "context"

// FillIndex lets the index grow no more, as on a full disk.
func (s *Store) FillIndex(ctx context.Context) error {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	_, err := s.index.db.write.ExecContext(ctx, "PRAGMA max_page_count = 1") // which is as many as there are
	return err
}

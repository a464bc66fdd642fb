package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

func TestStore(t *testing.T) {
	paths := map[chat.Store]string{}
	open := func(t testing.TB, path string) chat.Store {
		s, err := sqlite.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		paths[s] = path
		return s
	}
	storetest.Run(t, func(t testing.TB) chat.Store {
		return open(t, filepath.Join(t.TempDir(), "data", "chatd.db"))
	}, &storetest.Options{Reopen: func(t testing.TB, s chat.Store) chat.Store {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, paths[s])
	}, Indexed: func(ctx context.Context, s chat.Store) error { return s.(*sqlite.Store).Indexed(ctx) }})
}

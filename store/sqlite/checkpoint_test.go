package sqlite

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/storetest"
)

// The log starts over when it has been copied, which does not need the writer to be idle.
func TestLogStartsOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.CreateAccount(t.Context(), storetest.NewAccount("groot"))
	if err != nil {
		t.Fatal(err)
	}
	batch := []*chat.Entry{storetest.Create("lobby", a.ID)}
	text := strings.Repeat("x", 3000)
	largest := int64(0)
	for range 500 { // 100 MB
		if err := s.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		batch = batch[:0]
		for range 64 {
			batch = append(batch, storetest.Post(storetest.RoomID("lobby"), a.ID, text))
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest > 2*walPages*4096 {
		t.Errorf("the log grew to %d MiB", largest>>20)
	}
}

// A sync that failed beside the writer ends its writing, at the next transaction or when the store is closed; what is only
// a pity does not.
func TestCopyingFails(t *testing.T) {
	for _, fails := range []error{chat.ErrBroken, chat.ErrUnavailable, nil} {
		c := &checkpointer{logger: slog.New(slog.DiscardHandler), copying: make(chan error, 1)}
		c.copying <- fails
		if err := c.close(); errors.Is(err, chat.ErrBroken) != errors.Is(fails, chat.ErrBroken) || !errors.Is(fails, chat.ErrBroken) && err != nil {
			t.Errorf("closed after %v: %v", fails, err)
		}
	}
	c := &checkpointer{copying: make(chan error, 1)}
	c.copying <- chat.ErrBroken
	if err := c.beforeWrite(0, nil); !errors.Is(err, chat.ErrBroken) {
		t.Errorf("written after a failed sync: %v", err)
	}
}

package sqlite

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/chatd-dev/chatd/chat"
)

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

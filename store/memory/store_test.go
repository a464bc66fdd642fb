package memory_test

import (
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(testing.TB) chat.Store { return memory.New() }, nil)
}

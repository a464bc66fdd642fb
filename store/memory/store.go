package memory

import (
	"context"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Store keeps everything in memory; nothing outlives the process.
type Store struct {
	epoch api.Epoch

	mu       sync.RWMutex // guards all below
	accounts map[api.UserID]*chat.Account
	users    map[string]api.UserID // by username
	sessions map[[32]byte]*chat.LoginSession
	invites  map[string]*chat.Invite // by hash
	rooms    map[api.RoomID]*room
	names    map[string]api.RoomID // of rooms
	made     int64                 // rooms, ever
	erasing  []*room               // deleted, and not erased yet
	audit    []chat.AuditRecord
	jobs     []*chat.Job  // by number
	joined   []api.UserID // accounts, in order
	imports  []*chat.Import
	lines    map[api.RoomID]map[string][]byte // of imports
}

var _ chat.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{
		epoch:    api.Epoch(chat.NewID(chat.PrefixEpoch, time.Now(), nil)),
		accounts: map[api.UserID]*chat.Account{},
		users:    map[string]api.UserID{},
		sessions: map[[32]byte]*chat.LoginSession{},
		invites:  map[string]*chat.Invite{},
		rooms:    map[api.RoomID]*room{},
		names:    map[string]api.RoomID{},
		lines:    map[api.RoomID]map[string][]byte{},
	}
}

// Epoch implements chat.Store.
func (s *Store) Epoch() api.Epoch { return s.epoch }

// Durability implements chat.Store.
func (s *Store) Durability() api.Durability { return api.DurabilityMemory }

// Check implements chat.Store: memory can always be written.
func (s *Store) Check(ctx context.Context) error { return ctx.Err() }

// Close implements chat.Store.
func (s *Store) Close() error { return nil }

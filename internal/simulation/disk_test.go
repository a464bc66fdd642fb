package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

// disk is what outlives a process: what was committed. It has moods.
type disk struct {
	*memory.Store
	keys map[string]bool // committed, by room, sender and key; guarded by mu

	mu   sync.Mutex
	rand *rand.Rand
	full bool          // nothing can be written
	slow time.Duration // a commit takes up to so long
	lag  time.Duration // a read takes up to so long, before and after it looks
	trap trap          // what becomes of the next commit
}

// trap is a fate that waits for a commit.
type trap int

const (
	noTrap         trap = iota
	dieBefore           // the process dies when the entries have numbers and are not on disk
	dieAfter            // when they are on disk, before anybody is told
	breakBefore         // the sync fails and nothing was stored
	breakAfter          // the sync fails, but all was stored
	fullWhenNumber      // the transaction runs out of space at its end and is taken back
)

func newDisk(seed uint64) *disk {
	return &disk{Store: memory.New(), keys: map[string]bool{}, rand: rand.New(rand.NewPCG(seed, 0xd15c))}
}

// Durability implements chat.Store.
func (d *disk) Durability() api.Durability { return api.DurabilityFull }

func (d *disk) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// heal ends all moods.
func (d *disk) heal() { d.set(func() { d.full, d.slow, d.lag, d.trap = false, 0, 0, noTrap }) }

// mount gives the disk to a new process.
func (d *disk) mount() *mounted { return &mounted{disk: d, dead: make(chan struct{})} }

// hesitation is how long a transaction is between its numbers and its failure: long enough for what must not get out.
const hesitation = 20 * time.Millisecond

// mounted is a process's hold on the disk.
type mounted struct {
	*disk
	dead chan struct{} // closed when the process is dead: nothing it does has an effect
	once sync.Once

	death func() // called when a trap kills the process

	breakMu sync.Mutex
	broken  bool // a sync has failed: nothing is written any more
}

// die lets the process have no effect any more. A commit that is under way may have happened or not.
func (m *mounted) die() { m.once.Do(func() { close(m.dead) }) }

func (m *mounted) isDead() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

// writable says whether a write may begin.
func (m *mounted) writable() error {
	m.breakMu.Lock()
	broken := m.broken
	m.breakMu.Unlock()
	m.mu.Lock()
	full := m.full
	m.mu.Unlock()
	switch {
	case m.isDead() || broken:
		return fmt.Errorf("simulated: %w", chat.ErrBroken)
	case full:
		return fmt.Errorf("simulated: no space: %w", chat.ErrUnavailable)
	}
	return nil
}

func (m *mounted) breakDown() error {
	m.breakMu.Lock()
	m.broken = true
	m.breakMu.Unlock()
	return fmt.Errorf("simulated: a sync failed: %w", chat.ErrBroken)
}

// Check implements chat.Store.
func (m *mounted) Check(context.Context) error { return m.writable() }

// Commit implements chat.Timeline.
func (m *mounted) Commit(ctx context.Context, entries []*chat.Entry) error {
	if err := m.writable(); err != nil {
		m.rehearse(ctx, entries)
		return err
	}
	m.mu.Lock()
	fate, survives := m.trap, m.rand.IntN(2) == 0
	m.trap = noTrap
	var takes time.Duration
	if m.slow > 0 {
		takes = time.Duration(m.rand.Int64N(int64(m.slow)))
	}
	m.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-m.dead:
			if survives {
				_ = m.write(ctx, entries)
			}
			return fmt.Errorf("simulated: the process died: %w", chat.ErrBroken)
		}
	}
	switch fate {
	case dieAfter, breakAfter:
		_ = m.write(ctx, entries)
	case dieBefore, breakBefore, fullWhenNumber:
		m.rehearse(ctx, entries)
		time.Sleep(hesitation)
	}
	switch fate {
	case dieBefore, dieAfter:
		m.death()
		<-m.dead
		return fmt.Errorf("simulated: the process died: %w", chat.ErrBroken)
	case breakBefore, breakAfter:
		return m.breakDown()
	case fullWhenNumber:
		return fmt.Errorf("simulated: no space: %w", chat.ErrUnavailable)
	}
	return m.write(ctx, entries)
}

func (m *mounted) write(ctx context.Context, entries []*chat.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.disk.Store.Commit(ctx, entries)
	for _, e := range entries {
		if e.Key != "" && e.Err == nil {
			m.keys[keyOf(e)] = true
		}
	}
	return err
}

// rehearse numbers posts as a transaction does that is then taken back: stores write records before
// they commit, and nothing may come of one that does not.
func (m *mounted) rehearse(ctx context.Context, entries []*chat.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	heads := map[api.RoomID]api.Head{}
	for _, e := range entries {
		view, err := m.disk.RoomByID(ctx, e.RoomID, e.SenderID)
		if err != nil || view.Role == "" || e.Plain == nil || m.keys[keyOf(e)] {
			continue
		}
		head, ok := heads[e.RoomID]
		if !ok {
			head = view.Head
		}
		head.Seq++
		head.MsgNo++
		_ = e.Plain.Append(nil, head.Seq, head.MsgNo)
		heads[e.RoomID] = head
	}
}

func keyOf(e *chat.Entry) string {
	if e.Key == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %s", e.RoomID, e.SenderID, e.Key)
}

// read reads, which may take its time: what it has seen may be past when it returns.
func read[T any](ctx context.Context, m *mounted, look func() (T, error)) (T, error) {
	m.wait(ctx)
	v, err := look()
	m.wait(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return v, err
}

func (m *mounted) wait(ctx context.Context) {
	var takes time.Duration
	m.mu.Lock()
	if m.lag > 0 && m.rand.IntN(3) == 0 {
		takes = time.Duration(m.rand.Int64N(int64(m.lag)))
	}
	m.mu.Unlock()
	if takes == 0 {
		return
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-m.dead:
	}
}

// RoomByID implements chat.RoomStore.
func (m *mounted) RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	return read(ctx, m, func() (*chat.RoomView, error) { return m.disk.RoomByID(ctx, id, user) })
}

// RoomByName implements chat.RoomStore.
func (m *mounted) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	return read(ctx, m, func() (*chat.RoomView, error) { return m.disk.RoomByName(ctx, name, user) })
}

// ListRooms implements chat.RoomStore.
func (m *mounted) ListRooms(ctx context.Context, user api.UserID, joinedOnly, archived bool, afterName string, limit int) ([]*chat.RoomView, error) {
	return read(ctx, m, func() ([]*chat.RoomView, error) {
		return m.disk.ListRooms(ctx, user, joinedOnly, archived, afterName, limit)
	})
}

// History implements chat.Timeline.
func (m *mounted) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	return read(ctx, m, func() ([]chat.Record, error) { return m.disk.History(ctx, q) })
}

// ChangeJobs implements chat.JobStore.
func (m *mounted) ChangeJobs(ctx context.Context, do func(t chat.JobTx) error) error {
	if err := m.writable(); err != nil {
		return err
	}
	return m.disk.ChangeJobs(ctx, do)
}

// ChangeAccounts implements chat.AccountStore.
func (m *mounted) ChangeAccounts(ctx context.Context, do func(t chat.AccountTx) error) error {
	if err := m.writable(); err != nil {
		return err
	}
	return m.disk.ChangeAccounts(ctx, do)
}

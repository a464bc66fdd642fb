package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlstore"
)

const (
	// indexGather is how long events gather before they are indexed: many at once cost half as much as one by one.
	indexGather = 100 * time.Millisecond
	// indexBatch is how many events are indexed at once.
	indexBatch = 256
	// indexRest is how many times as long as a batch took nothing is indexed, while others commit: a fortieth of a processor goes
	// into it then, and what is not indexed yet is told of (behind).
	indexRest = 39
	// indexRetry is how long an index that cannot be written is left alone.
	indexRetry = 10 * time.Second
)

// index is the index of words, in a database of its own: it holds up no commit, and needs no syncs. A goroutine brings it
// up to date with the log; it says in the same transaction how far it has come, so after a crash it goes on from there.
// There is nothing in it that the log does not have: whatever is wrong with it, it is made anew.
type index struct {
	// Static after construction.

	path   string
	logger *slog.Logger
	store  *sqlstore.Store
	end    context.CancelFunc
	wake   chan struct{} // 1 deep: there is something to index
	hurry  chan struct{} // 1 deep: somebody waits for it
	broken chan error    // 1 deep: a search found that the index is not as it should be
	done   chan struct{} // closed when the goroutine has ended

	forgets bool // whose turn it is; owned by the goroutine

	commits atomic.Int64 // of the store, to see whether anybody posts
	waiters atomic.Int64 // those who wait for it

	mu      sync.Mutex                // guards the rest
	changed chan struct{}             // closed, and made anew, when it is opened, fails or has everything
	db      *indexDB                  // nil: not open
	err     error                     // why it is not; nil: it is about to be
	behind  map[int64]sqlstore.Growth // by room number
	gone    map[int64]api.Seq         // by room number: up to where the log is gone, and perhaps not from the index; wholeLog: it was deleted
}

var _ sqlstore.Index = (*index)(nil)

func newIndex(path string, logger *slog.Logger) *index {
	return &index{
		path: indexPath(path), logger: logger, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), broken: make(chan error, 1),
		done: make(chan struct{}), changed: make(chan struct{}), behind: map[int64]sqlstore.Growth{}, gone: map[int64]api.Seq{},
	}
}

// indexPath is beside the database.
func indexPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".search.db"
}

// start begins to index what s holds, until close. How long the logs are is read before anybody writes: an index that is
// ahead of them is one that was beside another copy of the database.
func (x *index) start(s *sqlstore.Store) error {
	heads, purged, err := s.Heads(context.Background())
	if err != nil {
		close(x.done)
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	x.store, x.end = s, end
	go func() {
		defer close(x.done)
		for {
			err := x.run(ctx, heads, purged)
			if ctx.Err() != nil {
				return
			}
			wait(ctx, x.failed(err), nil)
			if more, gone, err := s.Heads(ctx); err == nil {
				heads, purged = more, gone
			}
		}
	}()
	return nil
}

func (x *index) close() {
	x.end()
	<-x.done
}

// set changes what there is of the index; mu is held.
func (x *index) set(db *indexDB, err error) {
	x.db, x.err = db, err
	x.tell()
}

// tell wakes those who wait for a change; mu is held.
func (x *index) tell() {
	close(x.changed)
	x.changed = make(chan struct{})
}

// failed leaves an index that cannot be used for a while; one that is not as it should be is removed.
func (x *index) failed(err error) (retry time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.set(nil, err)
	if !errors.Is(fault(err), chat.ErrBroken) {
		x.logger.Warn("the search index cannot be written", "error", err)
		return indexRetry
	}
	x.logger.Warn("the search index is damaged and is made anew", "error", err)
	if err := removeIndex(x.path); err != nil {
		x.logger.Warn("the search index cannot be removed", "error", err)
		return indexRetry
	}
	return indexGather
}

func removeIndex(path string) (err error) {
	for _, end := range []string{"", "-wal", "-shm"} {
		if e := os.Remove(path + end); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// run opens the index and keeps it up to date until ctx ends or something fails.
func (x *index) run(ctx context.Context, heads []sqlstore.Growth, purged []sqlstore.Purge) error {
	db, err := x.open(ctx, heads)
	if err != nil {
		return err
	}
	defer db.close()
	x.Purged(purged)
	for {
		before, start := x.commits.Load(), time.Now()
		more, err := x.indexSome(ctx, db)
		if errors.Is(fault(err), chat.ErrUnavailable) { // a full disk, say: what there is can be searched all the same
			x.logger.Warn("the search index cannot be written", "error", err)
			if err := x.leave(ctx, indexRetry); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		rest := time.Duration(0)
		switch {
		case !more:
			select {
			case <-x.wake:
			case err := <-x.broken:
				return err
			case <-ctx.Done():
				return nil
			}
			rest = indexGather
		case x.commits.Load() != before:
			rest = indexRest * time.Since(start)
		}
		if x.waiters.Load() == 0 {
			wait(ctx, rest, x.hurry)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// open opens the index, and makes it anew if it does not fit.
func (x *index) open(ctx context.Context, heads []sqlstore.Growth) (*indexDB, error) {
	for again := false; ; again = true {
		db, err := openIndex(ctx, x.path, x.store.Epoch())
		if err != nil {
			return nil, err
		}
		if err = x.compare(ctx, db, heads); err == nil {
			return db, nil
		}
		db.close()
		if again || !errors.Is(err, errOtherIndex) {
			return nil, err
		}
		x.logger.Warn("the search index was beside another copy of the database and is made anew")
		if err := removeIndex(x.path); err != nil {
			return nil, err
		}
	}
}

// wait waits, but not when there is hurry.
func wait(ctx context.Context, d time.Duration, hurry <-chan struct{}) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-hurry:
	case <-ctx.Done():
	}
}

// leave leaves the index as it is for a while, unless it is broken.
func (x *index) leave(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case err := <-x.broken:
		return err
	case <-ctx.Done():
	}
	return nil
}

// compare finds what the index has missed. What is committed meanwhile comes by Grown. An index that was beside another copy
// of the log, because a backup was put back, say, is errOtherIndex.
func (x *index) compare(ctx context.Context, db *indexDB, heads []sqlstore.Growth) error {
	had, err := db.positions(ctx)
	if err != nil {
		return err
	}
	heads = slices.Clone(heads)
	for i := range heads {
		g := &heads[i]
		p, is := had[g.RoomNo]
		if !is || p.roomID != g.RoomID { // that other room is gone
			continue
		}
		delete(had, g.RoomNo)
		if p.seq > g.Head {
			return errOtherIndex
		}
		at, there, err := x.store.EventAt(ctx, g.RoomNo, p.seq)
		if err != nil {
			return err
		}
		if there && p.at != 0 && at != p.at {
			return errOtherIndex
		}
		g.After = p.seq
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for no := range had {
		x.gone[no] = wholeLog
	}
	for i := range heads {
		x.grow(heads[i])
	}
	x.set(db, nil)
	return nil
}

// grow notes a part of a log that is not in the index; mu is held.
func (x *index) grow(g sqlstore.Growth) {
	if x.gone[g.RoomNo] == wholeLog { // another room had the number, in another copy of the database
		g.After = 0
	}
	if was, ok := x.behind[g.RoomNo]; ok && was.RoomID == g.RoomID {
		g.After, g.Head = min(was.After, g.After), max(was.Head, g.Head)
	}
	if g.After < g.Head {
		x.behind[g.RoomNo] = g
	}
}

// Grown implements sqlstore.Index.
func (x *index) Grown(rooms []sqlstore.Growth) {
	if len(rooms) == 0 {
		return
	}
	x.commits.Add(1)
	x.mu.Lock()
	for i := range rooms {
		x.grow(rooms[i])
	}
	x.mu.Unlock()
	signal(x.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// indexSome indexes some of what is behind, or forgets some of what is gone, in turns; false: nothing is.
func (x *index) indexSome(ctx context.Context, db *indexDB) (more bool, err error) {
	if x.forgets = !x.forgets; x.forgets {
		if more, err := x.forgetSome(ctx, db); more || err != nil {
			return more, err
		}
	}
	parts := x.next()
	if len(parts) == 0 {
		return x.forgetSome(ctx, db)
	}
	var docs []sqlstore.Document
	ends := make([]api.Timestamp, len(parts))
	for i := range parts {
		some, err := x.store.Documents(ctx, &parts[i])
		if err != nil {
			return false, err
		}
		docs = append(docs, some...)
		if ends[i], _, err = x.store.EventAt(ctx, parts[i].RoomNo, parts[i].Head); err != nil {
			return false, err
		}
	}
	if err := db.put(ctx, docs, parts, ends); err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range parts {
		switch g := x.behind[p.RoomNo]; {
		case g.RoomID != p.RoomID || g.After != p.After: // not what it was
		case g.Head == p.Head:
			delete(x.behind, p.RoomNo)
		default:
			g.After = p.Head
			x.behind[p.RoomNo] = g
		}
	}
	return true, nil
}

// settled tells whether the index has what it is to have, and nothing else; mu is held.
func (x *index) settled() bool { return len(x.behind) == 0 && len(x.gone) == 0 }

// next chooses what to index now.
func (x *index) next() []sqlstore.Growth {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.settled() {
		x.tell()
	}
	left := api.Seq(indexBatch)
	var parts []sqlstore.Growth
	for _, g := range x.behind {
		if x.gone[g.RoomNo] == wholeLog {
			continue // until that is forgotten
		}
		g.Head = min(g.Head, g.After+left)
		left -= g.Head - g.After
		if parts = append(parts, g); left == 0 {
			break
		}
	}
	return parts
}

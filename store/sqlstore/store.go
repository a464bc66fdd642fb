package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Dialect is what one engine does unlike the others.
type Dialect struct {
	// Durability is what a returned write has survived.
	Durability api.Durability
	// Begin starts a transaction that will write.
	Begin string
	// Fault wraps an error of the driver with chat.ErrUnavailable or chat.ErrBroken where it means
	// one of them, and returns it as it is otherwise.
	Fault func(err error) error
	// BeginRead starts a transaction whose reads all see one moment.
	BeginRead string
	// Size gives the bytes that the database takes; "": not known.
	Size string
	// Shared tells that other processes write to the database too.
	Shared bool
	// BeforeWrite, if set, looks after the database before a transaction; about so many pages
	// were written since it did so last. Its statements run on the write connection and are kept prepared.
	BeforeWrite func(pages int, row func(query string, args ...any) *sql.Row) error
	// Index finds messages by their words.
	Index Index
}

// Options of a store.
type Options struct {
	// Now gives the time; nil means time.Now.
	Now func() time.Time
}

// Store is a chat.Store in a database whose schema is up to date.
type Store struct {
	// Static after construction.

	dialect  *Dialect
	epoch    api.Epoch
	now      func() time.Time
	write    *writer
	reader   *reader
	looks                  // of the reader
	searches chan struct{} // as deep as there may be searches at once

	mu       sync.Mutex // guards the rest; held only for moments
	probing  *probe     // the one under way, or nil
	probed   time.Time  // when the last one was begun
	probeErr error      // what came of it
	closed   bool       // no probe is begun any more
}

// probe is a write that only finds out whether the store can be written.
type probe struct {
	done chan struct{} // closed at its end
	err  error         // valid then
}

// New makes a store of two pools of the same database, of which read has a bound of open connections. It closes them when it is closed.
func New(ctx context.Context, write, read *sql.DB, dialect *Dialect, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	reader := newReader(read, dialect)
	s := &Store{dialect: dialect, now: now, write: newWriter(write, dialect, now), reader: reader, looks: looks{reader}, searches: make(chan struct{}, searchers)}
	if err := s.identify(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// identify reads the store's identity, making it if the store is new.
func (s *Store) identify(ctx context.Context) error {
	const epoch = `SELECT value FROM meta WHERE name = 'epoch'`
	err := s.read.one(ctx, epoch, nil, &s.epoch)
	if !errors.Is(err, chat.ErrNotFound) {
		return wrap("read the store's identity", err)
	}
	err = s.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO meta (name, value) VALUES ('epoch', $1), ('probed', '0')`, chat.NewID(chat.PrefixEpoch, s.now(), nil))
		return err
	})
	if err != nil {
		return wrap("make the store's identity", err)
	}
	return wrap("read the store's identity", s.read.one(ctx, epoch, nil, &s.epoch))
}

// Epoch implements chat.Store.
func (s *Store) Epoch() api.Epoch { return s.epoch }

// Durability implements chat.Store.
func (s *Store) Durability() api.Durability { return s.dialect.Durability }

// probeInterval is how old an answer of Check may be.
const probeInterval = time.Second

// Check implements chat.Store. It writes, unless something was written a moment ago. A disk that
// hangs does not hold the caller longer than ctx: that is chat.ErrUnavailable too.
func (s *Store) Check(ctx context.Context) error {
	p, err := s.probe(ctx)
	if p == nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("probe: %w: no answer yet: %w", chat.ErrUnavailable, ctx.Err())
	}
}

// probe gives the probe to wait for, which it may have begun, or nil and the answer. There is one
// at a time, in a goroutine that ends with its write; Close waits for it.
func (s *Store) probe(ctx context.Context) (*probe, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	switch {
	case s.closed:
		return nil, wrap("probe", errClosed)
	case recent(now, time.Unix(0, s.write.wrote.Load())):
		return nil, nil
	case s.probing != nil:
		return s.probing, nil
	case recent(now, s.probed):
		return nil, s.probeErr
	}
	p := &probe{done: make(chan struct{})}
	s.probing = p
	go func() {
		defer close(p.done)
		p.err = wrap("probe", s.write.do(ctx, func(t *tx) error { // heeds no end of ctx
			n, err := t.exec(`UPDATE meta SET value = $1 WHERE name = 'probed'`, now.UTC().Format(time.RFC3339))
			if err == nil && n != 1 {
				err = errors.New("the row to write is gone")
			}
			return err
		}))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.probing, s.probed, s.probeErr = nil, now, p.err
	}()
	return p, nil
}

// recent also tells a clock that was set back from one that stood still.
func recent(now, then time.Time) bool {
	age := now.Sub(then)
	return age >= 0 && age < probeInterval
}

// Close implements chat.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	p := s.probing
	s.mu.Unlock()
	if p != nil {
		<-p.done
	}
	// Readers first: the last connection to close folds the write-ahead log into the database.
	return errors.Join(s.reader.close(), s.write.close())
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

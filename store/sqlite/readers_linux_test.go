package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/storetest"
)

// All connections are open from the start: to open one, SQLite changes files, which it cannot on a disk that has become read-only.
func TestReadersAreOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := mustOpen(t, path)
	defer s.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]int{}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			open[target]++
		}
	}
	if open[path] != 6 || open[path+"-wal"] != 6 {
		t.Errorf("%d and %d descriptors, want those of one writer, one that copies the log, and four readers", open[path], open[path+"-wal"])
	}
}

// A read that is given up costs no connection: another could not be opened on such a disk.
func TestReadersStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "chatd.db")
	s := talkative(t, path)
	defer s.Close()
	var said []*chat.Entry
	for range 1000 {
		said = append(said, say(storetest.RoomID("lobby"), storetest.User("groot"), 1_764_000_000_000, "I am Groot."))
	}
	commit(t, s, said...)
	if err := os.Rename(dir, dir+" elsewhere"); err != nil { // what is open stays open
		t.Fatal(err)
	}
	lobby := storetest.RoomID("lobby")
	read := func(ctx context.Context) error {
		_, err := s.History(ctx, &chat.HistoryQuery{Room: lobby, Limit: 2000})
		return errors.Join(err, s.Snapshot(ctx, func(r chat.Reader) error {
			_, err := r.History(ctx, &chat.HistoryQuery{Room: lobby, Limit: 2000})
			return err
		}))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 30 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*200*time.Microsecond)
				_ = read(ctx)
				cancel()
			}
		})
	}
	wg.Wait()
	for range 20 {
		wg.Go(func() {
			if err := read(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Who waits for a connection can give up, and then nothing is read for them.
func TestWaitForReaderIsGivenUp(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer s.Close()
	lobby := storetest.RoomID("lobby")
	busy, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			err := s.Snapshot(context.Background(), func(r chat.Reader) error {
				_, err := r.Head(context.Background(), lobby)
				busy <- struct{}{}
				<-release
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-busy
	}
	for name, read := range map[string]func(ctx context.Context) error{
		"one": func(ctx context.Context) error {
			_, err := s.Head(ctx, lobby)
			return err
		},
		"each": func(ctx context.Context) error {
			_, err := s.History(ctx, &chat.HistoryQuery{Room: lobby, Limit: 1})
			return err
		},
		"snapshot": func(ctx context.Context) error {
			return s.Snapshot(ctx, func(chat.Reader) error { return errors.New("read all the same") })
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		given := make(chan error, 1)
		wg.Go(func() { given <- read(ctx) })
		select {
		case err := <-given:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: still waits", name)
		}
		cancel()
	}
	close(release)
	wg.Wait()
	if _, err := s.Head(t.Context(), lobby); err != nil {
		t.Error(err)
	}
}

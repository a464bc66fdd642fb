package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/disks"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

// disk is a store on a file system of its own, with a clock that the test moves.
type disk struct {
	*testing.T
	*sqlite.Store
	dir   string
	path  string
	now   time.Time
	acked map[string]api.Seq
	n     int
}

func (d *disk) open() {
	d.Helper()
	d.path = filepath.Join(d.dir, "chatd.db")
	d.now = time.Unix(1_764_000_000, 0)
	s, err := sqlite.Open(d.T.Context(), d.path, &sqlite.Options{Now: func() time.Time { return d.now }})
	if err != nil {
		d.Fatal(err)
	}
	d.Store, d.acked = s, map[string]api.Seq{}
	d.T.Cleanup(func() { s.Close() })
	if err := populate(d.T.Context(), s); err != nil {
		d.Fatal(err)
	}
}

// post commits one keyed post and keeps account of what is acknowledged. A post that is refused
// is tried again under its key by the next call.
func (d *disk) post() error {
	key := fmt.Sprintf("d.%d", d.n)
	text := "text of " + key
	e := storetest.Keyed(storetest.RoomID("lobby"), storetest.User("groot"), text, key)
	if err := errors.Join(d.Commit(d.T.Context(), []*chat.Entry{e}), e.Err); err != nil {
		return err
	}
	d.acked[key] = e.Records[0].Seq
	d.n++
	return nil
}

// postUntilRefused posts till the disk takes no more, at most a moment.
func (d *disk) postUntilRefused() error {
	d.Helper()
	for range 100_000 {
		if err := d.post(); err != nil {
			return err
		}
	}
	d.Fatal("the disk takes everything: the test tests nothing")
	return nil
}

// wantReads checks that reads go on, on several connections at once.
func (d *disk) wantReads() {
	d.Helper()
	room, user := storetest.RoomID("lobby"), storetest.User("groot")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			page, err := d.History(d.T.Context(), &chat.HistoryQuery{Room: room, Limit: 1 << 30})
			if err != nil || len(page) < len(d.acked)+2 {
				d.Errorf("history: %d of %d events, %v", len(page), len(d.acked)+2, err)
			}
			if _, err := d.RoomByName(d.T.Context(), "lobby", user); err != nil {
				d.Errorf("room: %v", err)
			}
			if _, err := d.ListRooms(d.T.Context(), user, false, false, "", 10); err != nil {
				d.Errorf("rooms: %v", err)
			}
			if _, err := d.ListMembers(d.T.Context(), room, "", 10); err != nil {
				d.Errorf("members: %v", err)
			}
			if _, err := d.AccountByID(d.T.Context(), user); err != nil {
				d.Errorf("account: %v", err)
			}
		})
	}
	wg.Wait()
}

func (d *disk) wantUnavailable(err error) {
	d.Helper()
	if !errors.Is(err, chat.ErrUnavailable) {
		d.Fatalf("error %v, want %v", err, chat.ErrUnavailable)
	}
}

func TestFullDisk(t *testing.T) {
	d := &disk{T: t, dir: disks.Tmpfs(t, "4m")}
	d.open()
	for range 100 {
		if err := d.post(); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		ballast := filepath.Join(d.dir, "ballast")
		disks.Fill(t, ballast)
		d.wantUnavailable(d.postUntilRefused())
		_, err := d.CreateAccount(t.Context(), storetest.NewAccount(strings.Repeat("x", 200_000))) // larger than any rest
		d.wantUnavailable(err)
		for range 3 {
			if err := d.post(); err != nil {
				d.wantUnavailable(err)
			}
			d.wantReads()
		}
		// The probe is one page, so it may still fit where posts do not; what it may not do is hang
		// or break the store.
		d.now = d.now.Add(time.Minute)
		if err := d.Check(t.Context()); err != nil {
			d.wantUnavailable(err)
		}

		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for range 20 { // at once: no reopening, no waiting
			if err := d.post(); err != nil {
				t.Fatalf("round %d, space is back: %v", round, err)
			}
		}
		d.now = d.now.Add(time.Minute)
		if err := d.Check(t.Context()); err != nil {
			t.Fatalf("round %d, space is back: %v", round, err)
		}
		d.wantReads()
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantAcked(t, d.path, d.acked)
}

// The log of a full disk is full to the last byte, and the process is killed: it comes up again
// when there is space.
func TestFullDiskReopened(t *testing.T) {
	d := &disk{T: t, dir: disks.Tmpfs(t, "3m")}
	d.open()
	ballast := filepath.Join(d.dir, "ballast")
	disks.Fill(t, ballast)
	d.wantUnavailable(d.postUntilRefused())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), d.path, nil); err == nil {
		s.Close()
	} else {
		d.wantUnavailable(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	wantAcked(t, d.path, d.acked)
}

// The kernel makes a file system read-only when it has found an error in it.
func TestReadOnlyDisk(t *testing.T) {
	system := disks.NewExt4(t)
	d := &disk{T: t, dir: system.Dir}
	d.open()
	for range 100 {
		if err := d.post(); err != nil {
			t.Fatal(err)
		}
	}
	system.Break(t)
	for range 3 {
		d.wantUnavailable(d.post())
		d.wantReads()
	}
	d.now = d.now.Add(time.Minute)
	d.wantUnavailable(d.Check(t.Context()))
	d.Close()
	system.Repair(t)
	wantAcked(t, d.path, d.acked)
}

// The power is cut while a process commits: all that was not synced is gone, and nothing that was
// acknowledged is among it. The process is killed first, so that it cannot acknowledge what is synced
// after the cut.
func TestPowerCut(t *testing.T) {
	system := disks.NewExt4(t)
	path := filepath.Join(system.Dir, "data", "chatd.db")
	acked := map[string]api.Seq{}
	for round := range max(1, rounds(t)/4) {
		runAndKill(t, helper(t, "post", path, fmt.Sprintf("p%d", round)), 200*time.Millisecond, acked)
		system.Cut(t)
		wantAcked(t, path, acked)
	}
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged: the test tests nothing")
	}
	t.Logf("%d acknowledged", len(acked))
}

package torture

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/disks"
	"github.com/chatd-dev/chatd/internal/rig"
)

// A server that is started on a full disk may refuse to, and says why; it loses nothing (docs/ROUGH_EDGES.md).
func TestStartOnFullDisk(t *testing.T) {
	dir := disks.Tmpfs(t, "12m")
	s := rig.Start(t, &rig.Options{Dir: dir + "/data"})
	o, writers := diskBegin(t, s)
	text := strings.Repeat("x", 3000)
	for _, clean := range []bool{true, false} {
		for _, w := range writers {
			if err := w.post(w.make(50, text)); err != nil {
				t.Fatal(err)
			}
		}
		if clean {
			s.Term()
		} else {
			s.Kill()
		}
		disks.Fill(t, dir+"/ballast")
		addr, started := s.Addr(), make(chan error, 1)
		go func() { started <- s.Restart() }() // ends when the server is ready or ends, or out of patience
		var err error
		ready := "ready"
		select {
		case err = <-started:
		case <-time.After(2 * time.Second): // it may run and say at /readyz that it cannot write
			ready = "not ready"
		}
		if err == nil {
			w := writers[0]
			if w.conn, err = streamDial(addr, w.token); err == nil {
				err = errors.Join(w.reads(), w.post(w.make(20, text)))
			}
			if err != nil {
				t.Errorf("a server that runs on a full disk says %v", err)
			}
			t.Logf("it starts on a full disk, is %s and refuses %d posts of 20 (ended well before: %t)", ready, len(w.open), clean)
		} else {
			if s.Running() || s.Wait() != 1 || !strings.Contains(err.Error(), "store unavailable") {
				t.Errorf("no start on a full disk, and no word of it: %v", err)
			}
			t.Logf("it does not start on a full disk (ended well before: %t): %v", clean, err)
		}
		if err := os.Remove(dir + "/ballast"); err != nil {
			t.Fatal(err)
		}
		switch {
		case ready != "ready":
			err = <-started // by itself
		case err != nil:
			err = s.Restart()
		}
		if err != nil {
			t.Fatalf("there is space again: %v", err)
		}
		diskSettle(t, s, o, "room", writers)
		if err := diskEnter(s, writers); err != nil {
			t.Fatal(err)
		}
	}
}

// The kernel gives a file system up, and makes it read-only, when it finds an error in it. Reads go on, posts are refused or the process
// ends; all is there when the file system has been repaired.
func TestDiskGivesUp(t *testing.T) {
	disk := disks.NewExt4(t)
	s := rig.Start(t, &rig.Options{Dir: disk.Dir + "/data"})
	o, writers := diskBegin(t, s)
	w := writers[0]
	if err := w.post(w.make(100, "")); err != nil || len(w.open) > 0 {
		t.Fatal(err, len(w.open))
	}
	disk.Break(t)
	err := w.post(w.make(20, ""))
	if err == nil {
		err = w.reads()
	}
	outcome := fmt.Sprintf("%d of 20 posts were refused, and reads went on", w.refused)
	if err != nil {
		select {
		case <-s.Ended():
			outcome = fmt.Sprintf("the process ended, status %d", s.Wait())
		case <-time.After(diskPatience):
			t.Errorf("the server goes on, and says %v", err)
		}
	} else if w.refused == 0 {
		t.Error("no post was refused: this proves nothing")
	}
	for _, w := range writers {
		w.hangUp()
	}
	s.Kill()
	disk.Repair(t)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	report := diskSettle(t, s, o, "room", writers)
	if report != nil && !t.Failed() {
		t.Logf("PROOF diskgivesup: %s; %d posts acknowledged, 0 lost", outcome, report.Acked)
	}
}

// Whoever read the log has gone: the server goes on without it.
func TestClosedStderr(t *testing.T) {
	s := rig.Start(t, &rig.Options{Wrap: []string{"sh", "-c", `"$0" "$@" 2>&1 | head -n 1`}})
	o, writers := diskBegin(t, s) // which is logged
	for _, w := range writers {
		if err := w.post(w.make(20, "")); err != nil {
			t.Error(err)
		}
	}
	if _, err := o.CheckRoom(t.Context(), &diskReader{writers[0].conn}, "room"); err != nil {
		t.Error(err)
	}
	s.Term()
	diskIntact(t, s.Dir())
}

package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// P1: the power is cut while posts are being acknowledged. What was acknowledged is there when the power is back,
// once, and in its place.
//
// The file system's shutdown without a last flush stands for the cut: what was not synced is gone. The process is killed
// first, so that it cannot acknowledge what is written after the cut. The last posts before it are few and just acknowledged, and
// nothing is synced after them: a commit without a sync would show at once.
func TestPowerCut(t *testing.T) {
	needRoot(t)
	rng := newRand(t)
	total := scale(8, 200)
	begin, p := time.Now(), newProgress(t)
	disk := newDiskLoop(t)
	sum := new(oracle.Report)
	lost := 0
	var o *oracle.Oracle
	var tokens map[string]string
	room := ""
	for round := 0; round < total && !t.Failed(); round++ {
		tb := &diskTB{TB: t}
		s := rig.Start(tb, &rig.Options{Dir: disk.dir + "/data"})
		if tokens == nil {
			var err error
			if tokens, err = diskTokens(s); err != nil {
				t.Fatal(err)
			}
			s.Term() // which leaves nothing to be synced: accounts are not what is judged here
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if round%10 == 0 { // so that a check stays short
			o, room = oracle.New(), fmt.Sprintf("room%d", round)
		}
		writers := diskWriters(o, room, tokens, 1+rng.IntN(16))
		for _, w := range writers {
			w.run = round
		}
		if err := diskEnter(s, writers); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		posts := 1 + rng.IntN(200)
		ended := make(chan struct{})
		for i, w := range writers {
			wg.Go(func() {
				// Half of the rounds end in the middle of posts, the others when the first writer's are all acknowledged.
				_ = w.post(w.make(posts*(1+i*9), "")) // ends with the process
				if i == 0 {
					close(ended)
				}
			})
		}
		if rng.IntN(2) == 0 {
			select {
			case <-ended:
			case <-time.After(time.Duration(rng.IntN(int(100 * time.Millisecond)))):
			}
		}
		s.Kill()
		wg.Wait()
		disk.cut(t)
		disk.mount(t)
		if err := s.Restart(); err != nil {
			t.Fatalf("round %d, after the cut: %v", round, err)
		}
		report := diskSettle(t, s, o, room, writers)
		s.Kill()
		if report != nil && (round%10 == 9 || round == total-1) {
			sum.Add(report)
		}
		diskIntact(t, disk.dir+"/data")
		tb.end()
		p.say("round %d of %d", round+1, total)
		if t.Failed() {
			lost = round + 1
		}
	}
	if t.Failed() {
		t.Logf("the bug showed in round %d", lost)
		return
	}
	disk.check(t)
	if sum.Acked == 0 {
		t.Fatal("nothing was acknowledged: this proves nothing")
	}
	t.Logf("PROOF powercut: %d power cuts: %d posts acknowledged, 0 lost, 0 doubled, %v", total, sum.Acked, time.Since(begin).Round(time.Second))
}

// diskLoop is an ext4 file system in a file.
type diskLoop struct {
	image string
	dir   string // where it is mounted
}

// newDiskLoop makes and mounts one. Its journal is written when somebody syncs, and hardly otherwise.
func newDiskLoop(t testing.TB) *diskLoop {
	t.Helper()
	d := &diskLoop{dir: t.TempDir()}
	image := t.TempDir() + "/image"
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(256<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := diskCommand("mkfs.ext4", "-q", image); err != nil {
		t.Skipf("needs mkfs.ext4: %v: %s", err, out)
	}
	out, err := diskCommand("losetup", "--find", "--show", image)
	if err != nil {
		t.Skipf("needs a loop device: %v: %s", err, out)
	}
	d.image = strings.TrimSpace(out)
	t.Cleanup(func() {
		_ = unix.Unmount(d.dir, unix.MNT_DETACH) // it may not be mounted
		if out, err := diskCommand("losetup", "--detach", d.image); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	if err := unix.Mount(d.image, d.dir, "ext4", 0, "errors=remount-ro,commit=600"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	return d
}

func diskCommand(name string, args ...string) (string, error) {
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	return string(out), err
}

func (d *diskLoop) mount(t testing.TB) {
	t.Helper()
	if err := unix.Mount(d.image, d.dir, "ext4", 0, "errors=remount-ro,commit=600"); err != nil {
		t.Fatal(err)
	}
}

// cut loses what is not on the device, and unmounts.
func (d *diskLoop) cut(t testing.TB) {
	t.Helper()
	const (
		ioctlShutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
		noLogFlush    = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	root, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.IoctlSetPointerInt(int(root.Fd()), ioctlShutdown, noLogFlush)
	root.Close()
	if err != nil {
		t.Skipf("this file system cannot be cut off: %v", err)
	}
	if err := unix.Unmount(d.dir, 0); err != nil {
		t.Fatal(err)
	}
}

// check lets fsck look at the file system, whose journal has been replayed by its last mount.
func (d *diskLoop) check(t testing.TB) {
	t.Helper()
	if err := unix.Unmount(d.dir, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := diskCommand("fsck.ext4", "-f", "-n", d.image); err != nil {
		t.Errorf("fsck: %v: %s", err, out)
	}
}

package disks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Tmpfs mounts a file system in memory, as large as size says (12m), until the test's end.
func Tmpfs(t testing.TB, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// Fill takes all the space that is left, for a new file.
func Fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// Ext4 is an ext4 file system in a file, mounted until the test's end.
type Ext4 struct {
	Dir    string // where it is mounted
	device string
}

// NewExt4 makes and mounts one. Its journal is written when somebody syncs, and hardly otherwise.
func NewExt4(t testing.TB) *Ext4 {
	t.Helper()
	d := &Ext4{Dir: t.TempDir()}
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 256<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := run("mkfs.ext4", "-q", image); err != nil {
		t.Skipf("needs mkfs.ext4: %v: %s", err, out)
	}
	out, err := run("losetup", "--find", "--show", image)
	if err != nil {
		t.Skipf("needs a loop device: %v: %s", err, out)
	}
	d.device = strings.TrimSpace(out)
	t.Cleanup(func() {
		_ = unix.Unmount(d.Dir, unix.MNT_DETACH) // it may not be mounted
		if out, err := run("losetup", "--detach", d.device); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	if err := d.mount(); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	return d
}

func (d *Ext4) mount() error {
	return unix.Mount(d.device, d.Dir, "ext4", 0, "errors=remount-ro,commit=600")
}

func run(name string, args ...string) (string, error) {
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput() //nolint:gosec // tools of the system
	return string(out), err
}

// Break lets the kernel find an error in the file system, and so make it read-only.
func (d *Ext4) Break(t testing.TB) {
	t.Helper()
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(d.device), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("1"), 0o200); err != nil {
		t.Skipf("this kernel makes no errors to order: %v", err)
	}
}

// Repair does what an operator would: unmount, repair, mount. Nobody may have a file open.
func (d *Ext4) Repair(t testing.TB) {
	t.Helper()
	if err := unix.Unmount(d.Dir, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := run("fsck.ext4", "-f", "-y", d.device); err != nil && !strings.Contains(out, "MODIFIED") {
		t.Fatalf("fsck: %v: %s", err, out)
	}
	if err := d.mount(); err != nil {
		t.Fatal(err)
	}
}

// Cut loses what is not on the device, as a cut of the power does, and mounts what is left. The file system's
// shutdown without a last flush stands for the cut. Nobody may have a file open.
func (d *Ext4) Cut(t testing.TB) {
	t.Helper()
	const (
		ioctlShutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
		noLogFlush    = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	root, err := os.Open(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.IoctlSetPointerInt(int(root.Fd()), ioctlShutdown, noLogFlush)
	root.Close()
	if err != nil {
		t.Skipf("this file system cannot be cut off: %v", err)
	}
	if err := errors.Join(unix.Unmount(d.Dir, 0), d.mount()); err != nil {
		t.Fatal(err)
	}
}

// Check unmounts the file system and lets fsck look at it. Its last mount has replayed the journal.
func (d *Ext4) Check(t testing.TB) {
	t.Helper()
	if err := unix.Unmount(d.Dir, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := run("fsck.ext4", "-f", "-n", d.device); err != nil {
		t.Errorf("fsck: %v: %s", err, out)
	}
}

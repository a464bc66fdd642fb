package proc

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// SyncRate appends 4 KiB to a file in dir and syncs it, again and again for d, and gives how often a
// second: the most that anything can commit there one by one. With dataOnly it is fdatasync(2), otherwise fsync(2).
func SyncRate(dir string, d time.Duration, dataOnly bool) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync-rate"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // its directory goes too
	defer f.Close()
	block := make([]byte, 4096)
	n := 0
	begin := time.Now()
	for time.Since(begin) < d {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if dataOnly {
			err = unix.Fdatasync(int(f.Fd()))
		} else {
			err = f.Sync()
		}
		if err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

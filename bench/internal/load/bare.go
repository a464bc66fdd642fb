package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
)

// Bare is reads of a file that the server has open, made by this process itself, beside the requests that have the server do so.
// Each sample is all of them, one after the other, wherever in the file.
type Bare struct {
	File  string `json:"file"`  // its name, without folder
	Sizes []int  `json:"sizes"` // in bytes
}

// diskPage is what reads are aligned to.
const diskPage = 4096

// bare reads for d; the result's usage of the load is what it took.
func (r *runner) bare(b *Bare, d time.Duration) (*WorkResult, error) {
	f, err := openOf(r.PID, b.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	res := &WorkResult{}
	var latencies []int64
	buf := make([]byte, slices.Max(b.Sizes))
	begin := time.Now()
	res.Usage, err = r.used(func() error {
		for time.Since(begin) < d {
			start := proc.Monotonic()
			for _, size := range b.Sizes {
				last := (info.Size() - int64(size)) / diskPage
				if last < 0 {
					return fmt.Errorf("%s is shorter than %d bytes", b.File, size)
				}
				if _, err := f.ReadAt(buf[:size], diskPage*rand.Int64N(last+1)); err != nil {
					return err
				}
			}
			latencies = append(latencies, proc.Monotonic()-start)
		}
		return nil
	})
	res.Wall, res.Answered, res.Latency = time.Since(begin), len(latencies), summarize(latencies)
	return res, err
}

// openOf opens a file that a process has open.
func openOf(pid int, name string) (*os.File, error) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && filepath.Base(path) == name {
			return os.Open(link)
		}
	}
	return nil, errors.New("the server has not opened " + name)
}

package proc

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where figures come from. It names no host.
type Machine struct {
	Date       string `json:"date"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     int64  `json:"memory_bytes"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	FileSystem string `json:"file_system"` // of the data directories
	OpenFiles  uint64 `json:"open_files"`
}

// ThisMachine describes the machine; dir is where data is kept.
func ThisMachine(dir string) Machine {
	m := Machine{Date: time.Now().Format(time.DateOnly), Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: "unknown", Kernel: "unknown", FileSystem: fileSystem(dir), OpenFiles: OpenFiles()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = field(string(text), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		kilobytes, _, _ := strings.Cut(field(string(text), "MemTotal"), " ")
		n, _ := strconv.ParseInt(kilobytes, 10, 64)
		m.Memory = n << 10
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	return m
}

func field(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

const (
	magicTmpfs   = 0x01021994
	magicExt     = 0xef53
	magicXFS     = 0x58465342
	magicBtrfs   = 0x9123683e
	magicOverlay = 0x794c7630
)

func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	switch st.Type {
	case magicTmpfs:
		return "tmpfs (in memory: a sync does nothing)"
	case magicExt:
		return "ext4"
	case magicXFS:
		return "xfs"
	case magicBtrfs:
		return "btrfs"
	case magicOverlay:
		return "overlay"
	default:
		return fmt.Sprintf("type %#x", st.Type)
	}
}

// OpenFiles is how many files a process may have open, once it has raised its own limit as far as it may.
func OpenFiles() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	if r.Cur < r.Max {
		r.Cur = r.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &r) // what is had is read again
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
			return 1024
		}
	}
	return r.Cur
}

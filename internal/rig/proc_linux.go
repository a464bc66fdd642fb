package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithParent lets no server outlive a test that is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// childOf is the first child of a process, whichever of its threads has made it, or itself if it has none.
func childOf(pid int) int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return pid
	}
	for _, list := range lists {
		raw, _ := os.ReadFile(list) // a thread that has ended has no children
		if first, _, _ := strings.Cut(strings.TrimSpace(string(raw)), " "); first != "" {
			if child, err := strconv.Atoi(first); err == nil {
				return child
			}
		}
	}
	return pid
}

// RSS is the resident memory in bytes, 0 if it is not to be had.
func (s *Server) RSS() int64 { return s.status("VmRSS:") }

// MaxRSS is the most that it ever was.
func (s *Server) MaxRSS() int64 { return s.status("VmHWM:") }

func (s *Server) status(name string) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// CPU is the time that the process has had of processors, user and system.
func (s *Server) CPU() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	const utime, stime, hz = 11, 12, 100
	if len(fields) <= stime {
		return 0
	}
	var ticks int64
	for _, f := range fields[utime : stime+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / hz
}

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is processor time of a process, all its threads, those that have ended too.
type CPU struct {
	Total  time.Duration `json:"total_ns"` // exact
	User   time.Duration `json:"user_ns"`  // as the kernel divides it, in ticks of 10 ms
	System time.Duration `json:"system_ns"`
}

// Sub gives what was used since before.
func (c CPU) Sub(before CPU) CPU {
	return CPU{c.Total - before.Total, c.User - before.User, c.System - before.System}
}

// ReadCPU reads it. The total is the process's CPU clock: the same account as utime+stime of
// /proc/PID/stat, in nanoseconds instead of ticks. The kernel's work in a system call counts, and
// on loopback that is all of TCP up to the receiver's buffer.
func ReadCPU(pid int) (CPU, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &ts); err != nil {
		return CPU{}, fmt.Errorf("cpu clock of process %d: %w", pid, err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, err
	}
	c := CPU{Total: time.Duration(ts.Nano())}
	c.User, c.System, err = parseStat(stat)
	return c, err
}

// MachineBusy is the time for which the machine's processors have been busy with anything, or taken away by
// its host.
func MachineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachineStat(text)
}

func parseMachineStat(text []byte) (busy time.Duration, err error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, errors.New("/proc/stat does not begin with cpu and eight numbers")
	}
	for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			busy += time.Duration(ticks) * tick
		}
	}
	return busy, nil
}

// tick is what /proc counts time in: 1/USER_HZ, which is 100 on every platform of Linux that Go runs on.
const tick = time.Second / 100

// parseStat finds utime and stime, the fields 14 and 15. The second field is a name that may hold anything.
func parseStat(stat []byte) (user, system time.Duration, err error) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, 0, errors.New("/proc/PID/stat has no name")
	}
	fields := bytes.Fields(stat[i+1:])
	if len(fields) < 13 {
		return 0, 0, errors.New("/proc/PID/stat is short")
	}
	var ticks [2]int64
	for n := range ticks {
		if ticks[n], err = strconv.ParseInt(string(fields[11+n]), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
	}
	return time.Duration(ticks[0]) * tick, time.Duration(ticks[1]) * tick, nil
}

// Memory is what a process has in memory, in bytes.
type Memory struct {
	Resident  int64 `json:"resident"`
	Anonymous int64 `json:"anonymous"` // of it: not file contents
	Peak      int64 `json:"peak"`      // of Resident, since the start or ResetPeak
}

// ReadMemory reads /proc/PID/status.
func ReadMemory(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	return parseStatus(text)
}

func parseStatus(text []byte) (m Memory, err error) {
	for key, to := range map[string]*int64{"VmRSS:": &m.Resident, "RssAnon:": &m.Anonymous, "VmHWM:": &m.Peak} {
		_, rest, found := bytes.Cut(text, []byte("\n"+key))
		fields := bytes.Fields(rest[:max(0, bytes.IndexByte(rest, '\n'))])
		if !found || len(fields) != 2 || string(fields[1]) != "kB" {
			return m, fmt.Errorf("/proc/PID/status: no %s", key)
		}
		kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return m, fmt.Errorf("/proc/PID/status: %w", err)
		}
		*to = kilobytes << 10
	}
	return m, nil
}

// ResetPeak makes the peak start again from what is resident now.
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// Monotonic is the time on the clock that all processes of the machine share and nobody steps.
func Monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists
	return ts.Nano()
}

// SleepUntil sleeps until that clock shows t; the runtime's timers would be late by up to a millisecond.
func SleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil), unix.EINTR) {
	}
}

//go:build linux && amd64

package torture

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const diskTracing = true

// The calls that change what is on disk, by group. What is left out: write(2), which chatd uses for sockets
// and its log, and stores into the mapped -shm file, which is made anew after a crash.
var diskCalls = map[uint64]struct{ name, group string }{
	unix.SYS_FSYNC:     {"fsync", "sync"},
	unix.SYS_FDATASYNC: {"fdatasync", "sync"},
	unix.SYS_PWRITE64:  {"pwrite64", "write"},
	unix.SYS_FTRUNCATE: {"ftruncate", "names"},
	unix.SYS_FALLOCATE: {"fallocate", "names"},
	unix.SYS_RENAME:    {"rename", "names"},
	unix.SYS_RENAMEAT:  {"renameat", "names"},
	unix.SYS_RENAMEAT2: {"renameat2", "names"},
	unix.SYS_UNLINK:    {"unlink", "names"},
	unix.SYS_UNLINKAT:  {"unlinkat", "names"},
	unix.SYS_MKDIR:     {"mkdir", "names"},
	unix.SYS_MKDIRAT:   {"mkdirat", "names"},
}

// tracer runs a program and does to its system calls what a plan says. It counts over all threads:
// strace's when= counts in each thread by itself, and Go moves the store's work between threads, so that
// most points of a run could not be asked for.
type tracer struct {
	plan  diskPlan
	heard *json.Encoder // of what was done
	pid   int
	known map[int]bool // threads that have begun
	said  diskHeard
}

// TestTracer is the tracer when this binary is called by diskWrap, and otherwise its own test.
func TestTracer(t *testing.T) {
	if flag.NArg() > 2 {
		os.Exit(trace(flag.Args()))
	}
	file := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		plan diskPlan
		code int
	}{
		{diskPlan{Group: "any"}, 0},
		{diskPlan{Group: "sync", At: 1, Fault: "EIO"}, 1},
		{diskPlan{Group: "any", At: 1, Fault: "EIO"}, 1}, // dd cuts the file first
		{diskPlan{Group: "sync", At: 2, Fault: "EIO"}, 0},
		{diskPlan{Group: "sync", At: 1, Fault: "kill"}, -1},
	} {
		wrap, heard := diskWrap(t, t.TempDir(), &c.plan)
		args := append(wrap, "dd", "if=/dev/zero", "of="+file, "count=1", "conv=fsync", "seek=1", "status=none")
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		code := 0
		if err != nil {
			code = -2
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
		}
		h := heard()
		if hits := len(h.Hits) > 0; code != c.code || h.Calls["sync"] != 1 || hits != (c.plan.At == 1) {
			t.Errorf("%+v: status %d, want %d; %+v; %s", c.plan, code, c.code, h, out)
		}
	}
}

// trace runs args[2:] by the plan args[0] and writes what it did to args[1].
func trace(args []string) int {
	t := &tracer{known: map[int]bool{}, said: diskHeard{Calls: map[string]int{}}}
	code, err := t.run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		return 125
	}
	return code
}

func (t *tracer) run(args []string) (int, error) {
	if err := json.Unmarshal([]byte(args[0]), &t.plan); err != nil {
		return 0, err
	}
	out, err := os.Create(args[1])
	if err != nil {
		return 0, err
	}
	t.heard = json.NewEncoder(out)
	runtime.LockOSThread() // ptrace knows its tracer by the thread, and the child has the thread's filter
	if err := filterCalls(); err != nil {
		return 0, fmt.Errorf("seccomp: %w", err)
	}
	cmd := exec.CommandContext(context.Background(), args[2], args[3:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	t.pid = cmd.Process.Pid
	status, err := t.follow()
	if err != nil {
		return 0, err
	}
	if err := t.heard.Encode(&t.said); err != nil {
		return 0, err
	}
	if status.Signaled() {
		_ = unix.Kill(os.Getpid(), status.Signal()) // so that who waits sees the same end
		select {}
	}
	return status.ExitStatus(), nil
}

// follow lets the process go from stop to stop, up to its end.
func (t *tracer) follow() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &status, unix.WALL, nil); err != nil { // its execve
		return status, err
	}
	const options = unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(t.pid, options); err != nil {
		return status, err
	}
	t.known[t.pid] = true
	for tid := t.pid; ; {
		if status.Stopped() {
			t.resume(tid, status)
		}
		var err error
		for tid, err = syscall.Wait4(-1, &status, unix.WALL, nil); errors.Is(err, unix.EINTR); {
			tid, err = syscall.Wait4(-1, &status, unix.WALL, nil)
		}
		if err != nil || tid == t.pid && (status.Exited() || status.Signaled()) {
			return status, err
		}
	}
}

// resume lets a stopped thread go on, as is right for why it stopped. What fails here fails because the thread is
// gone: SIGKILL waits for nobody.
func (t *tracer) resume(tid int, status syscall.WaitStatus) {
	signal := int(status.StopSignal())
	switch {
	case status.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		signal = 0
		if t.call(tid) {
			_ = unix.PtraceSyscall(tid, 0) // stops again when the call returns
			return
		}
	case status.StopSignal() == syscall.SIGTRAP|0x80: // a torn call has returned
		_ = unix.Kill(t.pid, unix.SIGKILL)
		signal = 0
	case status.StopSignal() == syscall.SIGTRAP, status.StopSignal() == syscall.SIGSTOP && !t.known[tid]:
		signal = 0 // a thread was made, a thread begins
	}
	t.known[tid] = true
	_ = unix.PtraceCont(tid, signal)
}

// call judges a call that a thread is about to make. It reports whether its return is of interest.
func (t *tracer) call(tid int) (torn bool) {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return false
	}
	c := diskCalls[regs.Orig_rax]
	t.said.Calls[c.group]++
	t.said.Calls["any"]++
	if c.group != "sync" {
		t.said.Calls["change"]++
	}
	n := t.said.Calls[t.plan.Group]
	if t.plan.Group != c.group && t.plan.Group != "any" && (t.plan.Group != "change" || c.group == "sync") {
		return false
	}
	if t.plan.While != "" {
		if _, err := os.Stat(t.plan.While); err != nil {
			return false
		}
	}
	if t.plan.At == 0 || n < t.plan.At || t.plan.Times > 0 && n >= t.plan.At+t.plan.Times {
		return false
	}
	if len(t.said.Hits) < 100 {
		hit := diskHit{Call: c.name, N: n}
		if c.group != "names" || c.name == "ftruncate" || c.name == "fallocate" {
			path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, regs.Rdi)) // for people to read
			hit.File = filepath.Base(path)
		}
		t.said.Hits = append(t.said.Hits, hit)
		_ = t.heard.Encode(&t.said) // at once: the test may kill us
	}
	switch t.plan.Fault {
	case "kill":
		_ = unix.Kill(t.pid, unix.SIGKILL) // before the call is made
		return false
	case "tear":
		if c.name != "pwrite64" || regs.Rdx < 2 {
			_ = unix.Kill(t.pid, unix.SIGKILL)
			return false
		}
		regs.Rdx = 1 + t.plan.Cut%(regs.Rdx-1)
		torn = true
	default:
		errno := map[string]unix.Errno{"EIO": unix.EIO, "ENOSPC": unix.ENOSPC, "EROFS": unix.EROFS}[t.plan.Fault]
		regs.Orig_rax = ^uint64(0) // no call at all
		regs.Rax = -uint64(errno)
	}
	_ = unix.PtraceSetRegs(tid, &regs)
	return torn
}

// filterCalls makes this thread's children stop at diskCalls, and only at them.
func filterCalls() error {
	const nr, arch = 0, 4 // offsets in struct seccomp_data
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	filter := []unix.SockFilter{
		stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, arch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.AUDIT_ARCH_X86_64},
		stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW),
		stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, nr),
	}
	for call := range diskCalls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(call)},
			stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_TRACE))
	}
	filter = append(filter, stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

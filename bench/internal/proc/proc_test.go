package proc

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	user, system, err := parseStat([]byte("7 (a) R (b)) S 1 7 7 0 -1 4194560 2000 0 1 0 123 45 0 0 20 0 9 0 100 1 2\n"))
	if err != nil || user != 1230*time.Millisecond || system != 450*time.Millisecond {
		t.Error(user, system, err)
	}
	for _, bad := range []string{"", "7 no name", "7 (x) S 1 2", "7 (x) S 1 7 7 0 -1 1 1 0 1 0 a b 0"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	m, err := parseStatus([]byte("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\nThreads:\t1\n"))
	if err != nil || m != (Memory{Resident: 1 << 20, Anonymous: 512 << 10, Peak: 2 << 20}) {
		t.Error(m, err)
	}
	for _, bad := range []string{"", "Name:\tx\nVmHWM:\t1 kB\nVmRSS:\tx kB\nRssAnon:\t1 kB\n", "Name:\tx\nVmRSS:"} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestCPUOfThisProcess sees that both accounts speak of the same.
func TestCPUOfThisProcess(t *testing.T) {
	for {
		c, err := ReadCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if c.Total < 100*time.Millisecond {
			continue
		}
		if ticks := c.User + c.System; c.Total < ticks-50*time.Millisecond || c.Total > ticks+50*time.Millisecond {
			t.Errorf("the clock says %v, the ticks %v", c.Total, ticks)
		}
		break
	}
	if _, err := ReadMemory(os.Getpid()); err != nil {
		t.Error(err)
	}
}

func TestParseMachineStat(t *testing.T) {
	busy, err := parseMachineStat([]byte("cpu  100 1 20 5000 300 4 5 6 0 0\ncpu0 1 2 3\n"))
	if err != nil || busy != 1360*time.Millisecond {
		t.Error(busy, err)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a b c d e f g h"} {
		if _, err := parseMachineStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if busy, err := MachineBusy(); err != nil || busy <= 0 {
		t.Error(busy, err)
	}
}

func TestMachine(t *testing.T) {
	m := ThisMachine(t.TempDir())
	if m.Cores == 0 || m.Memory == 0 || m.Kernel == "unknown" || m.OpenFiles == 0 {
		t.Errorf("%+v", m)
	}
}

func TestStartServer(t *testing.T) {
	s, err := StartServer(t.Context(), "mock", []string{"sh", "-c", "echo mock listening on http://127.0.0.1:7 now >&2; exec sleep 60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != "127.0.0.1:7" || s.Ended() != nil {
		t.Errorf("%q, %v", s.Addr, s.Ended())
	}
	s.Kill()
	if err := s.Ended(); err == nil || !strings.Contains(err.Error(), "listening on") {
		t.Error(err)
	}
	if _, err := StartServer(t.Context(), "mock", []string{"sh", "-c", "echo no such luck >&2; exit 3"}, nil); err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	out, err := Run(t.Context(), []string{"cat"}, "", []byte("hello"))
	if err != nil || string(out) != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := Run(t.Context(), []string{"sh", "-c", "echo broken >&2; exit 1"}, "", nil); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, []string{"sleep", "60"}, "", nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

func TestSyncRate(t *testing.T) {
	dir := t.TempDir()
	for _, dataOnly := range []bool{false, true} {
		if rate, err := SyncRate(dir, 10*time.Millisecond, dataOnly); err != nil || rate <= 0 {
			t.Error(rate, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error("a file is left")
	}
}

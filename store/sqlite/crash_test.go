package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/store/storetest"
)

// rounds is how often the crash tests crash; CHATD_CRASH_ROUNDS asks for more.
func rounds(t *testing.T) int {
	if s := os.Getenv("CHATD_CRASH_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 20
}

// A process is killed while it commits: what it had acknowledged is there, nothing is there twice,
// and no number is missing.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	acked := map[string]api.Seq{}
	for round := range rounds(t) {
		runAndKill(t, helper(t, "post", path, fmt.Sprintf("r%d", round)), 150*time.Millisecond, acked)
	}
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged: the test tests nothing")
	}
	stored := wantAcked(t, path, acked)
	t.Logf("%d acknowledged, %d stored", len(acked), stored)

	// A retry of anything settles whether it was stored, and stores nothing twice.
	s := mustOpen(t, path)
	for key, seq := range acked {
		e := storetest.Keyed(storetest.RoomID("lobby"), storetest.User("groot"), "text of "+key, key)
		if err := s.Commit(t.Context(), entries(e)); err != nil || e.Err != nil || !e.Duplicate || e.Records[0].Seq != seq {
			t.Fatalf("retry of %s: %v, %v, duplicate %t", key, err, e.Err, e.Duplicate)
		}
		if seq%50 == 0 {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantAcked(t, path, acked)
}

// A process is killed while it makes the database: the next one makes it all the same.
func TestKillWhileOpening(t *testing.T) {
	for range rounds(t) {
		path := filepath.Join(t.TempDir(), "data", "chatd.db")
		cmd := helper(t, "open", path, "")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(5+rand.IntN(35))*time.Millisecond, func() { cmd.Process.Kill() })
		cmd.Wait()
		stdin.Close()
		s := mustOpen(t, path)
		if err := populate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Faults of the disk, injected into system calls: a write that fails is refused and works again
// when the disk does; a sync that fails is the end. Either way nothing acknowledged is lost.
func TestInjectedFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if out, err := exec.Command(strace, "-f", "-o", "/dev/null", "/bin/true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	faultRounds := 4
	if testing.Short() {
		faultRounds = 1
	}
	for _, c := range []struct {
		name, inject, want string
	}{
		{"WriteNoSpace", "pwrite64:error=ENOSPC:when=%d..%d", "unavailable"},
		{"WriteReadOnly", "pwrite64:error=EROFS:when=%d..%d", "unavailable"},
		{"WriteIO", "pwrite64:error=EIO:when=%d..%d", "unavailable"},
		{"SyncIO", "fsync,fdatasync:error=EIO:when=%d..%d", "broken"},
		{"SyncNoSpace", "fsync,fdatasync:error=ENOSPC:when=%d..%d", "broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chatd.db")
			setUp := mustOpen(t, path)
			if err := populate(t.Context(), setUp); err != nil {
				t.Fatal(err)
			}
			if err := setUp.Close(); err != nil {
				t.Fatal(err)
			}
			acked := map[string]api.Seq{}
			for round := range faultRounds {
				first := 25 + 7*round // after the calls that opening makes
				cmd := helper(t, "insist", path, fmt.Sprintf("r%d", round),
					strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fsync,fdatasync", "-e", "inject="+fmt.Sprintf(c.inject, first, first+2))
				out, runErr := cmd.Output()
				other, err := acks(strings.NewReader(string(out)), acked)
				if err != nil || runErr != nil {
					t.Fatalf("round %d: %v, %v\n%s", round, runErr, err, strings.Join(other, "\n"))
				}
				seen := false
				for _, line := range other {
					what, _, _ := strings.Cut(line, " ")
					seen = seen || what == c.want
					if what != "open" && what != c.want {
						t.Fatalf("round %d: %s", round, line)
					}
				}
				if !seen {
					t.Fatalf("round %d: no fault met a write: the test tests nothing\n%s", round, out)
				}
				wantAcked(t, path, acked)
			}
		})
	}
}

// A second process is refused, told who holds the database, and let in once that one is gone.
func TestSecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s := mustOpen(t, path)
	out, err := helper(t, "open", path, "").Output()
	if want := fmt.Sprintf("error open database %s: another chatd is using it (process %d)\n", path, os.Getpid()); err == nil || string(out) != want {
		t.Fatalf("second process: %v, %q, want %q", err, out, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "open", path, "")
	cmd.Stdin = strings.NewReader("")
	if out, err := cmd.Output(); err != nil || string(out) != "open\n" {
		t.Fatalf("afterwards: %v, %q", err, out)
	}
}

package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

// The tests start themselves as a second process that uses a store until it is killed.
const helperVar = "CHATD_STORE_TEST_HELPER"

func TestMain(m *testing.M) {
	if role := os.Getenv(helperVar); role != "" {
		if err := help(role, os.Args[1], os.Args[2]); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// helper prepares a process that plays role on the database at path; run names its keys. before
// is put in front of its command line.
func helper(t *testing.T, role, path, run string, before ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(before, self, path, run)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), helperVar+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// killAfter reads a helper's output and kills it some time after it has said something.
type killAfter struct {
	io.Reader
	cmd   *exec.Cmd
	delay time.Duration
	timer *time.Timer
}

func (k *killAfter) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if n > 0 && k.timer == nil {
		k.timer = time.AfterFunc(k.delay, func() { k.cmd.Process.Kill() })
	}
	return n, err
}

// runAndKill runs a helper, kills it within span of its first words, and reads what it acknowledged.
func runAndKill(t *testing.T, cmd *exec.Cmd, span time.Duration, acked map[string]api.Seq) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other, err := acks(&killAfter{Reader: stdout, cmd: cmd, delay: rand.N(span)}, acked)
	wait := cmd.Wait()
	if err != nil || len(other) != 1 || other[0] != "open" {
		t.Fatalf("%v, %q, %v", err, other, wait)
	}
}

func help(role, path, run string) error {
	runtime.LockOSThread() // strace counts calls by thread
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	fmt.Println("open")
	room, user := storetest.RoomID("lobby"), storetest.User("groot")
	if role != "open" {
		if err := populate(ctx, s); err != nil {
			return err
		}
	}
	switch role {
	case "open":
		_, err := io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, s.Close())
	case "post":
		return postForEver(ctx, s, room, user, run)
	case "insist":
		return insist(ctx, s, room, user, run)
	}
	return fmt.Errorf("no role %q", role)
}

// populate makes the one user and the one room, unless they are there.
func populate(ctx context.Context, s chat.Store) error {
	if _, err := s.CreateAccount(ctx, storetest.NewAccount("groot")); err != nil && !errors.Is(err, chat.ErrNameTaken) {
		return err
	}
	e := storetest.Create("lobby", storetest.User("groot"))
	if err := s.Commit(ctx, []*chat.Entry{e}); err != nil {
		return err
	}
	if e.Err != nil && !errors.Is(e.Err, chat.ErrNameTaken) {
		return e.Err
	}
	return nil
}

// postForEver commits batches, repeating a post of the batch before in each, and says which key
// got which seq. It ends by being killed.
func postForEver(ctx context.Context, s chat.Store, room api.RoomID, user api.UserID, run string) error {
	out := bufio.NewWriter(os.Stdout)
	last := ""
	for n := 0; ; {
		var entries []*chat.Entry
		if last != "" {
			entries = append(entries, storetest.Keyed(room, user, "text of "+last, last))
		}
		for range 1 + n%23 {
			n++
			last = fmt.Sprintf("%s.%d", run, n)
			entries = append(entries, storetest.Keyed(room, user, "text of "+last, last))
		}
		if err := s.Commit(ctx, entries); err != nil {
			return err
		}
		for _, e := range entries {
			if e.Err != nil {
				return e.Err
			}
			fmt.Fprintln(out, "ack", e.Key, e.Records[0].Seq)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// insist posts 100 messages, each until it is stored, and says what happened. When the store says
// that it is broken it checks that it stays so.
func insist(ctx context.Context, s chat.Store, room api.RoomID, user api.UserID, run string) error {
	for n := range 100 {
		for {
			e := storetest.Keyed(room, user, fmt.Sprintf("text of %s.%d", run, n), fmt.Sprintf("%s.%d", run, n))
			err := errors.Join(s.Commit(ctx, []*chat.Entry{e}), e.Err)
			switch {
			case err == nil:
				fmt.Println("ack", e.Key, e.Records[0].Seq)
			case errors.Is(err, chat.ErrUnavailable):
				fmt.Println("unavailable", e.Key, err)
				if _, err := s.History(ctx, &chat.HistoryQuery{Room: room, Limit: 10, Newest: true}); err != nil {
					return fmt.Errorf("read while unavailable: %w", err)
				}
				continue
			case errors.Is(err, chat.ErrBroken):
				if again := s.Commit(ctx, []*chat.Entry{storetest.Post(room, user, "x")}); !errors.Is(again, chat.ErrBroken) {
					return fmt.Errorf("broken (%w), and the next write: %w", err, again)
				}
				if check := s.Check(ctx); !errors.Is(check, chat.ErrBroken) {
					return fmt.Errorf("broken (%w), and the check: %w", err, check)
				}
				fmt.Println("broken", e.Key, err)
				return nil
			default:
				return err
			}
			break
		}
	}
	return s.Close()
}

// acks reads what a helper says, up to its end, into acked (seq by key), and gives the other lines.
// A line that the kill cut short was not said.
func acks(r io.Reader, acked map[string]api.Seq) (other []string, err error) {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return other, err
		}
		var key string
		var seq api.Seq
		if n, _ := fmt.Sscanf(line, "ack %s %d\n", &key, &seq); n != 2 {
			other = append(other, strings.TrimSuffix(line, "\n"))
			continue
		}
		if before, ok := acked[key]; ok && before != seq {
			return other, fmt.Errorf("%s was acknowledged as %d and as %d", key, before, seq)
		}
		acked[key] = seq
	}
}

// wantAcked checks that the log at path is dense and holds all that was acknowledged, where it was
// acknowledged, and no post twice. It gives the number of posts.
func wantAcked(t *testing.T, path string, acked map[string]api.Seq) int {
	t.Helper()
	s := mustOpen(t, path)
	defer s.Close()
	if _, err := s.Head(t.Context(), storetest.RoomID("lobby")); errors.Is(err, chat.ErrNotFound) && len(acked) == 0 {
		return 0 // it ended before there was a room
	}
	log := history(t, s)
	if err := storetest.Dense(log); err != nil {
		t.Fatal(err)
	}
	texts := map[string]api.Seq{}
	for _, r := range log {
		if r.Type != api.EventTypeMessagePosted {
			continue
		}
		_, text, _ := strings.Cut(string(r.Bytes), `"text":"text of `)
		key := strings.TrimSuffix(text, `"}`)
		if before, ok := texts[key]; ok {
			t.Fatalf("%s is stored as %d and as %d", key, before, r.Seq)
		}
		texts[key] = r.Seq
	}
	for key, seq := range acked {
		if texts[key] != seq {
			t.Fatalf("%s was acknowledged as %d; in the log it is %d (0: lost)", key, seq, texts[key])
		}
	}
	head, err := s.Head(t.Context(), storetest.RoomID("lobby"))
	if err != nil || int(head.Seq) != len(log) || int(head.MsgNo) != len(texts) {
		t.Fatalf("head %v (%v) of %d events, %d posts", head, err, len(log), len(texts))
	}
	return len(texts)
}

func mustOpen(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func history(t *testing.T, s chat.Store) []chat.Record {
	t.Helper()
	log, err := s.History(t.Context(), &chat.HistoryQuery{Room: storetest.RoomID("lobby"), Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func entries(e ...*chat.Entry) []*chat.Entry { return e }

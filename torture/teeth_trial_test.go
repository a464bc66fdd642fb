package torture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// How often a proof may miss a bug that needs luck to show, how long it may take, and how many run at once: they wait
// more than they work.
const (
	trialTries   = 3
	trialTimeout = 3 * time.Minute
	trialsAtOnce = 3
)

// trial is a proof that runs with a bug, or without one.
type trial struct {
	tooth
	dir    string        // for its files
	done   chan struct{} // closed when what follows stands
	out    string
	err    error
	tries  int
	caught bool // by bites
}

// breeder builds the proofs, and chatd, with the bugs in them.
type breeder struct {
	dir      string
	chatd    string
	proofs   map[string]string // binaries by package
	bugs     []*trial
	controls []*trial // without a bug: each proof, or in the short form one a package
}

// errSkipped says that a proof cannot be had here.
var errSkipped = errors.New("skipped")

// newBreeder builds what is needed and begins with the trials.
func newBreeder(t *testing.T) *breeder {
	t.Helper()
	b := &breeder{dir: t.TempDir(), proofs: make(map[string]string)}
	for _, one := range teeth {
		if one.late && !*long {
			continue
		}
		b.bugs = append(b.bugs, b.trial(t, one))
		same := func(other *trial) bool { return other.pkg == one.pkg && (!*long || other.test == one.test) }
		if !slices.ContainsFunc(b.controls, same) {
			one.bug = ""
			b.controls = append(b.controls, b.trial(t, one))
		}
	}
	b.chatd = filepath.Join(b.dir, "chatd")
	b.goTool(t, "build", "-tags", "mutants", "-o", b.chatd, "../cmd/chatd")
	for _, one := range b.bugs {
		if b.proofs[one.pkg] == "" {
			b.proofs[one.pkg] = filepath.Join(b.dir, strings.ReplaceAll(one.pkg, "/", "-")+".test")
			b.goTool(t, "test", "-c", "-tags", "mutants", "-o", b.proofs[one.pkg], "../"+one.pkg)
		}
	}
	queue := slices.Concat(b.bugs, b.controls)
	slices.SortStableFunc(queue, func(x, y *trial) int { return cmp.Compare(order(x), order(y)) })
	next := make(chan *trial, len(queue)) // all of them
	for _, one := range queue {
		next <- one
	}
	close(next)
	for range trialsAtOnce {
		go func() { // ends when all are done; the test waits for each
			for one := range next {
				b.try(t.Context(), one)
				close(one.done)
			}
		}()
	}
	return b
}

func order(one *trial) int {
	if one.slow {
		return 0
	}
	return 1
}

func (b *breeder) trial(t *testing.T, one tooth) *trial {
	return &trial{tooth: one, dir: t.TempDir(), done: make(chan struct{})}
}

func (b *breeder) goTool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// try runs a proof until it fails, if it is to fail.
func (b *breeder) try(ctx context.Context, one *trial) {
	for one.tries = 1; ; one.tries++ {
		one.out, one.err = b.run(ctx, one)
		if one.bug == "" || one.err != nil || one.tries == trialTries {
			return
		}
	}
}

func (b *breeder) run(ctx context.Context, one *trial) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.proofs[one.pkg], "-test.run", "^"+one.test+"$", "-test.v", "-test.count", "1")
	cmd.Args = append(cmd.Args, fewer[one.pkg]...)
	cmd.Dir = filepath.Join("..", one.pkg)
	cmd.Env = append(os.Environ(), "MUTANT="+string(one.bug), "CHATD_RIG="+b.chatd, "TMPDIR="+one.dir)
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && bytes.Contains(out, []byte("--- SKIP: "+one.test)):
		err = errSkipped
	case err == nil && !bytes.Contains(out, []byte("--- PASS: "+one.test)):
		err = fmt.Errorf("%s did not run", one.test)
	}
	return string(out), err
}

var skipReason = regexp.MustCompile(`_test\.go:\d+: `)

// bites wants the proof to have failed for the bug's sake.
func (one *trial) bites(t *testing.T) {
	t.Helper()
	<-one.done
	want := regexp.MustCompile(one.want)
	var failed *exec.ExitError
	switch {
	case errors.Is(one.err, errSkipped):
		t.Skipf("THE BUG %s IS NOT LOOKED FOR: %s cannot be had here: %s", one.bug, one.test, firstLine(skipReason, one.out))
	case one.err == nil:
		t.Errorf("%s passes with the bug in it, %d times of %d", one.test, one.tries, one.tries)
	case !errors.As(one.err, &failed) || !strings.Contains(one.out, "--- FAIL: "+one.test):
		t.Errorf("%s: %v\n%s", one.test, one.err, tail(one.out))
	case !want.MatchString(one.out):
		t.Errorf("%s failed, but said nothing like %q:\n%s", one.test, one.want, tail(one.out))
	default:
		one.caught = true
		t.Logf("at try %d: %s", one.tries, firstLine(want, one.out))
	}
}

// passes wants the proof to have passed, or to be skipped.
func (one *trial) passes(t *testing.T) {
	t.Helper()
	<-one.done
	if one.err != nil && !errors.Is(one.err, errSkipped) {
		t.Errorf("%s fails without a bug, with the tag alone: %v\n%s", one.test, one.err, tail(one.out))
	}
}

// firstLine is the first line of a text that a pattern is in, cut to a screen's width.
func firstLine(want *regexp.Regexp, text string) string {
	for line := range strings.Lines(text) {
		if want.MatchString(line) {
			line = strings.TrimSpace(line)
			return line[:min(len(line), 160)]
		}
	}
	return ""
}

func tail(out string) string { return out[max(0, len(out)-4000):] }

package torture

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/oracle"
)

// A new data directory after so many rounds, so that a check stays short.
const killRounds = 100

// P1, P2: whatever was acknowledged before a SIGKILL is there after it, once; what was not is there once or not at all; and
// followers see what is in the log and nothing else.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	total := scale(12, 1000)
	begin, p := time.Now(), newProgress(t)
	var seen oracle.Report
	var sum oracle.Totals
	starts := 0
	for done := 0; done < total && !t.Failed(); {
		w := newKillWorld(t, 3, nil)
		w.populate(rng)
		for range min(killRounds, total-done) {
			time.Sleep(time.Duration(rng.IntN(int(250 * time.Millisecond))))
			starts += w.kill(rng)
			done++
			if done%10 == 0 || done == 2 {
				w.check()
			}
			if w.broken.Load() {
				break
			}
			totals := w.o.Totals()
			p.say("round %d of %d, %d starts, %v: %d posts acknowledged here, %d before", done, total, starts, time.Since(begin).Round(time.Second), totals.Acked, sum.Acked)
		}
		seen.Add(w.finish())
		sum.Add(w.o.Totals())
	}
	if sum.Acked == 0 || sum.Unknown() == 0 || sum.Repeated == 0 {
		t.Errorf("%+v: this proves nothing", sum)
	}
	if !t.Failed() {
		t.Logf("PROOF kill: %d rounds of SIGKILL, %d starts: %d posts acknowledged, %d of them also by retries, %d unknown (%d of them in the log), "+
			"0 lost, 0 doubled, %d events followed, %v", total, starts, seen.Acked, sum.Repeated, seen.Unknown, seen.Landed, seen.Followed, time.Since(begin).Round(time.Second))
	}
}

// populate lets writers and followers of every kind begin.
func (w *killWorld) populate(rng *rand.Rand) {
	fork := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), 0)) }
	w.pipeline("ada", w.rooms[0], fork())
	w.pipeline("bob", w.rooms[0], fork())
	w.pipeline("cyd", w.rooms[1], fork())
	w.hasty("dan", fork())
	w.hasty("eve", fork())
	w.hasty("fay", fork())
	w.keyless("gus", fork())
	w.follow("hal", false, fork())
	w.follow("ian", true, fork())
}

package torture

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/disks"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// P1: the power is cut while posts are being acknowledged. What was acknowledged is there when the power is back,
// once, and in its place.
//
// What was not synced is gone. The process is killed first, so that it cannot acknowledge what is written after the cut. The last posts before it are few and just acknowledged, and
// nothing is synced after them: a commit without a sync would show at once.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	total := scale(8, 200)
	begin, p := time.Now(), newProgress(t)
	disk := disks.NewExt4(t)
	sum := new(oracle.Report)
	lost := 0
	var o *oracle.Oracle
	var tokens map[string]string
	room := ""
	for round := 0; round < total && !t.Failed(); round++ {
		tb := &diskTB{TB: t}
		s := rig.Start(tb, &rig.Options{Dir: disk.Dir + "/data"})
		if tokens == nil {
			var err error
			if tokens, err = diskTokens(s); err != nil {
				t.Fatal(err)
			}
			s.Term() // which leaves nothing to be synced: accounts are not what is judged here
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if round%10 == 0 { // so that a check stays short
			o, room = oracle.New(), fmt.Sprintf("room%d", round)
		}
		writers := diskWriters(o, room, tokens, 1+rng.IntN(16))
		for _, w := range writers {
			w.run = round
		}
		if err := diskEnter(s, writers); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		posts := 1 + rng.IntN(200)
		ended := make(chan struct{})
		for i, w := range writers {
			wg.Go(func() {
				// Half of the rounds end in the middle of posts, the others when the first writer's are all acknowledged.
				_ = w.post(w.make(posts*(1+i*9), "")) // ends with the process
				if i == 0 {
					close(ended)
				}
			})
		}
		if rng.IntN(2) == 0 {
			select {
			case <-ended:
			case <-time.After(time.Duration(rng.IntN(int(100 * time.Millisecond)))):
			}
		}
		s.Kill()
		wg.Wait()
		disk.Cut(t)
		if err := s.Restart(); err != nil {
			t.Fatalf("round %d, after the cut: %v", round, err)
		}
		report := diskSettle(t, s, o, room, writers)
		s.Kill()
		if report != nil && (round%10 == 9 || round == total-1) {
			sum.Add(report)
		}
		diskIntact(t, disk.Dir+"/data")
		tb.end()
		p.say("round %d of %d", round+1, total)
		if t.Failed() {
			lost = round + 1
		}
	}
	if t.Failed() {
		t.Logf("the bug showed in round %d", lost)
		return
	}
	disk.Check(t)
	if sum.Acked == 0 {
		t.Fatal("nothing was acknowledged: this proves nothing")
	}
	t.Logf("PROOF powercut: %d power cuts: %d posts acknowledged, 0 lost, 0 doubled, %v", total, sum.Acked, time.Since(begin).Round(time.Second))
}

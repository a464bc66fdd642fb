package torture

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestLinearOrder is P4 at length: many connections post with many posts unanswered, some of them twice under one key,
// and everything that was answered and heard is held against the log. An operation is an acknowledged attempt.
func TestLinearOrder(t *testing.T) {
	newRand(t)
	const posters, window, keyed = 8, 256, 16
	total := scale(50_000, 10_000_000)
	each := min(total, 1_000_000) // operations on one pair of rooms, which are then judged and forgotten
	w := newStreamWorld(t, 3)
	say := newProgress(t)
	begin, posting := time.Now(), time.Duration(0)
	var acked, repeated, events, heard int64
	for phase := 0; phase*each < total; phase++ {
		rooms := []streamRoom{w.room(fmt.Sprintf("left%d", phase)), w.room(fmt.Sprintf("right%d", phase))}
		stop := w.listen(2, rooms)
		var wg sync.WaitGroup
		postingSince := time.Now()
		for i := range posters {
			p := w.poster(i, fmt.Sprintf("p%d-%d", phase, i), window, rooms)
			p.keyed = keyed
			wg.Go(func() {
				defer p.conn.nc.Close()
				if err := p.run(each*keyed/(keyed+1)/posters, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		posting += time.Since(postingSince)
		stop()
		late := newStreamFollower(w.o, w.srv.Addr(), w.token(2), "late", rooms)
		if err := late.followTo(w.heads(rooms)); err != nil {
			t.Error(err)
		}
		late.complete()
		report := w.check(rooms)
		events, heard = events+report.Events, heard+report.Followed
		if t.Failed() {
			break
		}
		for _, r := range rooms {
			w.o.Forget(r.name)
		}
		sums := w.o.Totals()
		acked, repeated = sums.Acked, sums.Repeated
		say.say("%d of %d operations, %v", acked+repeated, total, time.Since(begin).Round(time.Second))
	}
	streamProof(t, "linear-order: %d operations (%d posts, %d retries) of %d connections with %d in flight, %.0f a second; %d events in the logs, %d heard by followers, all in order; %v in all; this process had %d MiB",
		acked+repeated, acked, repeated, posters, window, float64(acked+repeated)/posting.Seconds(), events, heard, time.Since(begin).Round(time.Second), streamRSS(t)>>20)
}

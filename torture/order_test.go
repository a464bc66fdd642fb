package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/chatd-dev/chatd/api"
)

// TestLinearOrder is P4 at length: many connections post with many posts unanswered, some of them twice under one key,
// and everything that was answered and heard is held against the log. An operation is an acknowledged attempt.
func TestLinearOrder(t *testing.T) {
	t.Parallel()
	newRand(t)
	const posters, window, keyed = 8, 256, 16
	total := scale(32_000, 10_000_000)
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

// TestLinearizable is P4 in small histories, every request of which has its place in one order that
// agrees with time and with the order on each connection: posts with and without keys, again under a
// key, joins, leaves, and all ways to read. So a read sees what was acknowledged to anybody before.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	histories := scale(30, 2000)
	const users, atOnce, patience = 5, 4, 30 * time.Second
	w := newStreamWorld(t, users)
	ids := map[api.UserID]int{}
	for i, u := range w.users {
		ids[u.UserID()] = i
	}
	say := newProgress(t)
	var wg sync.WaitGroup
	var ops, lost, undecided, done atomic.Int64
	turns := make(chan struct{}, atOnce) // so many histories are under way
	for i := range histories {
		h := &modelHistory{w: w, room: w.emptyRoom(fmt.Sprintf("h%d", i)), users: ids}
		mine := rand.New(rand.NewPCG(rng.Uint64(), 4))
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			clients := modelClients - mine.IntN(4)
			record, err := h.record(clients, 1+(20+mine.IntN(20))/clients, mine)
			if err != nil {
				t.Errorf("history %d: %v", i, err)
				return
			}
			switch porcupine.CheckOperationsTimeout(roomModel, record, patience) {
			case porcupine.Illegal:
				_, info := porcupine.CheckOperationsVerbose(roomModel, record, patience)
				t.Errorf("history %d: no order explains it: see %s", i, visualize(t, info))
			case porcupine.Unknown:
				undecided.Add(1)
			}
			ops.Add(int64(len(record)))
			lost.Add(int64(h.lost))
			say.say("%d of %d histories", done.Add(1), histories)
		})
		if t.Failed() {
			break
		}
	}
	wg.Wait()
	if undecided.Load() > int64(max(1, histories/100)) { // which says nothing against the server
		t.Errorf("%d histories could not be decided in %v each", undecided.Load(), patience)
	}
	streamProof(t, "linearizable: %d histories, %d requests, %d more or less lost in cuts; %d histories undecided", histories, ops.Load(), lost.Load(), undecided.Load())
}

// visualize writes a page that shows what is wrong, for a browser, and gives its name.
func visualize(t *testing.T, info porcupine.LinearizationInfo) string {
	t.Helper()
	f, err := os.CreateTemp("", "chatd-history-*.html")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := porcupine.Visualize(roomModel, info, f); err != nil {
		return err.Error()
	}
	return f.Name()
}

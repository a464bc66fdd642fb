package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// retryWorld is a server, and many connections of one user, who is alone in using her keys.
type retryWorld struct {
	*killWorld
	rng     *rand.Rand
	user    string
	conns   []*chatclient.Client
	refused atomic.Int64 // other bodies
	others  int          // made up
	kills   int          // starts after one
}

func newRetryWorld(t *testing.T, conns int) *retryWorld {
	t.Helper()
	w := &retryWorld{killWorld: newKillWorld(t, 1, nil), rng: newRand(t), user: "ada"}
	first := w.dial(w.user)
	for range conns {
		opts := restless()
		opts.Token = first.Token()
		w.conns = append(w.conns, w.s.Dial(t, w.user, opts))
	}
	return w
}

// keyed is one key, with the bodies that are sent under it.
type keyed struct {
	key    string
	bodies []*body
}

type body struct {
	text string
	send *oracle.Send
}

func (w *retryWorld) keyed(key string, bodies int) *keyed {
	k := &keyed{key: key}
	for i := range bodies {
		k.bodies = append(k.bodies, w.body(key, fmt.Sprintf("%s, body %d", key, i)))
	}
	return k
}

func (w *retryWorld) body(key, text string) *body {
	return &body{text: text, send: w.o.Sent(w.rooms[0], w.user, key, text)}
}

// attempt posts a body under the key, through whatever happens to the server; it tells whether that was done.
func (w *retryWorld) attempt(c *chatclient.Client, k *keyed, b *body) bool {
	ctx, cancel := context.WithTimeout(w.ctx, rig.Patience)
	defer cancel()
	a, err := c.MessagePost(ctx, &api.MessagePostParams{Room: w.rooms[0], Text: b.text, IdempotencyKey: k.key})
	switch {
	case err == nil:
		b.send.Acked(a)
		return true
	case errors.Is(err, api.ErrIdempotencyConflict):
		b.send.Refused(err)
		w.refused.Add(1)
	default:
		w.fail("key %s: %v", k.key, err)
	}
	return false
}

// agree wants one body of the key to have been done, by everybody who sent it, and the others by nobody.
func (w *retryWorld) agree(k *keyed, attempts, done []int) {
	w.t.Helper()
	winners := 0
	for i := range k.bodies {
		switch done[i] {
		case 0:
		case attempts[i]:
			winners++
		default:
			w.fail("key %s, body %d: of %d attempts %d were done", k.key, i, attempts[i], done[i])
		}
	}
	if winners != 1 {
		w.fail("key %s: %d bodies were taken under it, not one: of %v attempts %v were done", k.key, winners, attempts, done)
	}
}

// storm sends every body of the key from all connections at once and kills the server in the midst of it.
func (w *retryWorld) storm(k *keyed, kills int) {
	w.t.Helper()
	attempts, done := make([]int, len(k.bodies)), make([]int, len(k.bodies))
	var mu sync.Mutex // guards done
	var wg sync.WaitGroup
	for _, c := range w.conns {
		i := w.rng.IntN(len(k.bodies))
		attempts[i]++
		wg.Go(func() {
			if w.attempt(c, k, k.bodies[i]) {
				mu.Lock()
				done[i]++
				mu.Unlock()
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(w.rng.IntN(int(12 * time.Millisecond))))
		w.kills += w.kill(w.rng)
	}
	wg.Wait()
	w.agree(k, attempts, done)
}

// other wants a body that the key does not stand for to be refused, and the right one to be known.
func (w *retryWorld) other(k *keyed) {
	w.t.Helper()
	var wg sync.WaitGroup
	for i, b := range k.bodies {
		c := w.conns[w.rng.IntN(len(w.conns))]
		wg.Go(func() {
			if was, is := b.send.Seq() != 0, w.attempt(c, k, b); was != is {
				w.fail("key %s, body %d: done before: %t, and again: %t", k.key, i, was, is)
			}
		})
	}
	w.others++
	wrong := w.body(k.key, fmt.Sprintf("other body %d", w.others))
	if w.attempt(w.conns[w.rng.IntN(len(w.conns))], k, wrong) {
		w.fail("key %s: another body was taken for the one that it stands for", k.key)
	}
	wg.Wait()
}

// P3: 32 connections send the same key at once, some with another body, while the server is killed: all
// agree, there is one row, and so it stays.
func TestRetriesAcrossKills(t *testing.T) {
	t.Parallel()
	w := newRetryWorld(t, 32)
	begin, p := time.Now(), newProgress(t)
	total := scale(40, 1000)
	var keys []*keyed
	for n := range total {
		k := w.keyed(fmt.Sprintf("storm-%d", n), 1+n%3)
		w.storm(k, w.rng.IntN(3))
		keys = append(keys, k)
		w.other(k)
		w.other(keys[w.rng.IntN(len(keys))])
		if w.broken.Load() {
			break
		}
		p.say("key %d of %d, %d kills, %v", n+1, total, w.kills, time.Since(begin).Round(time.Second))
	}
	w.kills += w.kill(w.rng)
	for _, k := range keys[max(0, len(keys)-200):] {
		w.other(k)
	}
	report := w.finish()
	totals := w.o.Totals()
	if !t.Failed() {
		t.Logf("PROOF retries: %d keys from 32 connections at once across %d starts: %d rows, %d answers that said duplicate, %d other bodies refused, 0 disagreements, %v",
			total, w.kills, report.Posts, totals.Repeated, w.refused.Load(), time.Since(begin).Round(time.Second))
	}
}

// P3 in bulk: each key is sent by two to four connections at about the same time, pipelined; kills in between.
func TestRetriesOfManyKeys(t *testing.T) {
	t.Parallel()
	w := newRetryWorld(t, 4)
	begin, p := time.Now(), newProgress(t)
	total := scale(4000, 1_000_000)
	batch := min(total, 2000)
	posters := make([]*chatclient.Poster, len(w.conns))
	for i, c := range w.conns {
		posters[i] = c.NewPoster(w.rooms[0], 512)
	}
	for n := 0; n < total && !w.broken.Load(); {
		keys := make([]*keyed, min(batch, total-n))
		for i := range keys {
			keys[i] = w.keyed(fmt.Sprintf("bulk-%d", n), 1)
			n++
		}
		var wg sync.WaitGroup
		shares := w.share(keys)
		for i, share := range shares {
			wg.Go(func() { w.pipe(posters[i], share) })
		}
		if total < 10*batch || n%(10*batch) == 0 {
			time.Sleep(time.Duration(w.rng.IntN(int(50 * time.Millisecond))))
			w.kills += w.kill(w.rng)
		}
		wg.Wait()
		for range 10 {
			w.other(keys[w.rng.IntN(len(keys))])
		}
		p.say("%d of %d keys, %d starts, %v", n, total, w.kills, time.Since(begin).Round(time.Second))
	}
	report := w.finish()
	totals := w.o.Totals()
	if report.Posts != int64(total) {
		w.fail("%d rows for %d keys", report.Posts, total)
	}
	if !t.Failed() {
		t.Logf("PROOF keys: %d keys, each from 2 to 4 connections, across %d starts: %d rows, %d answers that said duplicate, %d other bodies refused, %v",
			total, w.kills, report.Posts, totals.Repeated, w.refused.Load(), time.Since(begin).Round(time.Second))
	}
}

// share gives every key to two connections or more, each in another order.
func (w *retryWorld) share(keys []*keyed) [][]*keyed {
	shares := make([][]*keyed, len(w.conns))
	for _, k := range keys {
		for _, i := range w.rng.Perm(len(shares))[:2+w.rng.IntN(len(shares)-1)] {
			shares[i] = append(shares[i], k)
		}
	}
	for _, share := range shares {
		for few := range slices.Chunk(share, 100) { // the others are about there, too
			w.rng.Shuffle(len(few), func(i, j int) { few[i], few[j] = few[j], few[i] })
		}
	}
	return shares
}

// pipe posts the keys' bodies.
func (w *retryWorld) pipe(poster *chatclient.Poster, keys []*keyed) {
	ctx, cancel := context.WithTimeout(w.ctx, 2*rig.Patience)
	defer cancel()
	posts := make([]*chatclient.Post, len(keys))
	for i, k := range keys {
		var err error
		if posts[i], err = poster.PostMessage(ctx, &api.MessagePostParams{Text: k.bodies[0].text, IdempotencyKey: k.key}); err != nil {
			w.fail("key %s: %v", k.key, err)
			return
		}
	}
	for i, k := range keys {
		a, err := posts[i].Wait(ctx)
		if err != nil {
			w.fail("key %s: %v", k.key, err)
			return
		}
		k.bodies[0].send.Acked(a)
	}
}

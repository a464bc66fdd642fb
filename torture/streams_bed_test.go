package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// resumeBed is what goes on around the server that is killed.
type resumeBed struct {
	*streamWorld
	proxy *streamProxy
	rooms []streamRoom

	resumes, replays, early, bySDK atomic.Int64

	calm    atomic.Bool // the posters are to end
	posters sync.WaitGroup
	over    atomic.Bool // the followers are to come to the heads
	heads   map[api.RoomID]int64
	wg      sync.WaitGroup
}

// postAll lets n users post at a modest rate to all rooms, through the proxy.
func (b *resumeBed) postAll(n int) {
	b.t.Helper()
	for i := range n {
		c := b.srv.Dial(b.t, b.user(i), &chatclient.Options{MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond})
		for _, r := range b.rooms {
			b.posters.Go(func() { b.post(c, i, r) })
		}
	}
}

// post posts line after line until the bed is calm.
func (b *resumeBed) post(c *chatclient.Client, user int, r streamRoom) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := c.NewPoster(r.name, 8)
	line := b.o.Pipeline(r.name, b.user(user))
	var answers sync.WaitGroup
	for n := 0; !b.calm.Load(); n++ {
		key, text := c.NewKey(), fmt.Sprintf("line %d", n)
		send := line.Sent(key, text)
		post, err := p.PostMessage(ctx, &api.MessagePostParams{Text: text, IdempotencyKey: key})
		if err != nil {
			b.t.Error(err)
			return
		}
		answers.Go(func() {
			res, err := post.Wait(ctx)
			if err != nil {
				b.t.Error(err)
				return
			}
			send.Acked(res)
		})
		time.Sleep(100 * time.Millisecond) // the rate is not what is measured
	}
	answers.Wait()
}

// followRaw resumes and is cut until the end.
func (b *resumeBed) followRaw(i int, rooms []streamRoom, rng *rand.Rand) {
	f := newStreamFollower(b.o, b.srv.Addr(), b.token(i), fmt.Sprintf("raw%d", i), rooms)
	b.wg.Go(func() {
		for !b.over.Load() {
			opened, replays := f.opened, f.replays
			nc, err := net.DialTimeout("tcp", f.addr, time.Second)
			if err == nil {
				err = f.follow(cutRandomly(nc, rng), b.over.Load)
				b.resumes.Add(int64(f.opened - opened))
				b.replays.Add(int64(f.replays - replays))
				b.early.Add(int64(1 - (f.opened - opened)))
			}
			if brokenPromise(err) {
				b.t.Error(err)
				return
			}
			if err != nil && f.opened == opened || rng.IntN(4) == 0 { // the server is down, or there is to be something to miss
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
		}
		if err := f.followTo(b.headsOf(rooms)); err != nil {
			b.t.Error(err)
		}
		f.complete()
	})
}

func (b *resumeBed) headsOf(rooms []streamRoom) (heads []int64) {
	for _, r := range rooms {
		heads = append(heads, b.heads[r.id])
	}
	return heads
}

// followBySDK follows through the proxy with the client that users have.
func (b *resumeBed) followBySDK(i int, rooms []streamRoom) {
	b.t.Helper()
	c, err := chatclient.Dial(b.t.Context(), b.srv.URL(), &chatclient.Options{Token: b.token(i)})
	if err == nil { // the first connection has to succeed
		_ = c.Close()
		for {
			c, err = chatclient.Dial(b.t.Context(), b.proxy.url(), &chatclient.Options{Token: b.token(i), MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond})
			if err == nil {
				break
			}
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	var from []chatclient.RoomPosition
	seen := map[api.RoomID]*oracle.Stream{}
	for _, r := range rooms {
		from = append(from, chatclient.RoomPosition{Room: string(r.id), After: chatclient.After(0)})
		seen[r.id] = b.o.Follower(fmt.Sprintf("sdk%d", i), r.name, 0)
	}
	sub, err := c.Follow(b.t.Context(), &chatclient.FollowOptions{Rooms: from})
	if err != nil {
		b.t.Fatal(err)
	}
	b.wg.Go(func() {
		there := func() bool {
			for id, s := range seen {
				if s.Last() < b.heads[id] {
					return false
				}
			}
			return true
		}
		for !b.over.Load() || !there() {
			ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
			n, err := sub.Next(ctx)
			cancel()
			switch n := n.(type) {
			case *chatclient.EventReceived:
				seen[n.RoomID].Event(n.Raw)
			case *chatclient.Reconnected:
				b.bySDK.Add(1)
			case *chatclient.CaughtUp, *chatclient.Closing:
			default:
				b.t.Errorf("sdk%d: %#v, %v", i, n, err)
				return
			}
		}
		for _, s := range seen {
			s.Complete()
		}
	})
}

// end lets everybody come to the heads.
func (b *resumeBed) end() {
	b.t.Helper()
	b.calm.Store(true)
	b.posters.Wait()
	// The last line wakes who waits for it.
	b.heads = map[api.RoomID]int64{}
	for _, r := range b.rooms {
		key, text := "last", "the last line"
		send := b.o.Sent(r.name, b.user(0), key, text)
		res, err := b.users[0].MessagePost(b.t.Context(), &api.MessagePostParams{Room: r.name, Text: text, IdempotencyKey: key})
		if err != nil {
			b.t.Fatal(err)
		}
		send.Acked(res)
		b.heads[r.id] = int64(res.Seq)
	}
	b.over.Store(true)
	b.proxy.rest()
	b.wg.Wait()
}

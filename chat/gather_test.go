package chat_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// latency posts as one of several connections and gives how long the answers took, in all.
func (c *client) latency(room string, n int, pause time.Duration) (took time.Duration) {
	for i := range n {
		begin := time.Now()
		c.post(room, fmt.Sprint(i))
		took += time.Since(begin)
		time.Sleep(pause)
	}
	return took
}

// A commit waits for those who post all the time, and for nobody else.
func TestCommitsGather(t *testing.T) {
	const posts = 200
	for name, test := range map[string]struct {
		posters int
		pause   time.Duration // between an answer and the next post
		commits [2]int64      // from, to
		waits   time.Duration // of each post, at most
	}{
		"one alone":             {posters: 1, commits: [2]int64{posts, posts}},
		"one, slowly":           {posters: 1, pause: time.Second, commits: [2]int64{posts, posts}},
		"five at once":          {posters: 5, pause: time.Millisecond, commits: [2]int64{posts, 3 * posts}, waits: 800 * time.Microsecond},
		"many, now and then":    {posters: 40, pause: 20 * time.Millisecond, commits: [2]int64{posts, 12 * posts}, waits: 2 * time.Millisecond},
		"two, never soon again": {posters: 2, pause: 50 * time.Millisecond, commits: [2]int64{posts, 2 * posts}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen})
				clients := make([]*client, test.posters)
				for i := range clients {
					clients[i] = w.user(fmt.Sprintf("user%d", i))
					clients[i].create(fmt.Sprintf("room%d", i))
				}
				time.Sleep(time.Minute)
				before := w.svc.Stats().Commits
				var group sync.WaitGroup
				var mu sync.Mutex
				var total time.Duration
				for i, c := range clients {
					group.Go(func() {
						time.Sleep(time.Duration(i) * test.pause / time.Duration(test.posters))
						took := c.latency(fmt.Sprintf("room%d", i), posts, test.pause)
						mu.Lock()
						total += took
						mu.Unlock()
					})
				}
				group.Wait()
				commits := w.svc.Stats().Commits - before
				if each := total / time.Duration(posts*test.posters); each > test.waits {
					t.Errorf("each post waited %v, at most %v", each, test.waits)
				}
				if commits < test.commits[0] || commits > test.commits[1] {
					t.Errorf("%d commits, want %d", commits, test.commits)
				}
				for _, c := range clients {
					c.Close()
				}
				w.svc.Close()
			})
		})
	}
}

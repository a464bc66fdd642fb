package chat_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// BenchmarkLane posts durably from 1, 16 and 64 publishers at once, each in a room of its own and
// each waiting for its result, through the domain and down to SQLite (FULL); and to memory, which
// shows what the lane itself costs. Answers, each in the thread under the first message of its room, are acts of a few statements.
func BenchmarkLane(b *testing.B) {
	stores := map[string]func(b *testing.B) chat.Store{
		"sqlite": func(b *testing.B) chat.Store {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "chatd.db"), nil)
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
		"memory": func(*testing.B) chat.Store { return memory.New() },
	}
	text := strings.Repeat("a line of chat ", 7)[:100]
	for name, open := range stores {
		for _, of := range []struct {
			publishers int
			what       string
		}{{1, ""}, {16, ""}, {64, ""}, {64, "/answers"}} {
			publishers := of.publishers
			b.Run(fmt.Sprintf("%s/publishers=%d%s", name, publishers, of.what), func(b *testing.B) {
				st := open(b)
				defer st.Close()
				svc := chat.New(st, &chat.Options{Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 64})
				defer svc.Close()
				user := svc.Connect(nil, chat.Peer{Loopback: true})
				defer user.Close()
				if _, err := user.AuthRegister(b.Context(), &api.AuthRegisterParams{Username: "groot", Password: "i am groot"}); err != nil {
					b.Fatal(err)
				}
				rooms, roots := make([]string, publishers), make([]*api.Seq, publishers)
				for i := range rooms {
					res, err := user.RoomCreate(b.Context(), &api.RoomCreateParams{Name: fmt.Sprintf("r%d", i)})
					if err != nil {
						b.Fatal(err)
					}
					rooms[i] = string(res.Room.ID)
					if of.what != "" {
						root, err := user.MessagePost(b.Context(), &api.MessagePostParams{Room: rooms[i], Text: text})
						if err != nil {
							b.Fatal(err)
						}
						roots[i] = &root.Seq
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for i := range publishers {
					wg.Go(func() {
						for n := left.Add(-1); n >= 0; n = left.Add(-1) {
							p := &api.MessagePostParams{Room: rooms[i], Text: text, IdempotencyKey: fmt.Sprintf("k%d", n), Thread: roots[i]}
							if _, err := user.MessagePost(context.Background(), p); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
				stats := svc.Stats()
				b.ReportMetric(float64(stats.CommitEntries)/float64(stats.Commits), "posts/commit")
			})
		}
	}
}

package chat_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
)

var purgeEvents = flag.Int("purge-events", 100_000, "how many events BenchmarkPostWhilePurging has to purge")

// BenchmarkPostWhilePurging posts durably, one after the other, while a room of -purge-events messages is purged, and alone.
// ci/bench.sh ./chat -bench PostWhilePurging -benchtime 2000x -purge-events 1000000
func BenchmarkPostWhilePurging(b *testing.B) {
	for _, purging := range []bool{false, true} {
		b.Run(fmt.Sprintf("purging=%t", purging), func(b *testing.B) { benchmarkPosts(b, purging) })
	}
}

func benchmarkPosts(b *testing.B, purging bool) {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "chatd.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	svc := chat.New(store, &chat.Options{Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 64})
	defer svc.Close()
	user := svc.Connect(nil, chat.Peer{Loopback: true})
	defer user.Close()
	if _, err := user.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "i am groot"}); err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("a line of chat ", 7)[:100]
	post := func(room, key string) {
		if _, err := user.MessagePost(ctx, &api.MessagePostParams{Room: room, Text: text, IdempotencyKey: key}); err != nil {
			b.Error(err)
		}
	}
	for _, name := range []string{"old", "new"} {
		if _, err := user.RoomCreate(ctx, &api.RoomCreateParams{Name: name}); err != nil {
			b.Fatal(err)
		}
	}
	if purging {
		fill(*purgeEvents, post)
	}
	var job api.JobID
	if purging {
		res, err := user.PurgeStart(ctx, &api.PurgeStartParams{Room: "old", KeepMessages: new(int64)})
		if err != nil {
			b.Fatal(err)
		}
		job = res.Job.ID
	}
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		start := time.Now()
		post("new", fmt.Sprintf("n%d", i))
		took = append(took, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-us")
	if purging {
		res, err := user.JobGet(ctx, &api.JobGetParams{Job: job})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(res.Job.Progress.EventsDone)/b.Elapsed().Seconds(), "purged/s")
	}
}

// fill posts n messages, many at once.
func fill(n int, post func(room, key string)) {
	const posters = 256
	done := make(chan struct{})
	for p := range posters {
		go func() { // ends with its share
			for i := p; i < n; i += posters {
				post("old", fmt.Sprintf("o%d", i))
			}
			done <- struct{}{}
		}()
	}
	for range posters {
		<-done
	}
}

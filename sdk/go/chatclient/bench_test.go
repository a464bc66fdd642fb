package chatclient_test

import (
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

const line = "I am Groot. I am Groot? I am Groot! We are Groot; and this is a line as people write them."

// Posting in order through one Poster; the server is in the same process, on a store in memory.
func BenchmarkPoster(b *testing.B) {
	srv := start("", memory.New())
	defer srv.stop()
	c := register(b, srv.addr, "groot", nil)
	if _, err := c.RoomCreate(b.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		b.Fatal(err)
	}
	p := c.NewPoster("lobby", 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Post(b.Context(), line); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// One call after the other.
func BenchmarkCall(b *testing.B) {
	srv := start("", memory.New())
	defer srv.stop()
	c := register(b, srv.addr, "groot", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ServerPing(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// Hearing a room's events, replayed, one client.
func BenchmarkFollow(b *testing.B) {
	srv := start("", memory.New())
	defer srv.stop()
	c := register(b, srv.addr, "groot", nil)
	if _, err := c.RoomCreate(b.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		b.Fatal(err)
	}
	p := c.NewPoster("lobby", 0)
	const n = 10000
	for range n {
		if _, err := p.Post(b.Context(), strings.Repeat(line, 2)); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		sub, err := c.Follow(b.Context(), &chatclient.FollowOptions{Rooms: []chatclient.RoomPosition{{Room: "lobby", After: chatclient.After(2)}}})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			if _, err := sub.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		events += n
		sub.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}

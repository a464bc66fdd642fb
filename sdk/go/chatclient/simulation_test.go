package chatclient_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/rpcserver"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

// An hour of fake time: three people talk in a room while the real server is restarted every few minutes, politely or not. Everyone
// hears everything once and in order, from the beginning, and nobody sees an error.
func TestSimulatedHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var mu sync.Mutex
		var dial func(context.Context) (net.Conn, error)
		serve := func() (stop func(polite bool)) {
			fan := rpcserver.NewFanout(nil)
			svc := chat.New(store, &chat.Options{Fanout: fan, Limits: limits, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 64})
			rpc := rpcserver.New(svc, fan, &rpcserver.Options{Limits: limits})
			ln, d := chatclient.NewPipes()
			mu.Lock()
			dial = d
			mu.Unlock()
			h := &http.Server{Handler: rpc, ReadHeaderTimeout: time.Minute}
			served := make(chan struct{})
			go func() { defer close(served); h.Serve(rpc.Gate(ln)) }() // ends with stop
			return func(polite bool) {
				if polite {
					if err := rpc.Drain(deadline(t, time.Minute)); err != nil {
						t.Error(err)
					}
				}
				h.Close()
				rpc.Close()
				svc.Close()
				<-served
			}
		}
		stop := serve()
		o := &chatclient.Options{Dialer: func(ctx context.Context) (net.Conn, error) {
			mu.Lock()
			d := dial
			mu.Unlock()
			return d(ctx)
		}}
		var people []*chatclient.Client
		for i, name := range []string{"groot", "thanos", "hulk"} {
			c := register(t, "simulation", name, o)
			if i == 0 {
				if _, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
					t.Fatal(err)
				}
			} else if _, err := c.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby"}); err != nil {
				t.Fatal(err)
			}
			people = append(people, c)
		}
		talk, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var talkers, listeners sync.WaitGroup
		heard := make([][]api.Seq, len(people))
		said := make([]int, len(people))
		for i, c := range people {
			sub, err := c.Follow(t.Context(), &chatclient.FollowOptions{Joined: true, Rooms: []chatclient.RoomPosition{{Room: "lobby", After: chatclient.After(0)}}})
			if err != nil {
				t.Fatal(err)
			}
			listeners.Go(func() { // ends with the word "end"
				for n, err := range sub.Events(context.Background()) {
					if err != nil {
						t.Error(err)
						return
					}
					switch n := n.(type) {
					case *chatclient.EventReceived:
						heard[i] = append(heard[i], n.Seq)
						if p, _ := n.Payload(); p != nil {
							if m, ok := p.(*api.MessagePosted); ok && m.Text == "end" {
								return
							}
						}
					case *chatclient.Gap, *chatclient.Reset, *chatclient.Unfollowed:
						t.Errorf("%#v", n)
					}
				}
			})
			talkers.Go(func() { // ends with the hour
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				for talk.Err() == nil {
					time.Sleep(time.Duration(rng.IntN(20000)) * time.Millisecond)
					if _, err := c.MessagePost(context.Background(), &api.MessagePostParams{Room: "lobby", Text: fmt.Sprint(i)}); err != nil {
						t.Error(err)
						return
					}
					said[i]++
				}
			})
		}
		for n := range 12 {
			time.Sleep(4 * time.Minute)
			stop(n%2 == 0)
			time.Sleep(time.Duration(n) * 10 * time.Second) // up to two minutes of nothing
			stop = serve()
		}
		talkers.Wait()
		if _, err := people[0].MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "end"}); err != nil {
			t.Fatal(err)
		}
		listeners.Wait()
		total := 5 // the room, three who joined, the end
		for _, n := range said {
			total += n
		}
		for i, seqs := range heard {
			if len(seqs) != total {
				t.Errorf("%d heard %d events of %d", i, len(seqs), total)
			}
			for k, seq := range seqs {
				if seq != api.Seq(k+1) {
					t.Fatalf("%d: event %d is %d", i, k+1, seq)
				}
			}
		}
		for _, c := range people {
			if err := c.Shutdown(deadline(t, time.Minute)); err != nil {
				t.Error(err)
			}
		}
		stop(true)
		t.Logf("%d events", total)
	})
}

package main

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
)

// TestMain is the program itself when a test has started it as one of its processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "load" || os.Args[1] == load.Floor || os.Args[1] == load.Hub) {
		main()
		return
	}
	runtime.LockOSThread()
	os.Exit(m.Run())
}

// TestBaselines measures the floor and the hub for a moment: what they deliver has to be all, once.
func TestBaselines(t *testing.T) {
	b := &bench{self: os.Args[0], log: io.Discard, size: smokeSize}
	event := []byte(`{"jsonrpc":"2.0","method":"room.event","params":{"text":"` + string(load.AppendText(nil, 0)) + `"}}`)
	for _, f := range []*fanout{
		{rooms: 1, followers: 20, publishers: 3, rate: 4000},
		{rooms: 7, followers: 3, rate: 900},
	} {
		for _, variant := range []string{floor, hub} {
			res, err := f.measure(t.Context(), b, variant, event, f.rate/float64(f.followers), 200*time.Millisecond)
			if err != nil {
				t.Fatal(variant, err)
			}
			if lost := lost(res); lost != "" {
				t.Error(variant, lost)
			}
			if posts := int(f.rate / float64(f.followers) / 5); res.Posts != posts || res.Deliveries != int64(posts*f.followers) {
				t.Errorf("%s: %d posts, %d deliveries", variant, res.Posts, res.Deliveries)
			}
			if res.Latency.Samples == 0 || res.Latency.P50 <= 0 || res.Usage.Server.Total <= 0 {
				t.Errorf("%s: %+v", variant, res)
			}
		}
	}
	if _, err := fanouts[0].measure(t.Context(), b, hub, nil, 1, time.Millisecond); err == nil {
		t.Error("a baseline without an event to deliver")
	}
}

func TestLost(t *testing.T) {
	good := load.FanoutResult{Expected: 5, Deliveries: 5}
	for want, change := range map[string]func(r *load.FanoutResult){
		"":                   func(*load.FanoutResult) {},
		"1 connections were": func(r *load.FanoutResult) { r.Disconnected = 1 },
		"4 deliveries of 5":  func(r *load.FanoutResult) { r.Deliveries-- },
		"5 deliveries of 5":  func(r *load.FanoutResult) { r.Short = 1 },
	} {
		r := good
		change(&r)
		if got := lost(&r); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%q, want %q…", got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	if err != nil || len(all) < 10 {
		t.Fatal(len(all), err)
	}
	names := func(s []scenario) (n []string) {
		for i := range s {
			n = append(n, s[i].name)
		}
		return n
	}
	if len(slices.Compact(slices.Sorted(slices.Values(names(all))))) != len(all) {
		t.Error("two scenarios have one name")
	}
	some, err := choose([]string{"idle", "rooms*"})
	if err != nil || !slices.Equal(names(some), []string{"idle", "rooms", "rooms-60k"}) {
		t.Error(names(some), err)
	}
	if _, err := choose([]string{"nothing"}); err == nil {
		t.Error("an unknown name is taken")
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--full"})
	if err != nil || !o.size.large || o.out == "" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"--full", "idle"}); err != nil || o.out != "" {
		t.Errorf("a part of the figures would be published: %+v, %v", o, err)
	}
	if _, err := parse([]string{"--full", "--smoke"}); err == nil {
		t.Error("both are taken")
	}
}

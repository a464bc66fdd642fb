package main

import (
	"context"
	"math"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

// roomOfIdle is how many users share a room where connections are counted rather than events.
const roomOfIdle = 100

// connections is how many connections there can be, up to n.
func (b *bench) connections(n int) int {
	return min(n, int(proc.OpenFiles())-300)
}

// connectVariant is a way to connect.
type connectVariant struct {
	name, note string
	handshake  bool
	set        settings
}

var connectVariants = []connectVariant{
	{name: "CPU µs each", note: "Upgrade, auth.resume, room.join of a room of 100 that the user is a member of, 64 under way; everybody is somebody else, and each coming is told to those of the room who are there already (presence)."},
	{name: "CPU µs each, presence off", set: settings{"PRESENCE_MEMBERS": "0"}},
	{name: "CPU µs each, token in the handshake, presence off", handshake: true, set: settings{"PRESENCE_MEMBERS": "0"}},
}

func runConnect(ctx context.Context, b *bench) ([]report.Row, error) {
	n := b.connections(pick(b.size, 100, 3000, 10_000))
	warm := min(200, n/4)
	cpu, rate := make([][]float64, len(connectVariants)), make([][]float64, len(connectVariants))
	for range b.size.repeat {
		for i, v := range connectVariants {
			res := &load.ConnectResult{}
			job := &load.Job{Kind: load.Chatd, UsersPerRoom: roomOfIdle, Connect: &load.Connect{Connections: n - warm, Warmup: warm, Handshake: v.handshake}}
			if err := b.onChatd(ctx, &seed.Plan{Users: n, UsersPerRoom: roomOfIdle}, v.set, job, res); err != nil {
				return nil, err
			}
			b.keep("connect", v.name, res)
			each := float64(res.Usage.Server.Total.Microseconds()) / float64(res.Connections)
			b.say("    %s: %.0f (%.0f user, %.0f system), %.0f connections/s, %d messages came%s", v.name, each,
				float64(res.Usage.Server.User.Microseconds())/float64(res.Connections), float64(res.Usage.Server.System.Microseconds())/float64(res.Connections),
				float64(res.Connections)/res.Wall.Seconds(), res.Messages, b.others(res.Usage))
			cpu[i], rate[i] = append(cpu[i], each), append(rate[i], float64(res.Connections)/res.Wall.Seconds())
		}
	}
	const title = "connect, resume by token, join"
	var rows []report.Row
	for i, v := range connectVariants {
		rows = append(rows, report.Row{Scenario: title, Figure: v.name, Value: report.SpreadOf(cpu[i]...), Goal: report.Goal{AtMost: 110}, Note: v.note})
	}
	return append(rows, report.Row{Scenario: title, Figure: "connections/s", Value: report.SpreadOf(rate[0]...)}), nil
}

func runIdle(ctx context.Context, b *bench) ([]report.Row, error) {
	n := b.connections(pick(b.size, 200, 4000, 10_100))
	warm := min(100, n/4)
	var resident, goroutines, heap, stack, loaded []float64
	for range pick(b.size, 1, 1, 2) {
		res := &load.IdleResult{}
		job := &load.Job{Kind: load.Chatd, UsersPerRoom: roomOfIdle, Patience: 5 * time.Minute, Idle: &load.Idle{
			Connections: n - warm, Warmup: warm, WaitForGC: pick(b.size, 0, 0, 150*time.Second), Quiet: pick(b.size, time.Second, 8*time.Second, 15*time.Second),
		}}
		if err := b.onChatd(ctx, &seed.Plan{Users: n, UsersPerRoom: roomOfIdle}, nil, job, res); err != nil {
			return nil, err
		}
		b.keep("idle", asIs, res)
		each := func(after, before int64) float64 { return float64(after-before) / float64(res.Connections) / 1000 }
		resident = append(resident, each(res.After.Resident, res.Before.Resident))
		loaded = append(loaded, each(res.Loaded.Resident, res.Before.Resident))
		goroutines = append(goroutines, math.Round(100*float64(res.GoroutinesAfter-res.GoroutinesBefore)/float64(res.Connections))/100)
		heap, stack = append(heap, each(res.HeapAfter, 0)), append(stack, each(res.StackAfter, 0))
		b.say("    %d connections: %.2f kB each after %v and %d collections, %.2f right after connecting%s", res.Connections, resident[len(resident)-1], res.Waited.Round(time.Second), res.Collections, loaded[len(loaded)-1], b.others(res.Settled))
	}
	const title = "idle, signed in, following"
	return []report.Row{
		{Scenario: title, Figure: "RSS kB each", Value: report.SpreadOf(resident...), Goal: report.Goal{AtMost: 12}, Note: "Growth of the resident memory from a few connections to all, each another user, in rooms of 100; when it has settled."},
		{Scenario: title, Figure: "goroutines each", Value: report.SpreadOf(goroutines...), Goal: report.Goal{AtMost: 2}},
		{Scenario: title, Figure: "RSS kB each, right after connecting", Value: report.SpreadOf(loaded...)},
		{Scenario: title, Figure: "heap in use, kB each", Value: report.SpreadOf(heap...)},
		{Scenario: title, Figure: "stacks in use, kB each", Value: report.SpreadOf(stack...)},
	}, nil
}

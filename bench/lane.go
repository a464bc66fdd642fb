package main

import (
	"context"
	"net/netip"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

func runLane(ctx context.Context, b *bench) ([]report.Row, error) {
	double, err := proc.StartServer(ctx, floor, []string{b.self, floor}, nil)
	if err != nil {
		return nil, err
	}
	defer double.Kill()
	addr, err := netip.ParseAddrPort(double.Addr)
	if err != nil {
		return nil, err
	}
	followers := b.size.count(1000, 50)
	job := &load.Job{Kind: load.Chatd, UsersPerRoom: followers, Lane: &load.Lane{
		Followers: followers, Events: 20, Posts: 400, Turn: b.size.phase, Rounds: 2*b.size.repeat - 1, Floor: addr,
	}}
	plan := &seed.Plan{Users: followers + 1, UsersPerRoom: followers, Publishers: 1}
	var results []*load.LaneResult
	if err := b.onChatd(ctx, plan, settings{"LIMITS_REQUESTS_PER_SECOND": "0", "LIMITS_MAX_IN_FLIGHT": "64"}, job, &results); err != nil {
		return nil, err
	}
	b.keep("lane", asIs, results)
	var p50, p99 [3][]float64
	for _, res := range results {
		p50[res.Kind], p99[res.Kind] = append(p50[res.Kind], res.Ack.P50), append(p99[res.Kind], res.Ack.P99)
	}
	kinds := [3]string{"nothing else", "1,000 followers get 20 events/s", "the floor writes as much"}
	for i, kind := range kinds {
		b.say("    %s: ack p50 %s, p99 %s ms", kind, report.SpreadOf(p50[i]...), report.SpreadOf(p99[i]...))
	}
	const title = "posts to another room during a fan-out"
	row := func(figure string, of [3][]float64, against int, goal report.Goal, note string) report.Row {
		return report.Row{
			Scenario: title, Figure: figure, Value: report.SpreadOf(of[load.LaneChatd]...), Baseline: kinds[against],
			BaselineValue: report.SpreadOf(of[against]...), Goal: goal, Note: note,
		}
	}
	return []report.Row{
		row("ack p99, ms", p99, load.LaneQuiet, report.Goal{AtMost: 1.1, Ratio: true}, "400 posts/s, open loop, while an event goes to 1,000 followers 20 times a second, and without that."),
		row("ack p99, ms", p99, load.LaneFloor, report.Goal{}, "Beside a process that only writes the same bytes to as many sockets: what is left is the machine's, which the followers' reading shares."),
		row("ack p50, ms", p50, load.LaneQuiet, report.Goal{}, ""),
	}, nil
}

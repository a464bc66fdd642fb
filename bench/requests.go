package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

func runPing(ctx context.Context, b *bench) ([]report.Row, error) {
	var results []*load.WorkResult
	job := &load.Job{Kind: load.Chatd, UsersPerRoom: 1, Requests: &load.Requests{
		Kinds: []load.RequestKind{{Method: "server.ping", Params: "{}"}}, InFlight: 32, Rounds: b.size.repeat, Warmup: b.size.warmup, Turn: b.size.phase,
	}}
	if err := b.onChatd(ctx, &seed.Plan{Users: 1, UsersPerRoom: 1}, settings{"LIMITS_REQUESTS_PER_SECOND": "0"}, job, &results); err != nil {
		return nil, err
	}
	b.keep("ping", asIs, results)
	var socket, ours, stock []float64
	for _, res := range results {
		socket = append(socket, microsEach(res))
		b.say("    over a socket, 32 in flight: %.2f CPU µs each, %.0f a second%s", microsEach(res), float64(res.Answered)/res.Wall.Seconds(), b.others(res.Usage))
	}
	binary := filepath.Join(b.dir, "rpcserver.test")
	if out, err := proc.Run(ctx, []string{"go", "test", "-c", "-o", binary, "./rpcserver"}, b.module, nil); err != nil {
		return nil, fmt.Errorf("build the benchmark of requests: %w: %s", err, out)
	}
	for range b.size.repeat {
		mine, err := b.requestCPU(ctx, binary, "chatd")
		if err != nil {
			return nil, err
		}
		theirs, err := b.requestCPU(ctx, binary, "stock")
		if err != nil {
			return nil, err
		}
		b.say("    codec and dispatch: %.2f CPU µs, the stock library %.2f CPU µs", mine, theirs)
		ours, stock = append(ours, mine), append(stock, theirs)
	}
	const title = "request (server.ping)"
	inside := report.Row{Scenario: title, Figure: "codec and dispatch, CPU µs", Value: report.SpreadOf(ours...), Goal: report.Goal{AtMost: 6.5}}
	ratio := inside
	ratio.Baseline, ratio.BaselineValue, ratio.Goal = "stock library", report.SpreadOf(stock...), report.Goal{AtMost: 0.45, Ratio: true}
	return []report.Row{
		inside, ratio,
		{Scenario: title, Figure: "over a socket, 32 in flight, CPU µs", Value: report.SpreadOf(socket...), Note: "System calls and TCP included, which codec and dispatch are without."},
	}, nil
}

// requestCPU runs rpcserver's benchmark of a request without sockets, few and many of them, and gives
// what each of those more took of the processors, in microseconds, garbage collection included.
func (b *bench) requestCPU(ctx context.Context, binary, variant string) (float64, error) {
	few := pick(b.size, 1000, 20_000, 100_000)
	var cpu [2]time.Duration
	for i, n := range []int{few, 4 * few} {
		argv := []string{binary, "-test.run=^$", "-test.bench=^BenchmarkRequest$/^" + variant + "$", fmt.Sprintf("-test.benchtime=%dx", n)}
		out, used, err := proc.RunCPU(ctx, argv, filepath.Join(b.module, "rpcserver"), nil)
		if err != nil {
			return 0, fmt.Errorf("the benchmark of requests: %w: %s", err, out)
		}
		if !bytes.Contains(out, []byte("BenchmarkRequest/"+variant)) {
			return 0, fmt.Errorf("rpcserver has no BenchmarkRequest/%s: %s", variant, out)
		}
		cpu[i] = used
	}
	return float64((cpu[1] - cpu[0]).Nanoseconds()) / 1000 / float64(3*few), nil
}

// Rooms of the history scenario: room 0 is the user's own.
const (
	smallRoom = 1 // 10^3 events
	largeRoom = 2 // 10^7
)

func (b *bench) historyPlan() *seed.Plan {
	return &seed.Plan{Users: 1, UsersPerRoom: 1, Events: []int64{1000, pick[int64](b.size, 3000, 100_000, 10_000_000)}}
}

func runHistory(ctx context.Context, b *bench) ([]report.Row, error) {
	plan := b.historyPlan()
	large := plan.Events[1]
	page := func(room int, at string, below int64) load.RequestKind {
		return load.RequestKind{Method: "room.history", Params: fmt.Sprintf(`{"room":%q,"limit":50%s}`, load.RoomName(room), at), Below: below}
	}
	kinds := []load.RequestKind{
		page(smallRoom, "", 0), page(largeRoom, "", 0),
		page(smallRoom, `,"after":"$RANDOM"`, plan.Events[0]-50), page(largeRoom, `,"after":"$RANDOM"`, large-50),
	}
	// What a page anywhere has to read of a large file that nothing has read before: a page of the tree's keys, and its rows.
	bare := []int{4 << 10, 24 << 10}
	var results []*load.WorkResult
	job := &load.Job{Kind: load.Chatd, UsersPerRoom: 1, Requests: &load.Requests{Kinds: kinds, Bare: &load.Bare{File: "chatd.db", Sizes: bare}, InFlight: 1, Rounds: 2*b.size.repeat + 1, Warmup: b.size.warmup, Turn: b.size.phase / 3}}
	b.say("    making rooms of %d and %d events", plan.Events[0], large)
	if err := b.onChatd(ctx, plan, settings{"LIMITS_REQUESTS_PER_SECOND": "0"}, job, &results); err != nil {
		return nil, err
	}
	b.keep("history", asIs, results)
	wall, cpu := make([][]float64, len(kinds)+1), make([][]float64, len(kinds)+1)
	for _, res := range results {
		b.others(res.Usage)
		wall[res.Kind], cpu[res.Kind] = append(wall[res.Kind], 1000*res.Latency.P50), append(cpu[res.Kind], microsEach(res))
	}
	title := fmt.Sprintf("history page of 50, %s events", report.SpreadOf(float64(large)))
	row := func(figure string, values [][]float64, kind int, goal report.Goal) report.Row {
		return report.Row{
			Scenario: title, Figure: figure, Value: report.SpreadOf(values[kind]...), Goal: goal,
			Baseline: "1,000 events", BaselineValue: report.SpreadOf(values[kind-1]...),
		}
	}
	goal := report.Goal{AtMost: 1.2, Ratio: true}
	rows := []report.Row{
		row("newest, p50 µs", wall, 1, goal), row("newest, CPU µs", cpu, 1, goal),
		row("anywhere, p50 µs", wall, 3, goal), row("anywhere, CPU µs", cpu, 3, goal),
	}
	floor := rows[2]
	floor.Baseline, floor.Goal, floor.Note = "the same and bare reads", report.Goal{}, "The bench's own reading of 4 and 24 KiB anywhere in the server's file, which is about what such a page has to read, added to the page of 1,000 events."
	floor.BaselineValue = report.SpreadOf(sums(wall[2], wall[4])...)
	rows = append(rows, floor)
	for _, r := range rows {
		b.say("    %s: %s beside %s", r.Figure, r.Value, r.BaselineValue)
	}
	return rows, nil
}

// sums adds two measurements turn by turn.
func sums(a, b []float64) []float64 {
	all := make([]float64, min(len(a), len(b)))
	for i := range all {
		all[i] = a[i] + b[i]
	}
	return all
}

func runResume(ctx context.Context, b *bench) ([]report.Row, error) {
	most := pick[int64](b.size, 2000, 100_000, 1_000_000)
	plan := &seed.Plan{Users: 1, UsersPerRoom: 1, Events: []int64{most + 10}}
	var results []*load.ReplayResult
	job := &load.Job{Kind: load.Chatd, UsersPerRoom: 1, Replay: &load.Replay{Room: 1, Head: most + 10, Behind: []int64{most / 100, most / 10, most / 10, most}}}
	b.say("    making a room of %d events", most+10)
	if err := b.onChatd(ctx, plan, nil, job, &results); err != nil {
		return nil, err
	}
	b.keep("resume", asIs, results)
	title := "resume, far behind"
	var rows []report.Row
	grown := func(r *load.ReplayResult) float64 { return float64(r.After.Peak-r.Before.Resident) / 1e6 }
	for _, r := range results {
		b.say("    %d behind: %.0f events/s, %.2f CPU µs each, memory grew by up to %.1f MB (was %.1f MB)%s", r.Behind, float64(r.Behind)/r.Wall.Seconds(), float64(r.Usage.Server.Total.Microseconds())/float64(r.Behind), grown(r), float64(r.Before.Resident)/1e6, b.others(r.Usage))
	}
	tenth, whole := results[2], results[3]
	rows = append(rows,
		report.Row{
			Scenario: title, Figure: fmt.Sprintf("peak RSS, MB, %s events behind", report.SpreadOf(float64(most))), Value: report.SpreadOf(float64(whole.After.Peak) / 1e6),
			Baseline: fmt.Sprintf("%s behind", report.SpreadOf(float64(tenth.Behind))), BaselineValue: report.SpreadOf(float64(tenth.After.Peak) / 1e6), Goal: report.Goal{AtMost: 1.2, Ratio: true},
			Note: "Constant memory: ten times as far behind, the server's peak is the same within 20 %.",
		},
		report.Row{Scenario: title, Figure: "RSS growth meanwhile, MB", Value: report.SpreadOf(grown(whole))},
		report.Row{Scenario: title, Figure: "events/s", Value: report.SpreadOf(float64(whole.Behind) / whole.Wall.Seconds())},
		report.Row{Scenario: title, Figure: "CPU µs an event", Value: report.SpreadOf(float64(whole.Usage.Server.Total.Nanoseconds()) / 1000 / float64(whole.Behind))})
	return rows, nil
}

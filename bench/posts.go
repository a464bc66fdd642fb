package main

import (
	"context"
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

// postCase is a number of publishers who each wait for so many acknowledgements.
type postCase struct {
	name                 string
	publishers, inFlight int
	goal                 float64 // posts a second; 0: of the disk's rate
}

var postCases = []postCase{
	{"1 publisher", 1, 1, 0},
	{"16 publishers", 16, 1, 12_000},
	{"64 publishers", 64, 1, 22_000},
	{"1 connection, 64 in flight", 1, 64, 22_000},
}

// ofDisk is what a single publisher has to reach of the disk's rate.
const ofDisk = 0.7

func runPosts(ctx context.Context, b *bench) ([]report.Row, error) {
	rate, p50, p99, cpu := make([][]float64, len(postCases)), make([][]float64, len(postCases)), make([][]float64, len(postCases)), make([][]float64, len(postCases))
	var fsync, fdatasync []float64
	turn := max(b.size.phase/2, 100*time.Millisecond)
	for range b.size.repeat {
		for i, c := range postCases {
			full, err := proc.SyncRate(b.dir, turn/2, false)
			if err != nil {
				return nil, fmt.Errorf("the disk's rate: %w", err)
			}
			data, err := proc.SyncRate(b.dir, turn/2, true)
			if err != nil {
				return nil, fmt.Errorf("the disk's rate: %w", err)
			}
			fsync, fdatasync = append(fsync, full), append(fdatasync, data)
			res := &load.WorkResult{}
			job := &load.Job{Kind: load.Chatd, UsersPerRoom: 1, Posts: &load.Posts{Publishers: c.publishers, InFlight: c.inFlight, Warmup: b.size.warmup, Duration: b.size.phase}}
			set := settings{"LIMITS_MAX_IN_FLIGHT": "64", "LIMITS_REQUESTS_PER_SECOND": "0"}
			if err := b.onChatd(ctx, &seed.Plan{Users: 64, UsersPerRoom: 1}, set, job, res); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			b.keep("posts", c.name, res)
			persecond := float64(res.Answered) / res.Wall.Seconds()
			rate[i], p50[i], p99[i] = append(rate[i], persecond), append(p50[i], res.Latency.P50), append(p99[i], res.Latency.P99)
			cpu[i] = append(cpu[i], microsEach(res))
			b.say("    %-26s %.0f posts/s, ack p50 %.2f p99 %.2f ms, %.1f CPU µs each; the disk: %.0f fsync/s, %.0f fdatasync/s%s", c.name, persecond, res.Latency.P50, res.Latency.P99, microsEach(res), full, data, b.others(res.Usage))
		}
	}
	const title = "durable posts"
	var rows []report.Row
	for i, c := range postCases {
		row := report.Row{Scenario: title, Figure: "posts/s, " + c.name, Value: report.SpreadOf(rate[i]...), Goal: report.Goal{AtLeast: c.goal}}
		if c.goal == 0 {
			row.Baseline, row.BaselineValue, row.Goal = "fsync", report.SpreadOf(fsync...), report.Goal{AtLeast: ofDisk, Ratio: true}
			row.Note = fmt.Sprintf("The disk's rate: 4 KiB appended and synced, one after the other, in the same directory between the measurements; fdatasync %s a second. Each post carries an idempotency key, and its publisher follows the room.", report.SpreadOf(fdatasync...))
		}
		rows = append(rows, row, report.Row{Scenario: title, Figure: "ack p99, ms, " + c.name, Value: report.SpreadOf(p99[i]...), Goal: report.Goal{AtMost: 10}})
	}
	for i, c := range postCases {
		rows = append(rows, report.Row{Scenario: title, Figure: "ack p50, ms, " + c.name, Value: report.SpreadOf(p50[i]...)},
			report.Row{Scenario: title, Figure: "CPU µs each, " + c.name, Value: report.SpreadOf(cpu[i]...)})
	}
	return rows, nil
}

func microsEach(res *load.WorkResult) float64 {
	return float64(res.Usage.Server.Total.Nanoseconds()) / 1000 / float64(max(1, res.Answered))
}

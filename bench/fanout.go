package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Variants of a fan-out.
const (
	asIs     = "chatd"           // by its defaults
	noWindow = "chatd no window" // each event at once
	window   = "chatd window"    // the defaults where they gather events, named as the goals name them
	floor    = load.Floor
	hub      = load.Hub
)

// fanout is a scenario of posts that go to followers.
type fanout struct {
	name, title string
	rooms       int
	followers   int
	publishers  int     // 0: the first follower of each room posts
	rate        float64 // deliveries a second
	variants    []string
	goals       []fanoutGoal
}

// fanoutGoal holds a variant against another; without one it is about the p99 in milliseconds.
type fanoutGoal struct {
	variant, baseline string
	atMost            float64
}

var fanouts = []*fanout{
	{
		name: "fanout", title: "1 room, 1,000 followers, 20k/s", rooms: 1, followers: 1000, publishers: 4, rate: 20_000,
		variants: []string{asIs, floor, hub},
		goals:    []fanoutGoal{{asIs, floor, 1.1}, {asIs, hub, 0.62}},
	},
	{
		name: "fanout-100k", title: "1 room, 1,000 followers, 100k/s", rooms: 1, followers: 1000, publishers: 4, rate: 100_000,
		variants: []string{noWindow, window, floor, hub},
		goals:    []fanoutGoal{{noWindow, floor, 1.3}, {noWindow, hub, 0.65}, {window, hub, 0.45}, {window, "", 40}},
	},
	{
		name: "fanout-5000", title: "1 room, 5,000 followers, 20k/s", rooms: 1, followers: 5000, publishers: 8, rate: 20_000,
		variants: []string{asIs, floor, hub},
		goals:    []fanoutGoal{{asIs, floor, 1.15}, {asIs, "", 40}},
	},
	{
		name: "fanout-100", title: "1 room, 100 followers, 100k/s", rooms: 1, followers: 100, publishers: 4, rate: 100_000,
		variants: []string{noWindow, window, floor, hub},
		goals:    []fanoutGoal{{window, hub, 0.4}},
	},
	{
		name: "rooms", title: "1,000 rooms of 10, 20k/s", rooms: 1000, followers: 10, rate: 20_000,
		variants: []string{asIs, floor, hub},
		goals:    []fanoutGoal{{asIs, floor, 1.3}},
	},
	{
		name: "rooms-60k", title: "1,000 rooms of 10, 60k/s", rooms: 1000, followers: 10, rate: 60_000,
		variants: []string{asIs, floor, hub},
		goals:    []fanoutGoal{{asIs, floor, 1.3}},
	},
}

func (f *fanout) settings(variant string) settings {
	set := settings{"LIMITS_REQUESTS_PER_SECOND": "0"}
	if variant == noWindow {
		set["FANOUT_WINDOW"], set["FANOUT_LARGE_WINDOW"] = "0", "0"
	}
	return set
}

// fit makes the scenario small in a smoke run, and small enough for the open files that are allowed.
func (f *fanout) fit(b *bench) *fanout {
	g := *f
	g.rooms, g.followers = b.size.count(f.rooms, 20), b.size.count(f.followers, 50)
	if most := int(proc.OpenFiles()) - 200; g.rooms*g.followers > most {
		g.rooms = max(1, most/g.followers)
		g.followers = min(g.followers, most)
	}
	g.rate = f.rate * float64(g.rooms*g.followers) / float64(f.rooms*f.followers)
	return &g
}

func (f *fanout) run(ctx context.Context, b *bench) ([]report.Row, error) {
	f = f.fit(b)
	runs := map[string][]*load.FanoutResult{}
	var event []byte
	for range b.size.repeat {
		for _, variant := range f.variants {
			res, err := f.measureWhole(ctx, b, variant, event)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", variant, err)
			}
			if len(res.Event) > 0 && variant != hub && variant != floor {
				event, b.event = res.Event, len(wire.AppendServerText(nil, res.Event))
			}
			res.Event = nil
			b.keep(f.name, variant, res)
			b.say("    %-15s %.2f CPU s/M, p50 %.1f p99 %.1f max %.1f ms, late by %.1f ms%s", variant, perMillion(res), res.Latency.P50, res.Latency.P99, res.Latency.Max, res.Late, b.others(res.Usage))
			runs[variant] = append(runs[variant], res)
		}
	}
	return f.rows(b, runs), nil
}

// attempts is how often a measurement is made before what is lost in it counts.
const attempts = 3

// measureWhole measures until everything has arrived: where others keep the machine busy, even the load
// may be kept from reading for so long that a server gives it up. That is said aloud. The hub drops whoever is 256
// messages behind, and may; chatd and the floor may not, for ever.
func (f *fanout) measureWhole(ctx context.Context, b *bench, variant string, event []byte) (*load.FanoutResult, error) {
	for attempt := 1; ; attempt++ {
		res, err := f.measure(ctx, b, variant, event, f.rate/float64(f.followers), b.size.phase)
		if err != nil {
			return nil, err
		}
		lost := lost(res)
		if lost == "" {
			return res, nil
		}
		b.lost = append(b.lost, fmt.Sprintf("%s, %s: %s", f.title, variant, lost))
		b.say("    LOST: %s: %s%s", variant, lost, b.others(res.Usage))
		switch {
		case attempt < attempts:
		case variant == hub:
			return res, nil
		default:
			return nil, errors.New(lost)
		}
	}
}

// lost says what of a run did not arrive; "" if everything did, once.
func lost(res *load.FanoutResult) string {
	switch {
	case res.Disconnected > 0:
		return fmt.Sprintf("%d connections were closed, the first: %s", res.Disconnected, res.Why)
	case res.Deliveries != res.Expected || res.Short > 0:
		return fmt.Sprintf("%d deliveries of %d arrived, %d followers did not get each event once", res.Deliveries, res.Expected, res.Short)
	default:
		return ""
	}
}

func perMillion(res *load.FanoutResult) float64 {
	return res.Usage.Server.Total.Seconds() / float64(max(1, res.Deliveries)) * 1e6
}

// measure starts a server for one variant and delivers posts for a while.
func (f *fanout) measure(ctx context.Context, b *bench, variant string, event []byte, posts float64, d time.Duration) (*load.FanoutResult, error) {
	job := &load.Job{Kind: load.Chatd, UsersPerRoom: f.followers, Fanout: &load.Fanout{
		Rooms: f.rooms, Followers: f.followers, Publishers: f.publishers, Rate: posts, Warmup: b.size.warmup, Duration: d, Grace: 3 * time.Second, Event: event,
	}}
	res := &load.FanoutResult{}
	if variant == floor || variant == hub {
		return res, b.onPeer(ctx, variant, job, res)
	}
	return res, b.onChatd(ctx, &seed.Plan{Users: f.rooms * f.followers, UsersPerRoom: f.followers, Publishers: f.publishers}, f.settings(variant), job, res)
}

// lateFloor is how late the floor may be, in milliseconds, for its figure to stand without a remark.
const lateFloor = 25

func (f *fanout) rows(b *bench, runs map[string][]*load.FanoutResult) []report.Row {
	figure := func(variant string, of func(*load.FanoutResult) float64) report.Spread {
		var values []float64
		for _, res := range runs[variant] {
			values = append(values, of(res))
		}
		return report.SpreadOf(values...)
	}
	p99 := func(res *load.FanoutResult) float64 { return res.Latency.P99 }
	group := report.Group{Title: f.title}
	for _, v := range f.variants {
		group.Bars = append(group.Bars, report.Bar{Name: v, Value: figure(v, perMillion)})
	}
	b.groups = append(b.groups, group)
	late := figure(floor, func(res *load.FanoutResult) float64 { return res.Late })
	var rows []report.Row
	for _, g := range f.goals {
		row := report.Row{Scenario: f.title, Goal: report.Goal{AtMost: g.atMost}}
		if g.baseline == "" {
			row.Figure, row.Value = "p99, ms ("+g.variant+")", figure(g.variant, p99)
		} else {
			row.Figure, row.Value = "CPU s per million ("+g.variant+")", figure(g.variant, perMillion)
			row.Baseline, row.BaselineValue, row.Goal.Ratio = g.baseline, figure(g.baseline, perMillion), true
			if g.baseline == floor && late.Median > lateFloor {
				row.Note = fmt.Sprintf("The floor began writing up to %s ms late: it did not get the processor in time, and writes in haste cost less or more.", late)
			}
		}
		rows = append(rows, row)
	}
	for _, v := range f.variants { // latencies without a goal, for the reader
		shown := false
		for _, g := range f.goals {
			shown = shown || g.baseline == "" && g.variant == v
		}
		if !shown {
			rows = append(rows, report.Row{Scenario: f.title, Figure: "p99, ms (" + v + ")", Value: figure(v, p99)})
		}
	}
	return rows
}

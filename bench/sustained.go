package main

import (
	"context"
	"fmt"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/report"
)

// sustainedP99 is how late a delivery may be, in milliseconds, for a rate to count as sustained.
const sustainedP99 = 250

// search looks for the highest rate of deliveries that one variant sustains.
type search struct {
	*fanout
	b       *bench
	variant string
	event   []byte
}

func runSustained(ctx context.Context, b *bench) ([]report.Row, error) {
	f := &fanout{name: "sustained", title: "highest sustained rate, 1,000 followers", rooms: 1, followers: b.size.count(1000, 50), publishers: 16}
	variants := []string{asIs, noWindow, hub}
	rates, cpu := map[string][]float64{}, map[string][]float64{}
	var event []byte
	for range pick(b.size, 1, 1, 3) {
		for _, v := range variants {
			s := &search{fanout: f, b: b, variant: v, event: event}
			rate, best, err := s.run(ctx)
			if err != nil {
				return nil, err
			}
			if v == asIs {
				event = s.event
			}
			b.say("    %-15s sustains %.0f/s, at %.2f CPU s/M, p99 %.0f ms", v, rate, perMillion(best), best.Latency.P99)
			rates[v], cpu[v] = append(rates[v], rate), append(cpu[v], perMillion(best))
		}
	}
	group := report.Group{Title: f.title, Unit: "deliveries/s"}
	for _, v := range variants {
		group.Bars = append(group.Bars, report.Bar{Name: v, Value: report.SpreadOf(rates[v]...)})
	}
	b.groups = append(b.groups, group)
	row := func(v string, goal report.Goal, note string) report.Row {
		return report.Row{Scenario: f.title, Figure: "deliveries/s (" + v + ")", Value: report.SpreadOf(rates[v]...), Baseline: hub, BaselineValue: report.SpreadOf(rates[hub]...), Goal: goal, Note: note}
	}
	return []report.Row{
		row(asIs, report.Goal{AtLeast: 4, Ratio: true}, "Everything arrives, nobody is disconnected, p99 under 250 ms from the due time. Found by doubling, then halving; the load shares the processors."),
		row(noWindow, report.Goal{}, ""),
		{Scenario: f.title, Figure: "CPU s per million at that rate", Value: report.SpreadOf(cpu[asIs]...), Baseline: hub, BaselineValue: report.SpreadOf(cpu[hub]...)},
	}, nil
}

// run doubles the rate until it is too much, then halves the distance.
func (s *search) run(ctx context.Context) (rate float64, best *load.FanoutResult, err error) {
	low, high := 0.0, 0.0
	for next := pick(s.b.size, 20_000.0, 200_000.0, 100_000.0); ; next *= 2 {
		res, why := s.probe(ctx, next)
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		if why != "" {
			high = next
			if best == nil && next < 1000 {
				return 0, nil, fmt.Errorf("%s: does not sustain %.0f deliveries/s: %s", s.variant, next, why)
			}
			if best == nil { // begin lower
				next /= 8
				continue
			}
			break
		}
		low, best = next, res
		if s.b.size.smoke || high > 0 && 2*next >= high {
			break
		}
	}
	for range pick(s.b.size, 0, 2, 4) {
		middle := (low + high) / 2
		res, why := s.probe(ctx, middle)
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		if why != "" {
			high = middle
		} else {
			low, best = middle, res
		}
	}
	return low, best, nil
}

// probe tells why a rate is not sustained; "" if it is. It tries twice: what else the machine does for a
// moment shall not end the search.
func (s *search) probe(ctx context.Context, rate float64) (*load.FanoutResult, string) {
	res, why := s.try(ctx, rate)
	if why != "" && !s.b.size.smoke && ctx.Err() == nil {
		res, why = s.try(ctx, rate)
	}
	return res, why
}

func (s *search) try(ctx context.Context, rate float64) (*load.FanoutResult, string) {
	res, err := s.measure(ctx, s.b, s.variant, s.event, rate/float64(s.followers), s.b.size.phase)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case lost(res) != "":
		why = lost(res)
	case res.Latency.P99 >= sustainedP99:
		why = fmt.Sprintf("p99 is %.0f ms", res.Latency.P99)
	}
	if err == nil {
		if s.variant != hub && len(res.Event) > 0 {
			s.event = res.Event
		}
		res.Event = nil
		s.b.keep(s.name, fmt.Sprintf("%s at %.0f/s", s.variant, rate), res)
		s.b.say("      %-15s %9.0f/s: %.2f CPU s/M, p99 %.1f ms, load late by %.0f ms%s %s", s.variant, rate, perMillion(res), res.Latency.P99, res.Late, s.b.others(res.Usage), why)
	} else {
		s.b.say("      %-15s %9.0f/s: %s", s.variant, rate, why)
	}
	return res, why
}

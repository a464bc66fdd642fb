package main

import "time"

// size is how much is measured: the smoke form only shows that nothing is broken.
type size struct {
	name   string
	repeat int           // how often each variant is measured
	phase  time.Duration // how long
	warmup time.Duration
	large  bool // measure longer and more where a figure needs it
	smoke  bool
}

var (
	smokeSize = size{name: "smoke", repeat: 1, phase: 150 * time.Millisecond, warmup: 50 * time.Millisecond, smoke: true}
	shortSize = size{name: "short", repeat: 2, phase: 1500 * time.Millisecond, warmup: 300 * time.Millisecond}
	fullSize  = size{name: "full", repeat: 5, phase: 5 * time.Second, warmup: time.Second, large: true}
)

// count is n, and few in a smoke run.
func (s size) count(n, few int) int {
	if s.smoke {
		return min(n, few)
	}
	return n
}

// pick is one of three.
func pick[T any](s size, smoke, short, full T) T {
	switch {
	case s.smoke:
		return smoke
	case s.large:
		return full
	default:
		return short
	}
}

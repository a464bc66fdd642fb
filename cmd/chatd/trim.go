package main

import (
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

// A burst, of people who come back at once, say, leaves garbage that the runtime collects only when
// as much again has been made, or after minutes, and keeps for the next one. A server that has
// become quiet collects it at once and gives it back.
const (
	trimInterval = 2 * time.Second
	trimQuiet    = 2 << 20 // bytes allocated within an interval, at most
	trimWorth    = 8 << 20 // bytes allocated since the last time, at least
)

// spareHeap is how much a small heap may grow between collections besides its own size, the less the
// larger it is: collecting a few megabytes each time as many have been made would cost a tenth of the processors.
const spareHeap = 12 << 20

// leastLimit is where the runtime begins to collect more often than its pace asks for, so that what a
// flood of strangers leaves behind does not double what it needs. What is in use may go beyond.
const leastLimit = 300 << 20

// trimmer decides when.
type trimmer struct {
	samples []gometrics.Sample
	pace    func(percent int) // nil: the operator has set GOGC
	limit   func(bytes int64) // nil: the operator has set GOMEMLIMIT
	looked  uint64            // bytes allocated when it looked last
	trimmed uint64            // and when memory was given back
	free    func()
}

// giveBack collects twice: pools of buffers outlive one collection, and stacks shrink by half at each.
func giveBack() {
	runtime.GC()
	debug.FreeOSMemory()
}

func newTrimmer() *trimmer {
	t := &trimmer{samples: []gometrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}, free: giveBack}
	if os.Getenv("GOGC") == "" {
		t.pace = func(percent int) { debug.SetGCPercent(percent) }
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		t.limit = func(bytes int64) { debug.SetMemoryLimit(bytes) }
	}
	return t
}

// look is called once an interval.
func (t *trimmer) look() {
	gometrics.Read(t.samples)
	allocated, live := t.samples[0].Value.Uint64(), t.samples[1].Value.Uint64()
	quiet := allocated-t.looked <= trimQuiet
	t.looked = allocated
	if t.pace != nil {
		t.pace(100 + int(100*(spareHeap-min(live/2, spareHeap))/max(live, 4<<20)))
	}
	if t.limit != nil {
		t.limit(max(leastLimit, int64(live+live/2+t.samples[2].Value.Uint64())))
	}
	if quiet && allocated-t.trimmed >= max(trimWorth, live/4) {
		t.trimmed = allocated
		t.free()
	}
}

// run looks until stop is closed.
func (t *trimmer) run(stop <-chan struct{}) {
	t.look()
	ticker := time.NewTicker(trimInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.look()
		case <-stop:
			return
		}
	}
}

package main

import "time"

// progress is a line on a terminal that shows how far something has come.
type progress struct {
	p     *printer // nil: nowhere to show
	next  time.Time
	shown bool
}

const progressEvery = 200 * time.Millisecond

func (c *cli) newProgress() *progress {
	if !c.talk.tty || c.quiet {
		return &progress{}
	}
	return &progress{p: c.talk, next: time.Now().Add(progressEvery)}
}

// at is show for what moves fast: what comes too soon is not even made.
func (g *progress) at(line func() string) {
	if g.p == nil || time.Now().Before(g.next) {
		return
	}
	g.next = time.Now().Add(progressEvery)
	g.show(line())
}

func (g *progress) show(line string) {
	if g.p == nil {
		return
	}
	g.shown = true
	g.p.printf("\r\x1b[K%s", line)
	_ = g.p.Flush() // if stderr is gone there is nobody to tell
}

// clear takes the line away again.
func (g *progress) clear() {
	if g.shown {
		g.shown = false
		g.p.raw("\r\x1b[K")
		_ = g.p.Flush() // if stderr is gone there is nobody to tell
	}
}

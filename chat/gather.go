package chat

import "time"

// gatherer decides whether a commit waits a moment for more. A sync costs the processors and the disk
// the same for one post as for fifty. Who has just posted often does so again when they have their answer, and
// where many post, others do too: so a commit waits for those who posted a moment ago, until half of them
// wait with it or gatherTime has passed; the other half is then being answered, or on its way. A single poster, pipelining
// or not, and two who take turns are never waited for, and where waiting has gained nothing it is tried less and less.
//
// Everything in it is guarded by the lane's mu.
type gatherer struct {
	recent  []*poster // who has posted within gatherWindow, about
	waiting int       // how many of them have an entry in the queue
	target  int       // the commit waits until so many do; 0: it does not wait
	skip    int       // so many commits do not wait
	idle    int       // how often waiting gained nothing, in a row, as a power of two
}

const (
	gatherTime   = 2 * time.Millisecond
	gatherWindow = 10 * time.Millisecond
	gatherMost   = 16 // entries: as many as make the sync cheap
	gatherPause  = 6  // at most 2^gatherPause commits between two attempts that gain nothing
)

// poster is what a gatherer knows of a session.
type poster struct {
	last    time.Time // when it posted last
	listed  bool      // in recent
	waiting bool      // it has an entry in the queue
}

// poster is what l knows of the session.
func (s *Session) poster(l *lane) *poster {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posters == nil {
		s.posters = make([]poster, len(s.svc.lanes))
	}
	return &s.posters[l.number]
}

// arrived notes that p has queued an entry.
func (g *gatherer) arrived(p *poster, now time.Time) {
	p.last = now
	if !p.listed {
		p.listed = true
		g.recent = append(g.recent, p)
	}
	if !p.waiting {
		p.waiting = true
		g.waiting++
	}
}

// enough tells that the commit waits and need not any longer.
func (g *gatherer) enough(queued int) bool {
	return g.target > 0 && (g.waiting >= g.target || queued >= gatherMost)
}

// begin decides whether to wait, with so many entries in the queue.
func (g *gatherer) begin(queued int, now time.Time) bool {
	keep := g.recent[:0]
	for _, p := range g.recent {
		if p.listed = p.waiting || now.Sub(p.last) < gatherWindow; p.listed {
			keep = append(keep, p)
		}
	}
	clear(g.recent[len(keep):])
	g.recent = keep
	target := (len(g.recent) + 1) / 2
	switch {
	case g.waiting == 0 || g.waiting >= target || queued >= gatherMost:
		return false
	case g.skip > 0:
		g.skip--
		return false
	}
	g.target = target
	return true
}

// end notes what waiting has gained.
func (g *gatherer) end(gained int) {
	g.target = 0
	if gained > 0 {
		g.idle = 0
		return
	}
	g.idle = min(g.idle+1, gatherPause)
	g.skip = 1 << g.idle
}

// taken notes that the entries of these posters have left the queue.
func (g *gatherer) taken(batch []*Entry) {
	for _, e := range batch {
		if e.poster != nil && e.poster.waiting {
			e.poster.waiting = false
			g.waiting--
		}
	}
}

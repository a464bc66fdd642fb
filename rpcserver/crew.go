package rpcserver

import "sync"

// crew runs functions on goroutines of which it keeps a few that have nothing to do: their stacks have grown,
// which costs a new goroutine that greets somebody or reads from the store more than anything else it does.
type crew struct {
	mu     sync.Mutex
	idle   []chan func() // each 1 deep; the last to have come to rest is the first to work
	closed bool
}

// crewRest is how many are kept.
const crewRest = 16

// run runs f on a goroutine other than the caller's, and does not wait for it.
func (c *crew) run(f func()) {
	c.mu.Lock()
	last := len(c.idle) - 1
	if last < 0 {
		c.mu.Unlock()
		go c.work(f) // ends when enough others rest, or by close
		return
	}
	next := c.idle[last]
	c.idle = c.idle[:last]
	c.mu.Unlock()
	next <- f
}

func (c *crew) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !c.rest(next) {
			return
		}
		f = <-next
	}
}

// rest tells whether one who has done its work is kept.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= crewRest {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// close sends those home who have nothing to do; the others go when they are done.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, next := range c.idle {
		next <- nil
	}
	c.idle = nil
}

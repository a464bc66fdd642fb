package chatclient

import "sync"

// tally counts what has no answer yet, so that Shutdown can wait for it. Its zero value is ready.
type tally struct {
	mu     sync.Mutex // guards what follows
	count  int
	closed bool
	empty  chan struct{} // made by shut; closed when count is 0
}

// begin counts one more; it reports false after shut.
func (t *tally) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.count++
	return true
}

// end counts n off.
func (t *tally) end(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count -= n
	if t.closed && n > 0 && t.count == 0 {
		close(t.empty)
	}
}

// shut takes no more; what it returns is closed when nothing is left.
func (t *tally) shut() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		t.empty = make(chan struct{})
		if t.count == 0 {
			close(t.empty)
		}
	}
	return t.empty
}

package chatclient

// signal wakes all who wait, once. It is guarded by its owner's mutex.
type signal struct{ ch chan struct{} }

// wait returns what the next fire closes.
func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

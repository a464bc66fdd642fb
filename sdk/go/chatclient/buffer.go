package chatclient

// buffer holds notifications for the consumer, bounded in number and bytes. Its owner's mutex guards it.
type buffer struct {
	items []Notification
	sizes []int
	bytes int
	limit int  // items; the bytes are bounded by maxEventBytes
	full  bool // was full and is not yet half empty: events are refused
	more  signal
}

// hasRoom tells whether a notification that may be dropped is worth adding.
func (b *buffer) hasRoom() bool { return !b.full && len(b.items) < b.limit/2+1 }

// put adds n, of about size bytes. It reports false when the buffer is full, or was full and has not been relieved yet.
func (b *buffer) put(n Notification, size int) bool {
	if b.full || len(b.items) > 0 && b.bytes+size > maxEventBytes {
		b.full = true
		return false
	}
	b.force(n, size)
	return true
}

// force adds what may not be dropped: a few notifications for each opening of a room. There is none while the
// buffer is full, so they are bounded, too.
func (b *buffer) force(n Notification, size int) {
	b.items = append(b.items, n)
	b.sizes = append(b.sizes, size)
	b.bytes += size
	if len(b.items) >= b.limit {
		b.full = true
	}
	b.more.fire()
}

// take removes the first; nil if there is none. relieved tells that the buffer was full and has room now.
func (b *buffer) take() (n Notification, relieved bool) {
	if len(b.items) == 0 {
		return nil, false
	}
	n = b.items[0]
	b.items[0] = nil
	b.bytes -= b.sizes[0]
	b.items, b.sizes = b.items[1:], b.sizes[1:]
	if len(b.items) > 0 {
		b.more.fire() // another consumer may wait
	}
	if b.full && len(b.items) <= b.limit/2 && b.bytes <= maxEventBytes/2 {
		b.full = false
		relieved = true
	}
	return n, relieved
}

func (b *buffer) clear() {
	b.items, b.sizes, b.bytes = nil, nil, 0
}

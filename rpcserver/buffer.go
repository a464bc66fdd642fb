package rpcserver

import "sync"

// buffer is bytes to be used again. Who gets one gives it back when nothing refers to its bytes.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 1024)} }}

func getBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.b = b.b[:0]
	return b
}

func putBuffer(b *buffer) {
	if b != nil && cap(b.b) <= maxPooled {
		buffers.Put(b)
	}
}

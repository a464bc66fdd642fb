package rpcserver

import (
	"sort"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// block is ready frames in a row, each with its number. Bytes that are in it do not change. A nil
// block is empty.
type block struct {
	frames []byte
	seqs   []api.Seq // ascending
	ends   []int     // where each frame ends
}

// blocks keeps blocks for reuse: a flush is short, and each has two.
var blocks = sync.Pool{New: func() any { return new(block) }}

func newBlock() *block {
	return blocks.Get().(*block)
}

// recycle gives b back; nobody may hold its bytes.
func (b *block) recycle() {
	if b == nil || cap(b.frames) > 4*flushBytes {
		return
	}
	b.frames, b.seqs, b.ends = b.frames[:0], b.seqs[:0], b.ends[:0]
	blocks.Put(b)
}

// eventOverhead is what the notification adds to a record.
var eventOverhead = len(api.AppendRoomEvent(nil, nil))

func (b *block) addEvent(seq api.Seq, record []byte) {
	b.frames = appendEvent(b.frames, record)
	b.note(seq)
}

// appendEvent appends a record as the frame of a room.event notification.
func appendEvent(dst, record []byte) []byte {
	dst = appendTextHead(dst, eventOverhead+len(record))
	return api.AppendRoomEvent(dst, record)
}

func (b *block) add(seq api.Seq, msg []byte) {
	b.frames = appendTextHead(b.frames, len(msg))
	b.frames = append(b.frames, msg...)
	b.note(seq)
}

func (b *block) note(seq api.Seq) {
	b.seqs = append(b.seqs, seq)
	b.ends = append(b.ends, len(b.frames))
}

func (b *block) empty() bool { return b == nil || len(b.seqs) == 0 }

// last is the number of the last frame of a block that is not empty.
func (b *block) last() api.Seq { return b.seqs[len(b.seqs)-1] }

// after gives the frames whose number is greater than seq.
func (b *block) after(seq api.Seq) []byte {
	if b.empty() {
		return nil
	}
	frames, _ := b.between(0, len(b.seqs), seq)
	return frames
}

// between gives those of the frames from..to-1 whose number is greater than seq, and how many.
func (b *block) between(from, to int, seq api.Seq) (frames []byte, n int) {
	if from == to || b.seqs[to-1] <= seq {
		return nil, 0
	}
	if b.seqs[from] <= seq {
		from += sort.Search(to-from, func(i int) bool { return b.seqs[from+i] > seq })
	}
	return b.frames[b.start(from):b.ends[to-1]], to - from
}

func (b *block) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.ends[i-1]
}

// segment gives the end of a run of frames from from on that holds about flushBytes, at least one frame.
func (b *block) segment(from int) (to int) {
	start := b.start(from)
	if b.ends[len(b.ends)-1]-start <= flushBytes {
		return len(b.ends)
	}
	to = from + sort.Search(len(b.ends)-from, func(i int) bool { return b.ends[from+i]-start > flushBytes })
	return max(to, from+1)
}

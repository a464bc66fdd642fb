package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// loadRoom is what all followers of a room agree on: who sees an event first keeps it, the others
// compare, and in the end the log has to be the same.
type loadRoom struct {
	name  string
	begin time.Time // texts say when after it they were sent

	events [1 << 17]atomic.Pointer[loadEvent] // by seq
	acks   sync.Map                           // seq → text
	acked  atomic.Int64
	newest atomic.Int64 // seq that was acknowledged
	bytes  atomic.Int64 // of frames of events that were acknowledged, about
}

type loadEvent struct {
	record []byte
	sent   time.Time // zero: nobody's post
}

func loadNewRoom(name string) *loadRoom { return &loadRoom{name: name, begin: time.Now()} }

// text is a message that says when it was sent.
func (r *loadRoom) text(size int) string {
	head := strconv.FormatInt(int64(time.Since(r.begin)), 10) + " "
	return head + strings.Repeat("x", max(0, size-len(head)))
}

// posted notes an acknowledgement.
func (r *loadRoom) posted(seq api.Seq, text string) error {
	if before, twice := r.acks.LoadOrStore(seq, text); twice {
		return fmt.Errorf("seq %d acknowledges both %.20q and %.20q", seq, before, text)
	}
	const overhead = 230
	r.bytes.Add(int64(len(text) + overhead))
	r.acked.Add(1)
	for old := r.newest.Load(); old < int64(seq) && !r.newest.CompareAndSwap(old, int64(seq)); old = r.newest.Load() {
	}
	return nil
}

// take compares what a follower got as seq.
func (r *loadRoom) take(seq api.Seq, record []byte) (*loadEvent, error) {
	slot := &r.events[seq]
	e := slot.Load()
	if e == nil || !bytes.Equal(e.record, record) {
		got, err := loadParse(record, r.begin)
		switch {
		case err != nil:
			return nil, err
		case got.seq != seq:
			return nil, fmt.Errorf("a hole: seq %d came, %d was due", got.seq, seq)
		case e == nil && slot.CompareAndSwap(nil, &got.loadEvent):
		}
		if e = slot.Load(); !bytes.Equal(e.record, record) {
			return nil, fmt.Errorf("seq %d is %s here and %s elsewhere", seq, record, e.record)
		}
	}
	return e, nil
}

type loadParsed struct {
	loadEvent
	seq api.Seq
}

func loadParse(record []byte, begin time.Time) (*loadParsed, error) {
	var e api.Event
	if err := json.Unmarshal(record, &e); err != nil {
		return nil, fmt.Errorf("no event: %w: %s", err, record)
	}
	got := &loadParsed{seq: e.Seq, loadEvent: loadEvent{record: bytes.Clone(record)}}
	if payload, err := e.Payload(); err == nil {
		if m, ok := payload.(*api.MessagePosted); ok {
			nanos, _, _ := strings.Cut(m.Text, " ")
			if n, err := strconv.ParseInt(nanos, 10, 64); err == nil {
				got.sent = begin.Add(time.Duration(n))
			}
		}
	}
	return got, nil
}

// check compares all that was seen and acknowledged with the log, and gives its head.
func (r *loadRoom) check(t testing.TB, c *chatclient.Client) (head api.Seq) {
	t.Helper()
	limit := int64(200)
	acked := 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), loadPatience)
		after := head
		page, err := c.RoomHistory(ctx, &api.RoomHistoryParams{Room: r.name, After: &after, Limit: &limit})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			e := &page.Events[i]
			if head++; e.Seq != head {
				t.Fatalf("room %s: the log has seq %d where %d was due", r.name, e.Seq, head)
			}
			if seen := r.events[head].Load(); seen != nil && !bytes.Equal(seen.record, e.Raw) {
				t.Errorf("room %s: followers got %s where the log has %s", r.name, seen.record, e.Raw)
			}
			if text, ok := r.acks.Load(head); ok {
				acked++
				if payload, err := e.Payload(); err != nil || payload.(*api.MessagePosted).Text != text {
					t.Errorf("room %s: seq %d was acknowledged for %.20q, the log has %s", r.name, head, text, e.Raw)
				}
			}
		}
		if !page.HasMoreAfter {
			break
		}
	}
	if int64(acked) != r.acked.Load() {
		t.Errorf("room %s: %d posts were acknowledged, the log has %d of them", r.name, r.acked.Load(), acked)
	}
	return head
}

// loadFollower follows a room from its beginning, and may post.
type loadFollower struct {
	wire    *loadWire
	room    *loadRoom
	replies chan string // 1 deep: one post at a time is under way

	next    atomic.Int64 // seq that is due
	stalled atomic.Bool  // to read nothing until it is false
	gulp    atomic.Int64 // read no more than so much at once, and then rest; 0: read on
	times   [3]loadTimes // by phase
	phase   *atomic.Int32

	// When run has ended.

	closing string // the last session.closing
	code    int    // of the close frame; 0: none came
	err     error
}

// loadFollow opens a connection that follows room after seq after.
func loadFollow(d *loadDialer, token string, room *loadRoom, after api.Seq, phase *atomic.Int32) (*loadFollower, error) {
	w, err := d.open("Authorization: Bearer " + token)
	if err != nil {
		return nil, err
	}
	f := &loadFollower{wire: w, room: room, replies: make(chan string, 1), phase: phase}
	f.next.Store(int64(after) + 1)
	if err := w.send(loadRequest(1, api.MethodSyncOpen, fmt.Sprintf(`{"rooms":[{"room":%q,"after":%d}],"signals":false}`, room.name, after))); err != nil {
		return nil, errors.Join(err, w.sock.Close())
	}
	reply, err := w.answer(loadPatience)
	if err == nil && strings.Contains(reply, `"error"`) {
		err = errors.New(reply)
	}
	if err != nil {
		return nil, errors.Join(err, w.sock.Close())
	}
	return f, nil
}

var loadEventHead = []byte(`{"jsonrpc":"2.0","method":"room.event","params":`)

// stall lets f read nothing more, or go on.
func (f *loadFollower) stall(on bool) {
	f.stalled.Store(on)
	if on {
		_ = f.wire.sock.SetReadDeadline(time.Now()) // wakes it
	}
}

// await waits until f has seen seq.
func (f *loadFollower) await(t testing.TB, who string, seq api.Seq) {
	t.Helper()
	for deadline := time.Now().Add(loadPatience); f.next.Load() <= int64(seq); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s waits for seq %d of %s, the head is %d", who, f.next.Load(), f.room.name, seq)
		}
	}
}

// run reads until the connection ends. Each event has to be the next one, and as everybody sees it.
func (f *loadFollower) run() {
	const gulpRest = 100 * time.Millisecond
	for {
		for f.stalled.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		f.wire.buf = f.wire.buf[:cap(f.wire.buf)]
		if gulp := int(f.gulp.Load()); gulp > 0 {
			time.Sleep(gulpRest)
			f.wire.buf = f.wire.buf[:max(gulp, f.wire.to)] // fill makes it longer if a frame needs it
		}
		_ = f.wire.sock.SetReadDeadline(time.Time{})
		if f.stalled.Load() {
			continue
		}
		err := f.wire.fill()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		for err == nil {
			op, payload, ok := f.wire.ahead()
			if !ok {
				break
			}
			err = f.take(op, payload)
		}
		if err != nil {
			f.err = err
			close(f.replies)
			return
		}
	}
}

func (f *loadFollower) take(op byte, payload []byte) error {
	switch {
	case op == loadPing:
		return f.wire.write(loadFrame(nil, loadFinal|loadPong, payload))
	case op == loadClose:
		f.code = loadCloseCode(payload)
		return fmt.Errorf("closed with %d %s", f.code, payload[min(2, len(payload)):])
	case bytes.HasPrefix(payload, loadEventHead):
		seq := f.next.Load()
		e, err := f.room.take(api.Seq(seq), payload[len(loadEventHead):len(payload)-1])
		if err != nil {
			return err
		}
		if !e.sent.IsZero() {
			f.times[f.phase.Load()].add(f.wire.came.Sub(e.sent))
		}
		f.next.Store(seq + 1)
	case bytes.HasPrefix(payload, []byte(`{"jsonrpc":"2.0","id":`)):
		select {
		case f.replies <- string(payload):
		default:
			return fmt.Errorf("an answer that nobody waits for: %s", payload)
		}
	case bytes.Contains(payload, []byte(`"`+api.NotifySessionClosing+`"`)):
		f.closing = string(payload)
	case bytes.Contains(payload, []byte(`"`+api.NotifySyncGap+`"`)):
		return fmt.Errorf("a gap: %s", payload)
	}
	return nil
}

// post posts and waits for the acknowledgement.
func (f *loadFollower) post(id, size int) (took time.Duration, err error) {
	text := f.room.text(size)
	begin := time.Now()
	if err := f.wire.send(loadRequest(id, api.MethodMessagePost, fmt.Sprintf(`[%q,%q]`, f.room.name, text))); err != nil {
		return 0, err
	}
	select {
	case reply, ok := <-f.replies:
		var r struct {
			ID     int
			Result *api.MessagePostResult
		}
		if !ok {
			return 0, errors.New("the connection has ended")
		}
		if err := json.Unmarshal([]byte(reply), &r); err != nil || r.ID != id || r.Result == nil {
			return 0, fmt.Errorf("answered: %s", reply)
		}
		return time.Since(begin), f.room.posted(r.Result.Seq, text)
	case <-time.After(loadPatience):
		return 0, errors.New("no acknowledgement came")
	}
}

// loadTimes counts times in buckets of 2 %.
type loadTimes struct{ counts [1024]uint32 }

const loadOctave = 36

func (h *loadTimes) add(d time.Duration) {
	i := int(loadOctave * math.Log2(max(1, float64(d)/float64(time.Microsecond))))
	h.counts[min(i, len(h.counts)-1)]++
}

func (h *loadTimes) merge(other *loadTimes) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// at gives the q-th part: 0.99.
func (h *loadTimes) at(q float64) time.Duration {
	total := 0.0
	for _, n := range h.counts {
		total += float64(n)
	}
	rest := q * total
	for i, n := range h.counts {
		if rest -= float64(n); rest <= 0 && total > 0 {
			return time.Duration(math.Exp2(float64(i+1)/loadOctave) * float64(time.Microsecond)).Round(10 * time.Microsecond)
		}
	}
	return 0
}

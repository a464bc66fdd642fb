package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// diskPatience is how long an answer, or a process's end, may take here.
const diskPatience = 20 * time.Second

// diskWriter posts on one connection, a few posts at a time, and remembers what was not acknowledged.
type diskWriter struct {
	o          *oracle.Oracle
	room, user string
	token      string
	window     int
	run        int // texts of another run are others

	conn    *streamConn // nil: none
	n       int         // posts made
	open    []*diskPost // neither acknowledged nor refused for good
	acked   []*diskPost
	refused int // answers that said unavailable
	head    api.Seq
}

type diskPost struct {
	params api.MessagePostParams
	send   *oracle.Send
}

// dial connects.
func (w *diskWriter) dial(s *rig.Server) (err error) {
	w.hangUp()
	w.conn, err = streamDial(s.Addr(), w.token)
	return err
}

func (w *diskWriter) hangUp() {
	if w.conn != nil {
		w.conn.nc.Close()
		w.conn = nil
	}
}

// make makes n posts that are not sent yet; each text has so many bytes besides its number.
func (w *diskWriter) make(n int, text string) []*diskPost {
	posts := make([]*diskPost, n)
	for i := range posts {
		w.n++
		p := &diskPost{params: api.MessagePostParams{Room: w.room, Text: fmt.Sprintf("%s-%d-%d%s", w.user, w.run, w.n, text), IdempotencyKey: fmt.Sprintf("%s-%d-%d", w.user, w.run, w.n)}}
		posts[i] = p
	}
	return posts
}

// post sends posts, window at a time. Those without an acknowledgement are in open afterwards. An error means
// that the connection is lost, or that an answer was wrong: *api.Error.
func (w *diskWriter) post(posts []*diskPost) error {
	flying := map[int64]*diskPost{}
	defer func() {
		for _, p := range flying {
			w.open = append(w.open, p)
		}
	}()
	for len(posts) > 0 || len(flying) > 0 {
		for len(posts) > 0 && len(flying) < w.window {
			p := posts[0]
			posts = posts[1:]
			if p.send == nil {
				p.send = w.o.Sent(p.params.Room, w.user, p.params.IdempotencyKey, p.params.Text)
			}
			flying[w.conn.ask(api.MethodMessagePost, string(p.params.AppendJSON(nil)))] = p
		}
		if len(w.conn.out) > 0 {
			if err := w.conn.flush(); err != nil {
				return err
			}
		}
		if err := w.answer(flying); err != nil {
			return err
		}
	}
	return nil
}

// answer reads one message.
func (w *diskWriter) answer(flying map[int64]*diskPost) error {
	if err := w.conn.nc.SetReadDeadline(time.Now().Add(diskPatience)); err != nil {
		return err
	}
	m, err := w.conn.next()
	if err != nil {
		return err
	}
	p := flying[m.id]
	if m.method != nil || p == nil {
		return nil
	}
	delete(flying, m.id)
	if m.refusal != nil {
		w.open = append(w.open, p) // whether it took effect is not said
		if err := streamRefusal(m.refusal); !errors.Is(err, api.ErrUnavailable) {
			return err
		}
		w.refused++
		return nil
	}
	r := new(api.MessagePostResult)
	if err := json.Unmarshal(m.body, r); err != nil {
		return err
	}
	p.send.Acked(r)
	w.acked = append(w.acked, p)
	w.head = max(w.head, r.Seq)
	return nil
}

// again sends once more what is open, and a few posts that are known.
func (w *diskWriter) again() error {
	posts := append(w.open, w.acked[max(0, len(w.acked)-2):]...)
	w.open = nil
	return w.post(posts)
}

var errUnread = errors.New("what was acknowledged cannot be read")

// reads checks that the room can be read to where its last acknowledgement was.
func (w *diskWriter) reads() error {
	after := max(0, w.head-10)
	page, err := (&diskReader{w.conn}).RoomHistory(context.Background(), &api.RoomHistoryParams{Room: w.room, After: &after})
	if err == nil && page.Head.Seq < w.head {
		err = fmt.Errorf("%w: %s was answered with seq %d, and reads that the head is %d", errUnread, w.user, w.head, page.Head.Seq)
	}
	return err
}

// diskReader is an oracle.Reader on a connection.
type diskReader struct{ conn *streamConn }

func (r *diskReader) RoomGet(_ context.Context, p *api.RoomGetParams) (*api.RoomGetResult, error) {
	return diskCall[api.RoomGetResult](r.conn, api.MethodRoomGet, p)
}

func (r *diskReader) MemberList(_ context.Context, p *api.MemberListParams) (*api.MemberListResult, error) {
	return diskCall[api.MemberListResult](r.conn, api.MethodMemberList, p)
}

func (r *diskReader) RoomHistory(_ context.Context, p *api.RoomHistoryParams) (*api.RoomHistoryResult, error) {
	return diskCall[api.RoomHistoryResult](r.conn, api.MethodRoomHistory, p)
}

func diskCall[R any](conn *streamConn, method string, p interface{ AppendJSON([]byte) []byte }) (*R, error) {
	if err := conn.nc.SetReadDeadline(time.Now().Add(diskPatience)); err != nil {
		return nil, err
	}
	r := new(R)
	if err := conn.call(method, string(p.AppendJSON(nil)), r); err != nil {
		return nil, err
	}
	return r, nil
}

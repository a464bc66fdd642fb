package torture

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// streamPoster posts on one connection with many posts unanswered, each told to the oracle.
type streamPoster struct {
	conn   *streamConn
	window int
	rooms  []streamRoom
	lines  []*oracle.Pipeline // one a room
	name   string             // its texts begin with it: no two posters have the same
	keyed  int                // every so manieth post has a key and is sent twice; 0: none
	pad    string             // more text

	slots  []streamSlot // by request id
	flying int
	params []byte
}

// streamSlot is a post on its way.
type streamSlot struct {
	send  *oracle.Send // nil: free
	again bool         // has been sent before, under its key
}

// streamRoom is a room that streams come from.
type streamRoom struct {
	id   api.RoomID
	name string
}

func newStreamPoster(o *oracle.Oracle, conn *streamConn, user, name string, window int, rooms []streamRoom) *streamPoster {
	p := &streamPoster{conn: conn, window: window, rooms: rooms, name: name, slots: make([]streamSlot, 4*window)}
	for _, r := range rooms {
		p.lines = append(p.lines, o.Pipeline(r.name, user))
	}
	return p
}

// run posts n messages, to its rooms in turn, until more says no; nil never does. It returns when all are answered.
func (p *streamPoster) run(n int, more func() bool) error {
	for sent := 0; sent < n || p.flying > 0; {
		for sent < n && p.flying < p.window && p.slot(p.conn.id+1).send == nil && p.slot(p.conn.id+2).send == nil {
			if more != nil && !more() {
				n = sent
				break
			}
			p.post(sent)
			sent++
		}
		if len(p.conn.out) > 0 {
			if err := p.conn.flush(); err != nil {
				return err
			}
		}
		if err := p.conn.nc.SetDeadline(time.Now().Add(rig.Patience)); err != nil {
			return err
		}
		for p.flying > 0 {
			m, err := p.conn.next()
			if err == nil {
				err = p.answer(&m)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if p.conn.br.Buffered() == 0 {
				break
			}
		}
	}
	return nil
}

func (p *streamPoster) slot(id int64) *streamSlot { return &p.slots[id%int64(len(p.slots))] }

// post sends the nth post, twice if it has a key.
func (p *streamPoster) post(n int) {
	i := n % len(p.rooms)
	text := p.name + " " + strconv.Itoa(n) + p.pad
	b := append(p.params[:0], `{"room":"`...)
	b = append(b, p.rooms[i].id...)
	b = append(append(b, `","text":"`...), text...)
	key := ""
	if p.keyed > 0 && n%p.keyed == 0 {
		key = "k-" + p.name + "-" + strconv.Itoa(n)
		b = append(append(b, `","idempotency_key":"`...), key...)
	}
	p.params = append(b, `"}`...)
	send := p.lines[i].Sent(key, text)
	*p.slot(p.conn.ask(api.MethodMessagePost, string(p.params))) = streamSlot{send: send}
	p.flying++
	if key != "" {
		*p.slot(p.conn.ask(api.MethodMessagePost, string(p.params))) = streamSlot{send: send, again: true}
		p.flying++
	}
}

func (p *streamPoster) answer(m *streamMsg) error {
	if m.method != nil {
		return fmt.Errorf("%s came to who follows nothing", m.method)
	}
	s := p.slot(m.id)
	switch {
	case s.send == nil:
		return fmt.Errorf("an answer to %d, which nobody asked", m.id)
	case m.refusal != nil:
		return streamRefusal(m.refusal)
	}
	var r api.MessagePostResult
	if err := streamPosted(m.body, &r); err != nil {
		return err
	}
	if r.Duplicate && !s.again {
		return fmt.Errorf("seq %d: a first attempt is called a duplicate", r.Seq)
	}
	s.send.Acked(&r)
	*s = streamSlot{}
	p.flying--
	return nil
}

var errNoResult = errors.New("not a result of message.post")

// streamPosted reads the result of message.post as chatd writes it.
func streamPosted(b []byte, r *api.MessagePostResult) error {
	all := b
	str := func(name string) (value []byte) {
		if rest, ok := bytes.CutPrefix(b, []byte(name)); ok && len(rest) > 0 {
			n := bytes.IndexAny(rest, ",}")
			value, b = rest[:max(n, 0)], rest[max(n, 0):]
		}
		return value
	}
	r.RoomID = api.RoomID(bytes.Trim(str(`{"room_id":`), `"`))
	seq, err1 := strconv.ParseInt(string(str(`,"seq":`)), 10, 64)
	no, err2 := strconv.ParseInt(string(str(`,"msg_no":`)), 10, 64)
	err3 := r.At.UnmarshalJSON(str(`,"at":`))
	dup := string(str(`,"duplicate":`))
	r.Seq, r.MsgNo, r.Duplicate = api.Seq(seq), api.MsgNo(no), dup == "true"
	if err1 != nil || err2 != nil || err3 != nil || dup == "" {
		return fmt.Errorf("%w: %s", errNoResult, all)
	}
	return nil
}

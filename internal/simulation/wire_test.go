package simulation

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
)

// wire is a WebSocket of frames that were put together here, so that client and server do not share a mistake.
type wire struct {
	u     *rawUser
	sock  net.Conn
	br    *bufio.Reader
	done  chan struct{} // closed when the reading has ended
	hold  chan struct{} // 1 deep: who has filled it stops the reading
	write chan struct{} // 1 deep: who has filled it writes

	mu      sync.Mutex
	ids     int
	pending map[int]*call
	check   *contract.Checker
	closing *api.SessionClosingParams
	code    int // of the close frame
}

// call is a request without an answer yet. taken gets its result before anything that comes after it.
type call struct {
	taken func(result json.RawMessage)
	reply chan error // 1 deep: the answer comes once
}

var (
	errLost    = errors.New("the connection is lost")
	errRefuses = errors.New("the server does not take the token")
)

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

// answerTime is how long a client waits before it takes the connection for dead.
const answerTime = time.Minute

// connect makes a connection, signed in if there is a token.
func (u *rawUser) connect(token string) (*wire, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	sock, err := u.w.net.dial(ctx, u.i)
	if err != nil {
		return nil, err
	}
	w := &wire{
		u: u, sock: sock, br: bufio.NewReader(sock), done: make(chan struct{}), hold: make(chan struct{}, 1), write: make(chan struct{}, 1),
		pending: map[int]*call{}, check: contract.New(),
	}
	if err := w.handshake(token); err != nil {
		sock.Close()
		return nil, err
	}
	go w.read() // ends with the connection
	return w, nil
}

func (w *wire) handshake(token string) error {
	_ = w.sock.SetDeadline(time.Now().Add(answerTime))
	header := ""
	if token != "" {
		header = "Authorization: Bearer " + token + "\r\n"
	}
	if _, err := fmt.Fprintf(w.sock, "GET /rpc HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", header); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols:
		return w.sock.SetDeadline(time.Time{})
	case http.StatusUnauthorized:
		return errRefuses
	case http.StatusServiceUnavailable:
		return fmt.Errorf("later: %s", resp.Header.Get("Retry-After"))
	}
	body, _ := io.ReadAll(resp.Body)
	w.u.wrong("handshake: %s: %s", resp.Status, body)
	return errLost
}

// frame makes a masked frame.
func frame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op, 0x80}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	mask := [4]byte{0x11, 0x22, 0x33, 0x44}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func (w *wire) send(op byte, payload []byte) {
	w.write <- struct{}{}
	_ = w.sock.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := w.sock.Write(frame(op, payload))
	<-w.write
	if err != nil && op == opText {
		w.sock.Close() // the reader ends
	}
}

// start begins a call; the caller sends its text.
func (w *wire) start(method string, params any, taken func(json.RawMessage)) (*call, []byte) {
	p, err := json.Marshal(params)
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	c := &call{taken: taken, reply: make(chan error, 1)}
	w.pending[w.ids] = c
	text := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, w.ids, method, p)
	w.check.Sent(text)
	return c, text
}

// wait waits for the answer.
func (w *wire) wait(c *call) error {
	select {
	case err := <-c.reply:
		return err
	default:
	}
	late := time.NewTimer(answerTime)
	defer late.Stop()
	select {
	case err := <-c.reply:
		return err
	case <-w.done:
		select {
		case err := <-c.reply:
			return err
		default:
			return errLost
		}
	case <-late.C:
		w.close()
		return errLost
	}
}

func (w *wire) call(method string, params any, taken func(json.RawMessage)) error {
	c, text := w.start(method, params, taken)
	w.send(opText, text)
	return w.wait(c)
}

func (w *wire) close() {
	w.sock.Close()
	<-w.done
}

func (w *wire) lost() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// read ends with the connection.
func (w *wire) read() {
	defer close(w.done)
	defer w.sock.Close()
	for {
		op, payload, err := w.next()
		if err != nil {
			return
		}
		w.hold <- struct{}{}
		<-w.hold
		switch op {
		case opPing:
			go w.send(opPong, payload) // ends with the connection
		case opClose:
			if len(payload) >= 2 {
				w.mu.Lock()
				w.code = int(binary.BigEndian.Uint16(payload))
				w.mu.Unlock()
			}
			return
		case opText:
			w.mu.Lock()
			w.u.conforms(w.check, payload)
			w.mu.Unlock()
			w.take(payload)
		default:
			w.u.wrong("a frame with opcode %d", op)
		}
	}
}

func (w *wire) next() (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(w.br, head[:2]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		w.u.wrong("a frame that begins with % x", head[:2])
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(w.br, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:4]))
	case 127:
		_, err = io.ReadFull(w.br, head[2:10])
		n = binary.BigEndian.Uint64(head[2:10])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.br, payload)
	return head[0] & 0xf, payload, err
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *api.Error      `json:"error"`
}

func (w *wire) take(text []byte) {
	if text[0] == '[' {
		var all []json.RawMessage
		if err := json.Unmarshal(text, &all); err != nil {
			w.u.wrong("%s: %v", text, err)
		}
		for _, one := range all {
			w.take(one)
		}
		return
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		w.u.wrong("%s: %v", text, err)
		return
	}
	if m.Method != "" {
		w.u.notified(w, &m)
		return
	}
	w.mu.Lock()
	c := w.pending[m.ID]
	delete(w.pending, m.ID)
	w.mu.Unlock()
	switch {
	case c == nil:
		w.u.wrong("an answer to nothing: %s", text)
	case m.Error != nil:
		c.reply <- m.Error
	default:
		if c.taken != nil {
			c.taken(m.Result)
		}
		c.reply <- nil
	}
}

func decode[T any](raw json.RawMessage) *T {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		panic(fmt.Sprintf("%s: %v", raw, err))
	}
	return v
}

package torture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/rig"
)

// streamConn is a WebSocket client that costs next to nothing, so that the server is what a proof
// exercises, and that sends requests in exactly the order in which it is told to.
type streamConn struct {
	nc  net.Conn
	br  *bufio.Reader
	out []byte // requests until flush
	buf []byte // the message that was read last
	id  int64  // of the last request
}

// streamRefused is a handshake that was answered with something else than 101.
type streamRefused struct {
	status string
	body   string
}

func (e *streamRefused) Error() string { return "handshake: " + e.status + " " + e.body }

// streamClosed is the server's closing of a WebSocket.
type streamClosed struct{ code int }

func (e *streamClosed) Error() string { return fmt.Sprintf("closed with %d", e.code) }

// streamDial connects and signs in by a token in the handshake.
func streamDial(addr, token string) (*streamConn, error) {
	nc, err := net.DialTimeout("tcp", addr, rig.Patience)
	if err != nil {
		return nil, err
	}
	return streamShake(nc, addr, token)
}

// streamShake makes the handshake on nc, which it closes if that fails.
func streamShake(nc net.Conn, host, token string) (*streamConn, error) {
	c := &streamConn{nc: nc, br: bufio.NewReaderSize(nc, 16<<10)}
	if err := c.shake(host, token); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *streamConn) shake(host, token string) error {
	if err := c.nc.SetDeadline(time.Now().Add(rig.Patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.nc, "GET /rpc HTTP/1.1\r\nHost: "+host+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer "+token+"\r\n\r\n"); err != nil {
		return err
	}
	status, err := c.br.ReadString('\n')
	if err != nil {
		return err
	}
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
	}
	if !strings.HasPrefix(status, "HTTP/1.1 101") {
		body, _ := c.br.Peek(min(c.br.Buffered(), 300)) // for people to read
		return &streamRefused{strings.TrimSpace(status), string(body)}
	}
	return nil
}

// ask appends a request, which flush sends; it gives the request's id.
func (c *streamConn) ask(method, params string) int64 {
	c.id++
	var b [256]byte
	p := append(b[:0], `{"jsonrpc":"2.0","id":`...)
	p = strconv.AppendInt(p, c.id, 10)
	p = append(p, `,"method":"`...)
	p = append(p, method...)
	p = append(p, `","params":`...)
	p = append(p, params...)
	c.out = appendMasked(c.out, 1, append(p, '}'))
	return c.id
}

// appendMasked appends a client's frame. Its mask is zero: what is masked by it is what it was.
func appendMasked(dst []byte, op byte, p []byte) []byte {
	dst = append(dst, 0x80|op)
	switch {
	case len(p) < 126:
		dst = append(dst, 0x80|byte(len(p)))
	case len(p) < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(len(p)))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(len(p)))
	}
	return append(append(dst, 0, 0, 0, 0), p...)
}

func (c *streamConn) flush() error {
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// streamMsg is a message of the server; its slices live until the next one.
type streamMsg struct {
	method  []byte // of a notification; nil: a reply
	id      int64
	body    []byte // params or result
	refusal []byte // the error of a reply
}

var (
	streamNotifyHead = []byte(`{"jsonrpc":"2.0","method":"`)
	streamNotifyMid  = []byte(`","params":`)
	streamReplyHead  = []byte(`{"jsonrpc":"2.0","id":`)
	streamResult     = []byte(`,"result":`)
	streamError      = []byte(`,"error":`)
	streamLogin      = []byte(`{"type":"session.added",`)
)

// next reads a message; pings are answered on the way, and news of logins, which the tests make all the time, passed over.
func (c *streamConn) next() (m streamMsg, err error) {
	for {
		m, err = c.message()
		if err != nil || string(m.method) != api.NotifyAccountEvent || !bytes.HasPrefix(m.body, streamLogin) {
			return m, err
		}
	}
}

func (c *streamConn) message() (m streamMsg, err error) {
	p, err := c.frame()
	if err != nil {
		return m, err
	}
	body := p[:max(0, len(p)-1)]
	if rest, ok := bytes.CutPrefix(body, streamNotifyHead); ok {
		if m.method, m.body, ok = bytes.Cut(rest, streamNotifyMid); ok {
			return m, nil
		}
	} else if rest, ok := bytes.CutPrefix(body, streamReplyHead); ok {
		i := bytes.IndexByte(rest, ',')
		if m.id, err = strconv.ParseInt(string(rest[:max(i, 0)]), 10, 64); err == nil {
			if m.body, ok = bytes.CutPrefix(rest[i:], streamResult); ok {
				return m, nil
			}
			if m.refusal, ok = bytes.CutPrefix(rest[i:], streamError); ok {
				return m, nil
			}
		}
	}
	return m, fmt.Errorf("not a message of chatd: %q", p)
}

func (c *streamConn) frame() ([]byte, error) {
	for {
		head, err := c.peek(2)
		if err != nil {
			return nil, err
		}
		op, n := head[0], int(head[1])
		switch n {
		case 126:
			if head, err = c.peek(2); err == nil {
				n = int(binary.BigEndian.Uint16(head))
			}
		case 127:
			if head, err = c.peek(8); err == nil {
				n = int(binary.BigEndian.Uint64(head))
			}
		}
		if err != nil {
			return nil, err
		}
		if cap(c.buf) < n {
			c.buf = make([]byte, 2*n)
		}
		c.buf = c.buf[:n]
		if _, err := io.ReadFull(c.br, c.buf); err != nil {
			return nil, err
		}
		switch op {
		case 0x81:
			return c.buf, nil
		case 0x89:
			if _, err := c.nc.Write(appendMasked(nil, 10, c.buf)); err != nil {
				return nil, err
			}
		case 0x88:
			if n < 2 {
				return nil, &streamClosed{1005}
			}
			return nil, &streamClosed{int(binary.BigEndian.Uint16(c.buf))}
		default:
			return nil, fmt.Errorf("a frame that begins with %#x", op)
		}
	}
}

// peek takes n bytes, which live until the next read.
func (c *streamConn) peek(n int) ([]byte, error) {
	p, err := c.br.Peek(n)
	if err == nil {
		_, err = c.br.Discard(n)
	}
	return p, err
}

// call asks and waits for the answer. Notifications that come before it are lost.
func (c *streamConn) call(method, params string, result any) error {
	id := c.ask(method, params)
	if err := c.flush(); err != nil {
		return err
	}
	for {
		m, err := c.next()
		switch {
		case err != nil:
			return err
		case m.method != nil || m.id != id:
		case m.refusal != nil:
			return streamRefusal(m.refusal)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.body, result)
		}
	}
}

// streamRefusal reads the error of a reply.
func streamRefusal(raw []byte) error {
	e := new(api.Error)
	if err := json.Unmarshal(raw, e); err != nil {
		return fmt.Errorf("%w: %s", err, raw)
	}
	return e
}

// streamRoomOf reads the room of an event record.
func streamRoomOf(raw []byte) (room []byte, ok bool) {
	if room, ok = bytes.CutPrefix(raw, []byte(`{"room_id":"`)); ok {
		room, _, ok = bytes.Cut(room, []byte(`","seq":`))
	}
	return room, ok
}

package rpcserver

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Frames of clients (RFC 6455 §5). The WebSocket library shakes hands; from then on we read by ourselves:
// it keeps kilobytes for each connection, and a message that is too long is refused by its header here.

var (
	errProtocol = errors.New("the peer has broken the protocol")
	errGoodbye  = errors.New("the peer has said goodbye")
)

// frameHead is the header of a client's frame.
type frameHead struct {
	op     byte
	final  bool
	length uint64
	mask   uint32 // as the bytes come, the first lowest
}

const (
	masked     = 0x80
	maxControl = 125 // bytes in a control frame
)

func isControl(op byte) bool { return op&0x8 != 0 }

// readHead reads a frame's header and judges it.
func (t *stream) readHead() (frameHead, error) {
	b, err := t.br.Peek(2)
	if err != nil {
		return frameHead{}, err
	}
	h := frameHead{op: b[0] & 0xf, final: b[0]&final != 0, length: uint64(b[1] &^ masked)}
	switch {
	case b[0]&0x70 != 0, b[1]&masked == 0, h.op > opBinary && h.op < opClose, h.op > opPong:
		return h, errProtocol
	case isControl(h.op):
		if !h.final || h.length > maxControl {
			return h, errProtocol
		}
	case (h.op == opContinuation) != t.inMessage:
		return h, errProtocol
	}
	size := 2
	switch h.length {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if b, err = t.br.Peek(size + 4); err != nil {
		return h, err
	}
	switch size {
	case 4:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		if h.length = binary.BigEndian.Uint64(b[2:]); h.length>>63 != 0 {
			return h, errProtocol
		}
	}
	h.mask = binary.LittleEndian.Uint32(b[size:])
	_, _ = t.br.Discard(size + 4) // it is buffered
	return h, nil
}

// unmask unmasks b and gives the mask for what follows it.
func unmask(b []byte, mask uint32) uint32 {
	key := uint64(mask)<<32 | uint64(mask)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^key)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask)
		mask = mask>>8 | mask<<24
	}
	return mask
}

// read reads one message. After an error nothing more can be read.
func (t *stream) read() ([]byte, error) {
	c := &t.session.conn
	limit := t.session.messageLimit()
	c.takeMost = mostBytes(limit)
	t.reading.Store(true)
	defer t.reading.Store(false)
	buf := getBuffer()
	defer putBuffer(buf)
	for {
		h, err := t.readHead()
		if err != nil {
			return nil, err
		}
		if isControl(h.op) {
			if err := t.control(h); err != nil {
				return nil, err
			}
			continue
		}
		t.inMessage = true
		if tooLong(limit, len(buf.b), h.length) {
			limit = t.session.limitAfterSignIn()
			c.takeMost = mostBytes(limit)
			if tooLong(limit, len(buf.b), h.length) {
				c.shut(nil, statusTooBig, "message too big")
				return nil, errGone
			}
		}
		if err := t.readPayload(buf, &h); err != nil {
			return nil, err
		}
		if h.final {
			break
		}
	}
	t.inMessage = false
	c.complete(t.br.Buffered())
	return append(make([]byte, 0, len(buf.b)), buf.b...), nil // exactly its size: a request may keep it until it is committed
}

// mostBytes is how many bytes a message may take on the wire, fragments' headers included; 0: any number.
func mostBytes(limit int) int {
	if limit <= 0 {
		return 0
	}
	return 2*limit + 4<<10
}

func tooLong(limit, have int, more uint64) bool {
	return limit > 0 && more > uint64(max(0, limit-have))
}

// readPayload appends a data frame's payload to buf, which grows as it arrives, not as the header claims.
func (t *stream) readPayload(buf *buffer, h *frameHead) error {
	for left := h.length; left > 0; {
		if len(buf.b) == cap(buf.b) {
			buf.b = append(buf.b, 0)[:len(buf.b)]
		}
		room := buf.b[len(buf.b):cap(buf.b)]
		if uint64(len(room)) > left {
			room = room[:left]
		}
		n, err := t.br.Read(room)
		h.mask = unmask(room[:n], h.mask)
		buf.b = buf.b[:len(buf.b)+n]
		left -= uint64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// control reads the payload of a control frame and answers it. The error ends the reading.
func (t *stream) control(h frameHead) error {
	b, err := t.br.Peek(int(h.length))
	if err != nil {
		return err
	}
	var answer [2 + maxControl]byte
	payload := answer[2 : 2+copy(answer[2:], b)]
	unmask(payload, h.mask)
	_, _ = t.br.Discard(len(b)) // it is buffered
	c := &t.session.conn
	if h.op == opClose {
		if payload, err = closeAnswer(payload); err != nil {
			return err
		}
		answer[0], answer[1] = final|opClose, byte(len(payload))
		c.shutWith(nil, append([]byte(nil), answer[:2+len(payload)]...))
		return errGoodbye
	}
	if !t.inMessage {
		c.complete(t.br.Buffered())
	}
	if t.controls.Add(1) > maxControls {
		t.session.abuse()
		return errGone
	}
	if h.op == opPing {
		answer[0], answer[1] = final|opPong, byte(len(payload))
		_ = c.send(answer[:2+len(payload)], push) // a pong that comes too late is no error
	}
	return nil
}

// closeAnswer gives of a close frame's payload what is said back: the code alone (§5.5.1, §7.4).
func closeAnswer(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return nil, errProtocol
	}
	switch code := binary.BigEndian.Uint16(payload); {
	case code >= 3000 && code < 5000, code >= 1000 && code < 1015 && code != 1004 && code != 1005 && code != 1006:
		return payload[:2], nil
	}
	return nil, errProtocol
}

package wire

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// AppendText appends a masked text frame, as a client has to send it.
func AppendText(dst, payload []byte) []byte { return appendMasked(dst, opText, payload) }

// AppendServerText appends an unmasked text frame, as a server sends it.
func AppendServerText(dst, payload []byte) []byte {
	return append(appendHead(dst, opText, 0, len(payload)), payload...)
}

func appendHead(dst []byte, op, masked byte, n int) []byte {
	dst = append(dst, 0x80|op)
	switch {
	case n < 126:
		return append(dst, masked|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(n))
	}
}

// mask is constant: it has to be there, and unpredictable only where a proxy could be fooled.
var mask = [4]byte{0x11, 0x22, 0x33, 0x44}

func appendMasked(dst []byte, op byte, payload []byte) []byte {
	dst = append(appendHead(dst, op, 0x80, len(payload)), mask[:]...)
	for i, c := range payload {
		dst = append(dst, c^mask[i&3])
	}
	return dst
}

var (
	errMasked   = errors.New("the server sent a masked frame")
	errReserved = errors.New("the server sent a frame with reserved bits")
)

// head is a frame's header as far as it has come.
type head struct {
	b [10]byte
	n int
}

// take moves bytes of b into the header. It gives what is left of b, and whether the header is complete.
func (h *head) take(b []byte) (rest []byte, complete bool) {
	for len(b) > 0 {
		want := 2
		if h.n >= 2 {
			want = h.size()
		}
		n := copy(h.b[h.n:want], b)
		h.n += n
		b = b[n:]
		if h.n >= 2 && h.n == h.size() {
			return b, true
		}
	}
	return b, false
}

// size is the length of the header, known from its second byte.
func (h *head) size() int {
	switch h.b[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	default:
		return 2
	}
}

// parse reads a complete header and makes room for the next.
func (h *head) parse() (op byte, fin bool, length uint64, err error) {
	switch size := h.size(); size {
	case 4:
		length = uint64(binary.BigEndian.Uint16(h.b[2:]))
	case 10:
		length = binary.BigEndian.Uint64(h.b[2:])
	default:
		length = uint64(h.b[1] & 0x7f)
	}
	h.n = 0
	switch {
	case h.b[1]&0x80 != 0:
		return 0, false, 0, errMasked
	case h.b[0]&0x70 != 0:
		return 0, false, 0, errReserved
	}
	return h.b[0] & 0xf, h.b[0]&0x80 != 0, length, nil
}

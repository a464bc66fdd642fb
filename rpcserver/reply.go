package rpcserver

import (
	"encoding/binary"

	"github.com/chatd-dev/chatd/api"
)

// headRoom is kept free before a message so that its frame header can be put there when its
// length is known.
const headRoom = 10

const maxPooled = 64 << 10 // bigger buffers are left to the collector

// Opcodes and close codes of RFC 6455 §5.2 and §7.4.1.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	final = 0x80

	statusProtocolError = 1002
	statusTooBig        = 1009
)

// appendResultHead begins a response; the result and a brace complete it.
func appendResultHead(dst, id []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	return append(dst, `,"result":`...)
}

// appendError appends a whole response; a nil id is written as null.
func appendError(dst, id []byte, err *api.Error) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	if id == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, id...)
	}
	dst = append(dst, `,"error":`...)
	dst = err.AppendJSON(dst)
	return append(dst, '}')
}

// appendTextHead appends the header of a text frame of n bytes. Server frames are unmasked, so a
// frame is the same bytes for everyone (RFC 6455 §5.1).
func appendTextHead(dst []byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, final|opText, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, final|opText, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, final|opText, 127), uint64(n))
	}
}

// sealText makes a frame of buf, whose first headRoom bytes are free.
func sealText(buf []byte) []byte {
	var head [headRoom]byte
	h := appendTextHead(head[:0], len(buf)-headRoom)
	start := headRoom - len(h)
	copy(buf[start:], h)
	return buf[start:]
}

// appendClose appends a close frame; reason has at most 123 bytes.
func appendClose(dst []byte, code int, reason string) []byte {
	dst = append(dst, final|opClose, byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// frameLen is the length of the frame of ours that begins at b[0], header included.
func frameLen(b []byte) int {
	switch n := int(b[1]); n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	default:
		return 2 + n
	}
}

// frameRest tells how many bytes after b[:n] belong to a frame that begins in it. b begins with
// the rest of a frame, first bytes long, and holds whole frames from there on.
func frameRest(b []byte, first, n int) int {
	end := first
	for end < n {
		end += frameLen(b[end:])
	}
	return end - n
}

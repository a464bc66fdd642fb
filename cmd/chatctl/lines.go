package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// lineReader cuts a text into the lines that become messages. Only \n ends a line; a \r before it
// stays, as do blank lines. The \n at the very end closes the last line and begins no other.
type lineReader struct {
	r        *bufio.Reader
	maxBytes int // of a line; 0: no limit
	number   int // of the line returned last; the first is 1
	buf      []byte
}

// badInput is a text that cannot be a message. Line is 0 if the text is not cut into lines.
type badInput struct {
	line int
	what string
}

func (e *badInput) Error() string {
	if e.line == 0 {
		return "the text " + e.what
	}
	return fmt.Sprintf("line %d %s", e.line, e.what)
}

func newLineReader(r io.Reader, maxBytes int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), maxBytes: maxBytes}
}

// next returns the next line, io.EOF after the last, or *badInput if it cannot be a message. The
// line is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.raw()
	if err != nil {
		return nil, err
	}
	return line, checkText(line, l.number, l.maxBytes)
}

// raw is next without a look at what the line holds; only its length is bounded.
func (l *lineReader) raw() ([]byte, error) {
	l.buf = l.buf[:0]
	l.number++
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			if l.maxBytes > 0 && len(l.buf) > l.maxBytes+1 { // memory stays bounded whatever comes
				return nil, &badInput{l.number, fmt.Sprintf("is longer than the server's limit of %d bytes", l.maxBytes)}
			}
			continue
		}
		if errors.Is(err, io.EOF) && len(l.buf) == 0 {
			return nil, io.EOF
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading line %d: %w", l.number, err)
		}
		return bytes.TrimSuffix(l.buf, []byte("\n")), nil
	}
}

// checkText tells what keeps text from being a message.
func checkText(text []byte, line, maxBytes int) error {
	if maxBytes > 0 && len(text) > maxBytes {
		return &badInput{line, fmt.Sprintf("has %d bytes; the server's limit is %d", len(text), maxBytes)}
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return &badInput{line, "contains a NUL character"}
	}
	if i := invalidUTF8(text); i >= 0 {
		return &badInput{line, fmt.Sprintf("is not UTF-8 at byte %d", i+1)}
	}
	return nil
}

// invalidUTF8 returns the index of the first byte that is not part of a UTF-8 character, or -1.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

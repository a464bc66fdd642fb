package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func readAll(t *testing.T, text string, limit int) (lines []string, err error) {
	t.Helper()
	l := newLineReader(strings.NewReader(text), limit)
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 200<<10) // longer than the buffer
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"one", "a\n", []string{"a"}},
		{"the last without its newline", "a\nb", []string{"a", "b"}},
		{"blank lines", "\n\na\n\n", []string{"", "", "a", ""}},
		{"CRLF stays", "a\r\nb\r\n", []string{"a\r", "b\r"}},
		{"CR alone is no end", "a\rb\n", []string{"a\rb"}},
		{"separators of Unicode are no end", "a\u2028b\u0085c\n", []string{"a\u2028b\u0085c"}},
		{"long", long + "\n" + long, []string{long, long}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readAll(t, tc.text, 0)
			if err != nil || strings.Join(got, "\x00") != strings.Join(tc.want, "\x00") || len(got) != len(tc.want) {
				t.Errorf("%.100q, %v; want %.100q", got, err, tc.want)
			}
		})
	}
}

func TestBadLines(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"NUL", "a\nb\x00\nc\n", "line 2 contains a NUL character"},
		{"UTF-8", "a\nb\nxyz\xff\n", "line 3 is not UTF-8 at byte 4"},
		{"a character cut off", "\xe6\xbc", "line 1 is not UTF-8 at byte 1"},
		{"a surrogate", "\xed\xa0\x80\n", "line 1 is not UTF-8 at byte 1"},
		{"too long", "a\n" + strings.Repeat("b", 11) + "\n", "line 2 has 11 bytes; the server's limit is 10"},
		{"far too long", strings.Repeat("b", 1<<20), "line 1 is longer than the server's limit of 10 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := readAll(t, tc.text, 10); err == nil || err.Error() != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
	if got, err := readAll(t, strings.Repeat("b", 10)+"\n", 10); err != nil || len(got) != 1 {
		t.Errorf("a line of the limit: %q, %v", got, err)
	}
}

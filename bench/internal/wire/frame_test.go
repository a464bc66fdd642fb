package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestFeedInPieces feeds the same frames cut at random places; what is counted and seen must not depend on it.
func TestFeedInPieces(t *testing.T) {
	var stream []byte
	var want [][]byte
	text := func(payload []byte) {
		stream = AppendServerText(stream, payload)
		want = append(want, payload)
	}
	for _, n := range []int{0, 1, 125, 126, 127, 4000, 65535, 65536, 100_000} {
		text(bytes.Repeat([]byte{'x'}, n))
	}
	// A message in three fragments.
	stream = append(stream, 0x01, 2, 'a', '\n', 0x00, 1, 'b', 0x80, 2, '\n', 'c')
	want = append(want, []byte("a\nb\nc"))
	text([]byte("end"))
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		for _, look := range []bool{false, true} {
			l := &Loop{}
			c := &Conn{loop: l}
			var got [][]byte
			if look {
				c.OnText = func(b []byte) { got = append(got, bytes.Clone(b)) }
			}
			for rest := stream; len(rest) > 0; {
				n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(70_000)))
				if err := c.feed(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if c.Got != int64(len(want)) || l.Got != c.Got {
				t.Fatalf("seed %d: %d messages, want %d", seed, c.Got, len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("seed %d: message %d differs", seed, i)
				}
			}
			if look && len(got) != len(want) {
				t.Fatalf("seed %d: saw %d messages", seed, len(got))
			}
		}
	}
}

func TestLinesAreMessages(t *testing.T) {
	c := &Conn{loop: &Loop{}, Lines: true}
	stream := AppendServerText(nil, []byte("one\ntwo\nthree"))
	stream = append(stream, 0x01, 2, 'a', '\n', 0x80, 1, 'b') // two messages in two fragments
	for _, b := range stream {
		if err := c.feed([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if c.Got != 5 {
		t.Errorf("%d messages, want 5", c.Got)
	}
}

func TestMaskedFrame(t *testing.T) {
	b := AppendText(nil, []byte("hello"))
	if b[0] != 0x81 || b[1] != 0x80|5 {
		t.Errorf("head % x", b[:2])
	}
	for i := range 5 {
		if got := b[6+i] ^ b[2+i%4]; got != "hello"[i] {
			t.Errorf("byte %d is %q", i, got)
		}
	}
	if err := (&Conn{loop: &Loop{}}).feed(b); err == nil {
		t.Error("a server may not mask")
	}
}

func TestCloseIsAnError(t *testing.T) {
	if err := (&Conn{loop: &Loop{}}).feed([]byte{0x88, 4, 0x0f, 0xa0, 'n', 'o'}); err == nil || err.Error() != "closed by the server: 4000 no" {
		t.Error(err)
	}
}

package termsafe

import (
	"strings"
	"unicode/utf8"
)

// Text returns s without control sequences and control characters; newlines and tabs stay.
// Escape sequences (CSI, OSC, DCS, APC, SOS, PM and the short ones) go as a whole, C0, DEL and C1
// characters one by one, bidirectional controls become visible names such as ⟨RLO⟩, and bytes that
// are no UTF-8 become U+FFFD. Text of Text is the same text.
func Text(s string) string {
	if isClean(s, true) {
		return s
	}
	return strip(s, true)
}

// Line is Text for what has to stay on one line: each newline and tab becomes a space.
func Line(s string) string {
	if isClean(s, false) {
		return s
	}
	return strip(s, false)
}

// isClean tells whether strip would return s as it is; almost every message is.
func isClean(s string, multiline bool) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 && (!multiline || c != '\n' && c != '\t') || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || isC1(r) || isMark(r) || bidiName(r) != "" {
			return false
		}
		i += size
	}
	return true
}

func strip(s string, multiline bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == esc:
			i += size
			i = skipEscape(s, i)
			continue
		case isC1(r):
			i += size
			i = skipC1(s, i, r)
			continue
		case r == '\n' || r == '\t':
			if multiline {
				b.WriteRune(r)
			} else {
				b.WriteByte(' ')
			}
		case r < 0x20 || r == 0x7f:
		case isMark(r): // dropped: of use beside its neighbours only
		case bidiName(r) != "":
			b.WriteString("⟨" + bidiName(r) + "⟩")
		default:
			b.WriteRune(r) // U+FFFD for a byte that is no UTF-8
		}
		i += size
	}
	return b.String()
}

const (
	bel = 0x07
	can = 0x18
	sub = 0x1a
	esc = 0x1b
	st  = 0x9c
)

// isC1 tells whether r is one of the eight-bit controls, which some terminals obey in UTF-8 too.
func isC1(r rune) bool { return r >= 0x80 && r <= 0x9f }

// skipEscape returns where the sequence ends whose ESC stands just before i (ECMA-48 §5.3–5.6).
func skipEscape(s string, i int) int {
	if i >= len(s) {
		return i
	}
	switch c := s[i]; {
	case c == '[':
		return skipCSI(s, i+1)
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		return skipString(s, i+1)
	case c >= 0x20 && c <= 0x2f: // intermediates and a final, such as ESC ( 0
		for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
			i++
		}
		if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
			i++
		}
		return i
	case c >= 0x30 && c <= 0x7e:
		return i + 1
	}
	return i
}

// skipC1 is skipEscape for the one-character introducers; r stands just before i.
func skipC1(s string, i int, r rune) int {
	switch r {
	case 0x9b: // CSI
		return skipCSI(s, i)
	case 0x9d, 0x90, 0x98, 0x9e, 0x9f: // OSC, DCS, SOS, PM, APC
		return skipString(s, i)
	}
	return i
}

// skipCSI skips parameters, intermediates and the final byte. A sequence that is broken off ends
// where it breaks: what follows is ordinary text.
func skipCSI(s string, i int) int {
	for i < len(s) && s[i] >= 0x30 && s[i] <= 0x3f {
		i++
	}
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		i++
	}
	return i
}

// skipString skips a control string up to and with its terminator: ST as one or two characters,
// BEL, CAN or SUB. Another escape ends it too. One that nothing ends loses only its introducer, so
// that nobody can hide the rest of a text; each scan ends at the next escape, so all is linear.
func skipString(s string, start int) int {
	for i := start; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch r {
		case bel, can, sub, st:
			return i + size
		case esc:
			if i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
			return i
		}
		i += size
	}
	return start
}

// isMark tells the direction marks: ALM, LRM and RLM.
func isMark(r rune) bool { return r == 0x061c || r == 0x200e || r == 0x200f }

// bidiName is the name of an embedding, override or isolate, which can make a line read otherwise
// than it is, or of a separator that may break it in two; "" for everything else.
func bidiName(r rune) string {
	switch r {
	case 0x2028:
		return "LS"
	case 0x2029:
		return "PS"
	case 0x202a:
		return "LRE"
	case 0x202b:
		return "RLE"
	case 0x202c:
		return "PDF"
	case 0x202d:
		return "LRO"
	case 0x202e:
		return "RLO"
	case 0x2066:
		return "LRI"
	case 0x2067:
		return "RLI"
	case 0x2068:
		return "FSI"
	case 0x2069:
		return "PDI"
	}
	return ""
}

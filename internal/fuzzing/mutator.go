package fuzzing

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"strconv"
)

// mutator makes inputs out of others. What next returns is good until the next call.
type mutator struct {
	rng    *rand.Rand
	corpus []sample
	recent []sample // mutations that are mutated further
	words  []string
	most   int

	buf     []byte
	items   []span // of buf; nil when it has changed since
	scratch []span
}

// sample is an input that mutations start from or take parts of.
type sample struct {
	text  []byte
	items []span
}

// span is a part of a text: a word, a string, a sign, or an array or object with all that is in it.
type span struct{ from, to int }

const recents = 64

// values mean something to most parsers; scraps end or break something.
var (
	values = []string{
		"null", "true", "false", "0", "-0", "-1", "1", "2", "50", "200", "201", "1e3", "1.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		`""`, `"a"`, "{}", "[]", `"\u0000"`, `"\ud800"`, `"\ud83d\ude00"`, `"\n"`, "\"\xff\"",
	}
	scraps = []string{"\xc3", "\u202e", "\u009b", "\x1b", "\x00", ",", ":", "{", "}", "[", "]", `"`, `\`, `\u`, " ", "\n"}
)

func newMutator(seed uint64, corpus [][]byte, o *Options) *mutator {
	m := &mutator{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), most: o.MaxSize}
	if m.most == 0 {
		m.most = 1024
	}
	for _, text := range corpus {
		m.corpus = append(m.corpus, sample{text, split(text, nil)})
	}
	if len(m.corpus) == 0 {
		m.corpus = []sample{{}}
	}
	m.words = append(m.words, values...)
	m.words = append(m.words, o.Words...)
	return m
}

// next makes one input.
func (m *mutator) next() []byte {
	from := m.any()
	if len(m.recent) > 0 && m.rng.IntN(4) == 0 {
		from = &m.recent[m.rng.IntN(len(m.recent))]
	}
	m.buf = append(m.buf[:0], from.text...)
	m.items = from.items
	for range 1 + bits.TrailingZeros64(m.rng.Uint64()|1<<5) {
		m.mutate()
	}
	m.buf = m.buf[:min(len(m.buf), m.most)]
	if m.rng.IntN(64) == 0 {
		m.keep()
	}
	return m.buf
}

func (m *mutator) keep() {
	text := bytes.Clone(m.buf)
	s := sample{text, split(text, nil)}
	if len(m.recent) < recents {
		m.recent = append(m.recent, s)
		return
	}
	m.recent[m.rng.IntN(recents)] = s
}

func (m *mutator) any() *sample { return &m.corpus[m.rng.IntN(len(m.corpus))] }

func (m *mutator) word() string { return m.words[m.rng.IntN(len(m.words))] }

// mutate changes buf once: the first cases by items, and these more often than the others, which change bytes.
func (m *mutator) mutate() {
	kind := m.rng.IntN(9)
	if m.rng.IntN(4) == 0 {
		kind = 9 + m.rng.IntN(7)
	}
	if kind < 9 {
		if m.items == nil {
			m.scratch = split(m.buf, m.scratch[:0])
			m.items = m.scratch
		}
		if len(m.items) == 0 {
			kind = 9 + m.rng.IntN(7)
		}
	}
	at := m.position()
	switch kind {
	case 0, 1: // an item of another input
		if other := m.any(); len(other.items) > 0 {
			s := other.items[m.rng.IntN(len(other.items))]
			m.replace(m.item(), string(other.text[s.from:s.to]))
		}
	case 2, 3:
		s, word := m.item(), m.word()
		if s.to < len(m.buf) && m.buf[s.to] == ':' && m.buf[s.from] == '"' && word[0] != '"' {
			word = strconv.Quote(word) // a name
		}
		m.replace(s, word)
	case 4: // an item of this one
		s := m.item()
		m.replace(m.item(), string(m.buf[s.from:s.to]))
	case 5: // a member or element twice
		s := m.through(m.item())
		m.replace(span{s.from, s.from}, string(m.buf[s.from:s.to]))
	case 6:
		m.replace(m.through(m.item()), "")
	case 7: // a number near by
		s := m.item()
		if n, err := strconv.ParseInt(string(m.buf[s.from:s.to]), 10, 64); err == nil {
			m.replace(s, strconv.FormatInt(n+m.rng.Int64N(7)-3, 10))
		}
	case 8: // in a list, or out of it
		s := m.item()
		if c := m.buf[s.from]; c == '[' && s.to-s.from > 2 {
			m.replace(span{s.to - 1, s.to}, "")
			m.replace(span{s.from, s.from + 1}, "")
			return
		}
		m.replace(span{s.to, s.to}, "]")
		m.replace(span{s.from, s.from}, "[")
	case 9:
		if at < len(m.buf) {
			m.buf[at] ^= 1 << m.rng.IntN(8)
			m.items = nil
		}
	case 10:
		if at < len(m.buf) {
			m.buf[at] = byte(m.rng.Uint32())
			m.items = nil
		}
	case 11:
		by := m.word()
		if m.rng.IntN(2) == 0 {
			by = scraps[m.rng.IntN(len(scraps))]
		}
		m.replace(span{at, at}, by)
	case 12: // a few bytes less
		m.replace(span{at, min(len(m.buf), at+1+m.rng.IntN(8))}, "")
	case 13: // some bytes again
		to := m.position()
		m.replace(span{to, to}, string(m.buf[at:min(len(m.buf), at+1+m.rng.IntN(32))]))
	case 14: // the end of another input
		if other := m.any().text; len(other) > 0 {
			m.replace(span{at, len(m.buf)}, string(other[m.rng.IntN(len(other)):]))
		}
	case 15:
		m.replace(span{at, at}, string([]byte{byte(m.rng.Uint32())}))
	}
}

// position is anywhere in buf, its end too.
func (m *mutator) position() int { return m.rng.IntN(len(m.buf) + 1) }

// item is one of buf's; after a change it may be a little beside, which is as good.
func (m *mutator) item() span {
	if len(m.items) == 0 {
		return span{0, len(m.buf)}
	}
	s := m.items[m.rng.IntN(len(m.items))]
	s.to = min(s.to, len(m.buf))
	s.from = min(s.from, s.to)
	if s.from == s.to {
		return span{0, len(m.buf)}
	}
	return s
}

// through is s up to the next comma or line's end, with it.
func (m *mutator) through(s span) span {
	if i := bytes.IndexAny(m.buf[s.to:], ",\n}]"); i >= 0 && m.buf[s.to+i] != '}' && m.buf[s.to+i] != ']' {
		s.to += i + 1
	}
	return s
}

// replace puts by where s was, unless buf would grow too long.
func (m *mutator) replace(s span, by string) {
	tail := len(m.buf) - s.to
	size := s.from + len(by) + tail
	if size > 2*m.most {
		return
	}
	if size > len(m.buf) {
		m.buf = append(m.buf, make([]byte, size-len(m.buf))...)
		copy(m.buf[s.from+len(by):], m.buf[s.to:s.to+tail])
	} else {
		copy(m.buf[s.from+len(by):], m.buf[s.to:])
		m.buf = m.buf[:size]
	}
	copy(m.buf[s.from:], by)
	m.items = nil
}

// split finds the items of a text and appends them to dst.
func split(text []byte, dst []span) []span {
	var open []int // in dst: arrays and objects that have not ended
	for i := 0; i < len(text); {
		from := i
		switch c := text[i]; {
		case c == '{' || c == '[':
			open = append(open, len(dst))
			i++
			dst = append(dst, span{from, i})
			continue
		case c == '}' || c == ']':
			i++
			if n := len(open); n > 0 {
				dst[open[n-1]].to = i
				open = open[:n-1]
			}
			continue
		case c == '"':
			for i++; i < len(text) && text[i] != '"' && text[i] != '\n'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(text))
		case isWord(c):
			for i < len(text) && isWord(text[i]) {
				i++
			}
		default:
			i++
			continue
		}
		dst = append(dst, span{from, i})
	}
	return dst
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c >= 0x80
}

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
	head   int

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
	m := &mutator{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), most: o.MaxSize, head: o.Head}
	if m.most == 0 {
		m.most = 1024
	}
	for _, text := range corpus {
		if len(text) <= m.most {
			m.corpus = append(m.corpus, sample{text, split(text, m.head, nil)})
		}
	}
	if len(m.corpus) == 0 {
		m.corpus = []sample{{}}
	}
	m.words = append(m.words, values...)
	m.words = append(m.words, o.Words...)
	return m
}

// next makes one input. Half of them are changed by items alone, and most of what was well-formed stays so.
func (m *mutator) next() []byte {
	from := m.any()
	if len(m.recent) > 0 && m.rng.IntN(4) == 0 {
		from = &m.recent[m.rng.IntN(len(m.recent))]
	}
	m.buf = append(m.buf[:0], from.text...)
	m.items = from.items
	gentle := m.rng.IntN(2) == 0
	for range 1 + bits.TrailingZeros64(m.rng.Uint64()|1<<5) {
		if m.items == nil {
			m.scratch = split(m.buf, m.head, m.scratch[:0])
			m.items = m.scratch
		}
		if len(m.items) > 0 && (gentle || m.rng.IntN(2) == 0) {
			m.mutateItem(m.rng.IntN(len(m.items)))
		} else {
			m.mutateBytes()
		}
	}
	if bytes.Equal(m.buf, from.text) {
		m.mutateBytes()
	}
	m.buf = m.buf[:min(len(m.buf), m.most)]
	if m.head > 0 && m.rng.IntN(8) == 0 && len(m.buf) >= m.head {
		m.buf[m.rng.IntN(m.head)] = byte(m.rng.Uint32())
	}
	if gentle && m.rng.IntN(32) == 0 {
		m.keep()
	}
	return m.buf
}

func (m *mutator) keep() {
	text := bytes.Clone(m.buf)
	s := sample{text, split(text, m.head, nil)}
	if len(m.recent) < recents {
		m.recent = append(m.recent, s)
		return
	}
	m.recent[m.rng.IntN(recents)] = s
}

func (m *mutator) any() *sample { return &m.corpus[m.rng.IntN(len(m.corpus))] }

func (m *mutator) word() string { return m.words[m.rng.IntN(len(m.words))] }

// part is a word or an item of another input.
func (m *mutator) part() string {
	if other := m.any(); len(other.items) > 0 && m.rng.IntN(2) == 0 {
		s := other.items[m.rng.IntN(len(other.items))]
		return string(other.text[s.from:s.to])
	}
	return m.word()
}

// mutateItem changes item i.
func (m *mutator) mutateItem(i int) {
	s := m.items[i]
	if s.to <= s.from {
		return // an array or object without an end
	}
	switch m.rng.IntN(8) {
	case 0, 1, 2:
		if m.isName(s) && i+1 < len(m.items) && m.rng.IntN(4) > 0 {
			s = m.items[i+1] // rather the value: most other names are known nowhere
		}
		by := m.part()
		for range m.rng.IntN(5) { // mostly of the same sort
			if sort(by[0]) == sort(m.buf[s.from]) {
				break
			}
			by = m.part()
		}
		if m.isName(s) && by[0] != '"' && m.buf[s.from] == '"' {
			by = strconv.Quote(by)
		}
		m.replace(s, by)
	case 3: // twice
		s = m.member(i)
		m.replace(span{s.from, s.from}, string(m.buf[s.from:s.to])+m.separator(s))
	case 4: // gone
		s = m.member(i)
		if next := skipSpace(m.buf, s.to); next < len(m.buf) && m.buf[next] == ',' {
			s.to = next + 1
		} else if before := bytes.TrimRight(m.buf[:s.from], " "); len(before) > 0 && before[len(before)-1] == ',' {
			s.from = len(before) - 1
		}
		m.replace(s, "")
	case 5: // a number near by
		if n, err := strconv.ParseInt(string(m.buf[s.from:s.to]), 10, 64); err == nil {
			m.replace(s, strconv.FormatInt(n+m.rng.Int64N(7)-3, 10))
		}
	case 6: // one more
		s = m.member(i)
		by := m.part()
		if name := m.items[i]; m.isName(name) || name.from > s.from {
			if m.rng.IntN(2) == 0 {
				return
			}
			by = m.word()
			if by[0] != '"' {
				by = strconv.Quote(by)
			}
			by += ":" + m.part()
		}
		m.replace(span{s.from, s.from}, by+m.separator(s))
	case 7: // into a list, or out of it
		switch {
		case m.buf[s.from] == '[' && s.to-s.from > 2:
			m.replace(s, string(m.buf[s.from+1:s.to-1]))
		case !m.isName(s):
			m.replace(s, "["+string(m.buf[s.from:s.to])+"]")
		}
	}
}

// isName tells whether a colon follows s.
func (m *mutator) isName(s span) bool {
	next := skipSpace(m.buf, s.to)
	return next < len(m.buf) && m.buf[next] == ':'
}

// member is item i with its name, or with its value.
func (m *mutator) member(i int) span {
	s := m.items[i]
	switch {
	case m.isName(s) && i+1 < len(m.items) && m.items[i+1].to > s.to:
		s.to = m.items[i+1].to
	case i > 0 && m.isName(m.items[i-1]) && m.items[i-1].from < s.from:
		s.from = m.items[i-1].from
	}
	return s
}

// separator is what stands between s and another like it: a comma, or the end of a line and what it begins with.
func (m *mutator) separator(s span) string {
	if next := skipSpace(m.buf, s.to); next == len(m.buf) || m.buf[next] != '\n' {
		return ","
	}
	begin := bytes.LastIndexByte(m.buf[:s.from], '\n') + 1
	return "\n" + string(m.buf[begin:s.from])
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

// sort tells strings, numbers, arrays and objects from each other and from words by their first byte.
func sort(c byte) int {
	switch {
	case c == '"' || c == '{' || c == '[':
		return int(c)
	case c == '-' || '0' <= c && c <= '9':
		return '0'
	}
	return 'a'
}

// mutateBytes changes a few bytes, whatever they are.
func (m *mutator) mutateBytes() {
	at := m.position()
	switch m.rng.IntN(8) {
	case 0, 1:
		if at < len(m.buf) {
			m.buf[at] ^= 1 << m.rng.IntN(8)
			m.items = nil
		}
	case 2:
		if at < len(m.buf) {
			m.buf[at] = byte(m.rng.Uint32())
			m.items = nil
		}
	case 3:
		by := m.word()
		if m.rng.IntN(2) == 0 {
			by = scraps[m.rng.IntN(len(scraps))]
		}
		m.replace(span{at, at}, by)
	case 4: // a few less
		m.replace(span{at, min(len(m.buf), at+1+m.rng.IntN(8))}, "")
	case 5: // some again
		to := m.position()
		m.replace(span{to, to}, string(m.buf[at:min(len(m.buf), at+1+m.rng.IntN(32))]))
	case 6: // the end of another input
		if other := m.any().text; len(other) > 0 {
			m.replace(span{at, len(m.buf)}, string(other[m.rng.IntN(len(other)):]))
		}
	case 7:
		m.replace(span{at, at}, string([]byte{byte(m.rng.Uint32())}))
	}
}

// position is anywhere in buf behind the head, its end too.
func (m *mutator) position() int {
	head := min(m.head, len(m.buf))
	return head + m.rng.IntN(len(m.buf)-head+1)
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

// split finds the items of text[from:] and appends them to dst.
func split(text []byte, from int, dst []span) []span {
	var open []int // in dst: arrays and objects that have not ended
	for i := from; i < len(text); {
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

package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Token is a word of a text.
type Token struct {
	Text       string // letters, digits and marks, or one symbol; folded
	Start, End int    // where it stands, in bytes

	dense bool // of a script without spaces: two neighbouring characters
	last  bool // the last character of those, alone
}

// maxWord is how many bytes of a word count, about: what is longer is no word that anybody types.
const maxWord = 64

// Tokens gives the words of text in order. Of a run of n characters without spaces these are the n-1 pairs and the last
// character, so that one begins at each character.
func Tokens(text string) []Token {
	s := scanner{text: text, tokens: make([]Token, 0, len(text)/6+1)}
	var segments norm.Iter
	segments.InitString(norm.NFKC, text)
	for !segments.Done() {
		start := segments.Pos()
		segment := segments.Next()
		end := segments.Pos()
		if end == start { // of a character that is taken apart, all but the last
			_, n := utf8.DecodeRuneInString(text[start:])
			end += n
		}
		if len(segment) == 1 && segment[0] < utf8.RuneSelf {
			s.ascii(segment[0], start, end)
			continue
		}
		for len(segment) > 0 {
			r, n := utf8.DecodeRune(segment)
			segment = segment[n:]
			s.take(r, start, end)
		}
	}
	s.endWord()
	s.endRun()
	return s.tokens
}

type scanner struct {
	text   string
	tokens []Token

	word       []byte // the word under way; empty: none
	start, end int    // where it stands
	plain      bool   // marks on its last letter are accents, not parts of the word

	run []character // the run under way of a script without spaces
}

type character struct {
	r          rune
	start, end int
}

func (s *scanner) ascii(c byte, start, end int) {
	switch {
	case 'A' <= c && c <= 'Z':
		c += 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
	default:
		s.endWord()
		s.endRun()
		return
	}
	s.letter(rune(c), start, end)
	s.plain = true
}

// take takes a character of NFKC.
func (s *scanner) take(r rune, start, end int) {
	switch {
	case unicode.Is(unicode.Cf, r), r == tatweel, unicode.Is(unicode.Variation_Selector, r), isSkinTone(r): // not seen, or no matter
	case isDense(r):
		s.endWord()
		s.run = append(s.run, character{r, start, end})
	case unicode.IsMark(r):
		s.mark(r, end)
	case unicode.IsLetter(r), unicode.IsNumber(r):
		s.fold(r, start, end)
	case unicode.Is(unicode.So, r):
		s.endWord()
		s.endRun()
		s.tokens = append(s.tokens, Token{Text: string(r), Start: start, End: end})
	default:
		s.endWord()
		s.endRun()
	}
}

const tatweel = 'ـ' // lengthens an Arabic word on paper

func isSkinTone(r rune) bool { return r >= 0x1F3FB && r <= 0x1F3FF }

// isDense tells characters of scripts that write words without spaces, and Hangul.
func isDense(r rune) bool {
	switch {
	case r < 0x0E00:
		return false
	case r == 'ー', r == '〆', r == '〇':
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) &&
		(unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r))
}

// mark takes a mark that goes with no letter to one character. In scripts whose vowels are marks it is part of the word.
func (s *scanner) mark(r rune, end int) {
	if len(s.word) > 0 && !s.plain {
		s.put(r)
		s.end = end
	}
}

// fold takes a letter or digit without case and accents.
func (s *scanner) fold(r rune, start, end int) {
	plain := unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew)
	if plain {
		if d := norm.NFD.PropertiesString(string(r)).Decomposition(); d != nil && r != 'й' && r != 'Й' {
			for _, part := range string(d) {
				if !unicode.IsMark(part) {
					s.letter(lower(part), start, end)
				}
			}
			s.plain = true
			return
		}
	}
	r = lower(r)
	if as, ok := spelled[r]; ok {
		for _, part := range as {
			s.letter(part, start, end)
		}
	} else {
		s.letter(r, start, end)
	}
	s.plain = plain
}

func lower(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// spelled are letters that are typed in another way by who does not have them.
var spelled = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'þ': "th", 'ħ': "h", 'ŧ': "t", 'ı': "i",
	'ى': "ي", 'ی': "ي", 'ک': "ك", 'ة': "ه",
}

func (s *scanner) letter(r rune, start, end int) {
	s.endRun()
	if len(s.word) == 0 {
		s.start = start
	}
	s.put(r)
	s.end = end
}

func (s *scanner) put(r rune) {
	if len(s.word) < maxWord {
		s.word = utf8.AppendRune(s.word, r)
	}
}

func (s *scanner) endWord() {
	if len(s.word) == 0 {
		return
	}
	text := string(s.word)
	if same := s.text[s.start:s.end]; same == text {
		text = same // shares the text's memory
	}
	s.tokens = append(s.tokens, Token{Text: text, Start: s.start, End: s.end})
	s.word = s.word[:0]
}

func (s *scanner) endRun() {
	for i := range s.run {
		c := &s.run[i]
		t := Token{Text: string(c.r), Start: c.start, End: c.end, dense: true, last: true}
		if i+1 < len(s.run) {
			next := &s.run[i+1]
			t.Text, t.End, t.last = string([]rune{c.r, next.r}), next.end, false
		}
		s.tokens = append(s.tokens, t)
	}
	s.run = s.run[:0]
}

// HasLink tells whether text has the address of a web page in it.
func HasLink(text string) bool {
	for rest := text; ; {
		i := strings.Index(rest, "://")
		if i < 0 {
			return false
		}
		scheme := strings.ToLower(rest[max(0, i-5):i])
		rest = rest[i+3:]
		r, _ := utf8.DecodeRuneInString(rest)
		if (strings.HasSuffix(scheme, "http") || scheme == "https") && rest != "" && !unicode.IsSpace(r) {
			return true
		}
	}
}

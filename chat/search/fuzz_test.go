package search_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/chat/search"
	"github.com/chatd-dev/chatd/internal/fuzzing"
)

// FuzzQuery reads any query and puts it to any text.
func FuzzQuery(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{
		Seeds: []string{"deploy\x00we deployed", `"a b"* -c in:ops` + "\x00a b", "東京\x00東京都", "before:2026 after:2025-01-02\x00", "has:link\x00http://x", "\"\x00\"", "“é\u0301*\x00E\u0301"},
		Words: []string{
			"\"", "*", "-", ":", "in:", "from:@", "has:pin", "before:", "2026-11-28", "T00:00:00Z", " OR ", " NOT ", "NEAR(", ")", "{text}:", "^", "+", "'", "\x00", " ",
			"東", "京", "サ", "ﾊ", "ﾞ", "서", "버", "\u0301", "\u3099", "\u200d", "ß", "İ", "é", "مُ", "שׁ", "हि", "ไ", "👍🏽", "\xff", "\u2028", "0", "Ω",
		},
		MaxSize: 200,
	}, func(t testing.TB, in []byte) {
		query, text, _ := strings.Cut(string(in), "\x00")
		tokens := search.Tokens(text)
		checkTokens(t, text, tokens)
		q, err := search.Parse(query)
		if err != nil {
			var wrong *search.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		for i := range q.Terms {
			checkWords(t, query, q.Terms[i].Words)
		}
		matches, marks := q.Matches(tokens), q.Marks(tokens)
		for i := range q.Terms {
			if matches && !q.Terms[i].Not && len(marks) == 0 {
				t.Fatalf("%q matches %q, but nowhere", query, text)
			}
		}
		checkExcerpt(t, text, marks)
		checkFindsItself(t, text, tokens)
	})
}

func checkTokens(t testing.TB, text string, tokens []search.Token) {
	at := 0
	for _, tok := range tokens {
		checkWords(t, text, []string{tok.Text})
		if tok.Start < at || tok.End <= tok.Start || tok.End > len(text) {
			t.Fatalf("%q: %q stands at %d to %d, after %d", text, tok.Text, tok.Start, tok.End, at)
		}
		at = tok.Start
	}
}

// checkWords holds what an index relies on: a word is letters, digits, marks and symbols, and folded.
func checkWords(t testing.TB, in string, words []string) {
	if len(words) == 0 {
		t.Fatalf("%q: a term without words", in)
	}
	for _, w := range words {
		if w == "" || len(w) > 80 || !utf8.ValidString(w) {
			t.Fatalf("%q: word %q", in, w)
		}
		for _, r := range w {
			if r < utf8.RuneSelf && (r < '0' || r > '9') && (r < 'a' || r > 'z') || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.So) {
				t.Fatalf("%q: word %q has %U", in, w, r)
			}
		}
	}
}

func checkExcerpt(t testing.TB, text string, marks []search.Range) {
	x := search.Cut(text, marks)
	n := utf8.RuneCountInString(x.Text)
	if n > 250 {
		t.Fatalf("%q: %d characters are shown", text, n)
	}
	at := -1
	for _, m := range x.Marks {
		if m.Start <= at || m.End <= m.Start || m.End > n {
			t.Fatalf("%q: mark %v in %q after %d", text, m, x.Text, at)
		}
		at = m.End
	}
	if len(marks) > 0 && len(x.Marks) == 0 {
		t.Fatalf("%q: none of the marks %v is shown", text, marks)
	}
}

// checkFindsItself looks for a text in itself.
func checkFindsItself(t testing.TB, text string, tokens []search.Token) {
	if len(tokens) == 0 || len(tokens) > search.MaxWords || strings.ContainsAny(text, `"“”„`) {
		return
	}
	q, err := search.Parse(`"` + text + `"`)
	if err != nil || !q.Matches(tokens) {
		t.Fatalf("%q does not find itself: %v", text, err)
	}
}

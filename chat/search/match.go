package search

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Range is part of a text, in bytes.
type Range struct{ Start, End int }

// Matches tells whether a text with these words is one that the terms ask for.
func (q *Query) Matches(tokens []Token) bool {
	for i := range q.Terms {
		t := &q.Terms[i]
		if (t.next(tokens, 0) >= 0) == t.Not {
			return false
		}
	}
	return true
}

// HasAll tells whether a message that has these kinds is one that the query asks for.
func (q *Query) HasAll(kinds Kind) bool {
	for _, h := range q.Has {
		if (kinds&h.Kind != 0) == h.Not {
			return false
		}
	}
	return true
}

// next gives the first place, not before from, where the term stands; -1: none.
func (t *Term) next(tokens []Token, from int) int {
	last := len(t.Words) - 1
	for i := from; i+last < len(tokens); i++ {
		if t.at(tokens[i : i+last+1]) {
			return i
		}
	}
	return -1
}

func (t *Term) at(tokens []Token) bool {
	last := len(t.Words) - 1
	for i, word := range t.Words[:last] {
		if tokens[i].Text != word {
			return false
		}
	}
	if t.Prefix {
		return strings.HasPrefix(tokens[last].Text, t.Words[last])
	}
	return tokens[last].Text == t.Words[last]
}

// Marks gives where in the text the terms stand, in order, none touching another.
func (q *Query) Marks(tokens []Token) []Range {
	var all []Range
	for i := range q.Terms {
		t := &q.Terms[i]
		if t.Not {
			continue
		}
		for at := t.next(tokens, 0); at >= 0; at = t.next(tokens, at+1) {
			last := at + len(t.Words) - 1
			end := tokens[last].End
			if word := t.Words[len(t.Words)-1]; tokens[last].dense && !tokens[last].last && utf8.RuneCountInString(word) == 1 {
				end = tokens[last+1].Start // of the pair only the first character
			}
			all = append(all, Range{tokens[at].Start, end})
		}
	}
	slices.SortFunc(all, func(a, b Range) int { return a.Start - b.Start })
	var marks []Range
	for _, r := range all {
		if n := len(marks); n > 0 && r.Start <= marks[n-1].End {
			marks[n-1].End = max(marks[n-1].End, r.End)
			continue
		}
		marks = append(marks, r)
	}
	return marks
}

// Excerpt is as much of a text as is shown, on one line.
type Excerpt struct {
	Text  string  // … stands for what is left out
	Marks []Range // in characters (Unicode code points) of Text
}

const (
	excerptSize = 240 // characters at most, about
	excerptLead = 60  // of them before the first mark
	excerptSlip = 20  // how far it may be from there to a space
)

// Cut cuts from text what stands around the first of marks, which are as Marks gives them.
func Cut(text string, marks []Range) *Excerpt {
	from, to := 0, len(text)
	if utf8.RuneCountInString(text) > excerptSize {
		if len(marks) > 0 {
			from = spaceNear(text, back(text, marks[0].Start, excerptLead))
			from = min(from, marks[0].Start)
		}
		to = forth(text, from, excerptSize)
	}
	x := &Excerpt{}
	var b strings.Builder
	if from > 0 {
		b.WriteRune('…')
	}
	lead := utf8.RuneCountInString(b.String())
	for _, r := range text[from:to] {
		if r == '\n' || r == '\r' || r == '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	if to < len(text) {
		b.WriteRune('…')
	}
	x.Text = b.String()
	at, chars := from, lead // how many characters of Text come before text[at:]
	for _, m := range marks {
		if m.Start < from || m.Start >= to {
			continue
		}
		chars += utf8.RuneCountInString(text[at:m.Start])
		end := min(m.End, to)
		n := utf8.RuneCountInString(text[m.Start:end])
		x.Marks = append(x.Marks, Range{chars, chars + n})
		at, chars = end, chars+n
	}
	return x
}

// back is n characters before at, forth n after it.
func back(text string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return at
}

func forth(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// spaceNear is after the next space, if it is not far; at otherwise.
func spaceNear(text string, at int) int {
	if at == 0 {
		return 0
	}
	if i := strings.IndexAny(text[at:forth(text, at, excerptSlip)], " \n\t"); i >= 0 {
		return at + i + 1
	}
	return at
}

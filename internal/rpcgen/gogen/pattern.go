package gogen

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// piece is a part of a pattern: between min and max characters, each in one of the ranges.
type piece struct {
	min, max int
	ranges   []rune // pairs: first and last
}

// pieces takes a pattern apart. Only patterns that can be matched without trying are known: a beginning,
// ASCII characters and sets of them with fixed counts, at the end one with a range of counts, an end.
func pieces(pattern string) ([]piece, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if re.Op != syntax.OpConcat || len(re.Sub) < 3 || re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return nil, fmt.Errorf("pattern %s must be anchored at both ends", pattern)
	}
	var out []piece
	parts := re.Sub[1 : len(re.Sub)-1]
	for i, sub := range parts {
		more, err := part(sub)
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", pattern, err)
		}
		out = append(out, more...)
		if last := more[len(more)-1]; last.min != last.max && i < len(parts)-1 {
			return nil, fmt.Errorf("pattern %s: only its last part may vary in length", pattern)
		}
	}
	return out, nil
}

func part(re *syntax.Regexp) ([]piece, error) {
	switch re.Op {
	case syntax.OpLiteral:
		var out []piece
		for _, r := range re.Rune {
			out = append(out, piece{1, 1, []rune{r, r}})
		}
		if re.Flags&syntax.FoldCase != 0 {
			return nil, fmt.Errorf("%v ignores case", re)
		}
		return out, nil
	case syntax.OpCharClass:
		if re.Rune[len(re.Rune)-1] >= unicode.MaxASCII+1 {
			return nil, fmt.Errorf("%v holds more than ASCII", re)
		}
		return []piece{{1, 1, re.Rune}}, nil
	case syntax.OpRepeat, syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		inner, err := part(re.Sub[0])
		if err != nil || len(inner) != 1 || inner[0].min != 1 || inner[0].max != 1 {
			return nil, fmt.Errorf("cannot repeat %v", re.Sub[0])
		}
		low, high := re.Min, re.Max
		switch re.Op {
		case syntax.OpStar:
			low, high = 0, -1
		case syntax.OpPlus:
			low, high = 1, -1
		case syntax.OpQuest:
			low, high = 0, 1
		}
		return []piece{{low, high, inner[0].ranges}}, nil
	}
	return nil, fmt.Errorf("cannot match %v", re)
}

// matcher prints a function that tells whether bytes match the type's pattern.
func (p *printer) matcher(t *ir.Type) {
	parts, err := pieces(t.Pattern)
	if err != nil {
		p.err = fmt.Errorf("%s: %w", t.Name, err)
		return
	}
	low, high := 0, 0
	for _, part := range parts {
		low += part.min
		if part.max < 0 || high < 0 {
			high = -1
		} else {
			high += part.max
		}
	}
	p.f("// is%s matches %s", t.Name, t.Pattern)
	p.f("func is%s(b []byte) bool {", t.Name)
	switch {
	case low == high:
		p.f("if len(b) != %d {\nreturn false\n}", low)
	case high < 0:
		p.f("if len(b) < %d {\nreturn false\n}", low)
	default:
		p.f("if len(b) < %d || len(b) > %d {\nreturn false\n}", low, high)
	}
	at := 0
	for _, part := range parts {
		switch {
		case part.max == 1 && part.min == 1:
			p.f("if c := b[%d]; %s {\nreturn false\n}", at, outside(part.ranges))
		case part.min == part.max:
			p.f("for _, c := range b[%d:%d] {\nif %s {\nreturn false\n}\n}", at, at+part.min, outside(part.ranges))
		default:
			rest := "b"
			if at > 0 {
				rest = fmt.Sprintf("b[%d:]", at)
			}
			p.f("for _, c := range %s {\nif %s {\nreturn false\n}\n}", rest, outside(part.ranges))
		}
		at += part.min
	}
	p.f("return true\n}\n")
}

// outside is the condition that c is in none of the ranges.
func outside(ranges []rune) string {
	var terms []string
	for i := 0; i < len(ranges); i += 2 {
		first, last := ranges[i], ranges[i+1]
		if first == last {
			terms = append(terms, fmt.Sprintf("c != %q", first))
		} else {
			terms = append(terms, fmt.Sprintf("(c < %q || c > %q)", first, last))
		}
	}
	text := strings.Join(terms, " && ")
	if inner, ok := strings.CutPrefix(text, "("); ok && len(terms) == 1 {
		return strings.TrimSuffix(inner, ")")
	}
	return text
}

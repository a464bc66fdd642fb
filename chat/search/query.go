package search

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Query is what is asked for: all of it has to be so, but of several rooms, or of several senders, one.
type Query struct {
	Terms []Term
	In    []Name // of rooms, as typed
	From  []Name // of users, as typed
	Has   []Has

	Since, Until int64 // Unix milliseconds: Since <= at < Until; 0: no bound
}

// Term is a word or a phrase: words that stand one after the other.
type Term struct {
	Words  []string // as Tokens gives them; at least one
	Prefix bool     // of the last one only the beginning
	Not    bool     // has not to be there
}

// Name is somebody or something by name.
type Name struct {
	Name string
	Not  bool
}

// Kind is something that a message has: bits.
type Kind uint8

// What messages have.
const (
	Link Kind = 1 << iota
	Reaction
	Thread
	Pin
	Data
	Mention
)

// Kinds are the names of what messages have.
var Kinds = []struct {
	Name string
	Kind Kind
}{{"link", Link}, {"reaction", Reaction}, {"thread", Thread}, {"pin", Pin}, {"data", Data}, {"mention", Mention}}

// Has asks for messages that have, or have not, a kind.
type Has struct {
	Kind Kind
	Not  bool
}

// MaxWords is how many words a query has at most.
const MaxWords = 50

// Error says what is wrong with a query.
type Error struct{ Message string }

// Error implements error.
func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Parse reads a query as people type it. Only an operator can be wrong; anything else is words. Its errors are *Error.
func Parse(text string) (*Query, error) {
	q := &Query{}
	words := 0
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" {
			break
		}
		var p part
		p, text = cut(text)
		if err := q.add(&p); err != nil {
			return nil, err
		}
	}
	for i := range q.Terms {
		words += len(q.Terms[i].Words)
	}
	switch {
	case words+len(q.In)+len(q.From)+len(q.Has) > MaxWords:
		return nil, wrong("more than %d words", MaxWords)
	case words+len(q.In)+len(q.From)+len(q.Has) == 0 && q.Since == 0 && q.Until == 0:
		return nil, wrong("no word to look for")
	}
	return q, nil
}

// part is a piece of a query between spaces or quotes.
type part struct {
	text                string
	not, quoted, prefix bool
}

func isQuote(r rune) bool { return r == '"' || r == '“' || r == '”' || r == '„' }

// cut takes the first part off text, which begins with no space.
func cut(text string) (p part, rest string) {
	if r, n := utf8.DecodeRuneInString(text[1:]); text[0] == '-' && n > 0 && !unicode.IsSpace(r) {
		p.not, text = true, text[1:]
	}
	if r, n := utf8.DecodeRuneInString(text); isQuote(r) {
		p.quoted = true
		text = text[n:]
		end := strings.IndexFunc(text, isQuote)
		if end < 0 {
			p.text = text // quotes that are never closed
			return p, ""
		}
		_, n = utf8.DecodeRuneInString(text[end:])
		p.text, rest = text[:end], text[end+n:]
		p.prefix = strings.HasPrefix(rest, "*")
		return p, strings.TrimLeft(rest, "*")
	}
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || isQuote(r) })
	if end < 0 {
		end = len(text)
	}
	p.text, rest = text[:end], text[end:]
	if word := strings.TrimRight(p.text, "*"); word != p.text {
		p.text, p.prefix = word, true
	}
	return p, rest
}

func (q *Query) add(p *part) error {
	if key, value, ok := strings.Cut(p.text, ":"); ok && !p.quoted {
		known, err := q.operator(strings.ToLower(key), value, p.not)
		if known || err != nil {
			return err
		}
	}
	t := Term{Prefix: p.prefix, Not: p.not}
	tokens := Tokens(p.text)
	n := len(tokens)
	if n == 0 {
		return nil // punctuation
	}
	if tokens[n-1].last {
		if n > 1 && tokens[n-2].dense && !tokens[n-2].last {
			tokens = tokens[:n-1] // the text may go on after it, and the pair before says it already
		} else {
			t.Prefix = true
		}
	}
	for i := range tokens {
		t.Words = append(t.Words, tokens[i].Text)
	}
	q.Terms = append(q.Terms, t)
	return nil
}

// operator takes key:value; false if there is no such key.
func (q *Query) operator(key, value string, not bool) (bool, error) {
	switch key {
	case "in", "from", "has", "before", "after":
	default:
		return false, nil
	}
	if value == "" {
		return true, wrong("%s: wants something after the colon, without a space", key)
	}
	switch key {
	case "in":
		q.In = append(q.In, Name{strings.TrimPrefix(value, "#"), not})
	case "from":
		q.From = append(q.From, Name{strings.TrimPrefix(value, "@"), not})
	case "has":
		kind, err := kindOf(value)
		if err != nil {
			return true, err
		}
		q.Has = append(q.Has, Has{kind, not})
	default:
		if not {
			return true, wrong("-%s: not with a minus; there are before: and after:", key)
		}
		return true, q.bound(key, value)
	}
	return true, nil
}

func kindOf(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds {
		if strings.EqualFold(name, k.Name) || strings.EqualFold(name, k.Name+"s") {
			return k.Kind, nil
		}
		names = append(names, k.Name)
	}
	return 0, wrong("has:%s: one of %s", name, strings.Join(names, ", "))
}

// bound takes a day, month or year, which are UTC's, or an instant: before it begins, after it has ended.
func (q *Query) bound(key, value string) error {
	first, end, err := span(value)
	if err != nil {
		return wrong("%s:%s: a day such as 2026-11-28, a month, a year, or a time such as 2026-11-28T09:30:00Z", key, value)
	}
	if key == "before" {
		if q.Until == 0 || first < q.Until {
			q.Until = first
		}
		return nil
	}
	q.Since = max(q.Since, end)
	return nil
}

// span is the first millisecond of a date and the one after its last.
func span(date string) (first, end int64, err error) {
	at, err := time.Parse(time.RFC3339, strings.ToUpper(date))
	until := at.Truncate(time.Millisecond).Add(time.Millisecond)
	for _, form := range []struct {
		layout              string
		years, months, days int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if err == nil {
			break
		}
		at, err = time.Parse(form.layout, date)
		until = at.AddDate(form.years, form.months, form.days)
	}
	if err != nil || at.Year() < 1971 {
		return 0, 0, wrong("no date")
	}
	return at.UnixMilli(), until.UnixMilli(), nil
}

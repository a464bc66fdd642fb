package search_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/chat/search"
)

func words(text string) string {
	var all []string
	for _, t := range search.Tokens(text) {
		all = append(all, t.Text)
	}
	return strings.Join(all, "|")
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Hello, World!", "hello|world"},
		{"don't foo_bar v1.2 C++ a@b.de", "don|t|foo|bar|v1|2|c|a|b|de"},
		{"Crème BRÛLÉE Straße Łódź Ærø Istanbul İSTANBUL ısı", "creme|brulee|strasse|lodz|aero|istanbul|istanbul|isi"},
		{"cre\u0301me", "creme"},
		{"Ёлка мой МОЙ", "елка|мой|мой"},
		{"ΣΊΣΥΦΟΣ", "σισυφοσ"},
		{"ﬁne ｆｕｌｌ ①", "fine|full|1"},
		{"مُحَمَّد محمـــد أحمد", "محمد|محمد|احمد"},
		{"שָׁלוֹם", "שלום"},
		{"हिन्दी", "हिन्दी"},
		{"東京都", "東京|京都|都"},
		{"猫", "猫"},
		{"iPhone15を買う", "iphone15|を買|買う|う"},
		{"ｻｰﾊﾞｰ サーバー", "サー|ーバ|バー|ー|サー|ーバ|バー|ー"},
		{"か\u3099", "が"},
		{"서버를 ok", "서버|버를|를|ok"},
		{"ไทย", "ไท|ทย|ย"},
		{"ship it 🚀👍🏽", "ship|it|🚀|👍"},
		{"می\u200cخواهم", "ميخواهم"},
		{strings.Repeat("a", 100), strings.Repeat("a", 64)},
	} {
		if got := words(c.text); got != c.want {
			t.Errorf("words of %q: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestTokensTellWhereTheyStand(t *testing.T) {
	text := "Der Café e\u0301t 東京"
	var got []string
	for _, tok := range search.Tokens(text) {
		got = append(got, text[tok.Start:tok.End])
	}
	if d := cmp.Diff([]string{"Der", "Café", "e\u0301t", "東京", "京"}, got); d != "" {
		t.Error(d)
	}
}

func TestParse(t *testing.T) {
	day := func(s string) int64 {
		at, err := time.Parse("2006-01-02", s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMilli()
	}
	for _, c := range []struct {
		query string
		want  search.Query
	}{
		{"Deploy now", search.Query{Terms: []search.Term{{Words: []string{"deploy"}}, {Words: []string{"now"}}}}},
		{"depl*", search.Query{Terms: []search.Term{{Words: []string{"depl"}, Prefix: true}}}},
		{`"it is" -“not so”`, search.Query{Terms: []search.Term{{Words: []string{"it", "is"}}, {Words: []string{"not", "so"}, Not: true}}}},
		{`"roll ba"* x`, search.Query{Terms: []search.Term{{Words: []string{"roll", "ba"}, Prefix: true}, {Words: []string{"x"}}}}},
		{`"never closed in:ops`, search.Query{Terms: []search.Term{{Words: []string{"never", "closed", "in", "ops"}}}}},
		{"foo_bar", search.Query{Terms: []search.Term{{Words: []string{"foo", "bar"}}}}},
		{"https://a.b/c", search.Query{Terms: []search.Term{{Words: []string{"https", "a", "b", "c"}}}}},
		{"東京都 猫", search.Query{Terms: []search.Term{{Words: []string{"東京", "京都"}}, {Words: []string{"猫"}, Prefix: true}}}},
		{`"東京 x"`, search.Query{Terms: []search.Term{{Words: []string{"東京", "京", "x"}}}}},
		{"IN:#ops -from:@bob from:me", search.Query{In: []search.Name{{Name: "ops"}}, From: []search.Name{{Name: "bob", Not: true}, {Name: "me"}}}},
		{"has:link -has:Reactions", search.Query{Has: []search.Has{{Kind: search.Link}, {Kind: search.Reaction, Not: true}}}},
		{"after:2026-10 before:2026-11-05", search.Query{Since: day("2026-11-01"), Until: day("2026-11-05")}},
		{"after:2025 before:2026-01-01T00:00:00.005+00:00", search.Query{Since: day("2026-01-01"), Until: day("2026-01-01") + 5}},
		{"a & b - *", search.Query{Terms: []search.Term{{Words: []string{"a"}}, {Words: []string{"b"}}}}},
	} {
		got, err := search.Parse(c.query)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if d := cmp.Diff(&c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.query, d)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for query, want := range map[string]string{
		"":                       "no word to look for",
		" -- ** ":                "no word to look for",
		"in: ops":                "in: wants something after the colon",
		"has:wings":              "one of link, reaction, thread, pin, data, mention",
		"before:yesterday":       "before:yesterday: a day such as",
		"after:2026-13":          "after:2026-13: a day such as",
		"-before:2026":           "not with a minus",
		strings.Repeat("a ", 51): "more than 50 words",
	} {
		_, err := search.Parse(query)
		var wrong *search.Error
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Message, want) {
			t.Errorf("%q: %v, want %s", query, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		query, text string
		marked      string // with the marks in brackets; "" does not match
	}{
		{"deploy", "We Deploy; deploy!", "We [Deploy]; [deploy]!"},
		{"deploy", "deployed", ""},
		{"depl*", "deployed deplored", "[deployed] [deplored]"},
		{"cafe", "Das CAFÉ", "Das [CAFÉ]"},
		{`"we deploy"`, "deploy we: we deploy", "deploy we: [we deploy]"},
		{`"we dep"*`, "we deploy", "[we deploy]"},
		{"we deploy", "deploy as we", "[deploy] as [we]"},
		{"we -deploy", "we deploy", ""},
		{"-deploy", "we do not", "we do not"},
		{"京都", "東京都庁", "東[京都]庁"},
		{"東京都", "東京都庁", "[東京都]庁"},
		{"京東", "東京都庁", ""},
		{"京", "東京都庁", "東[京]都庁"},
		{"庁", "東京都庁", "東京都[庁]"},
		{"買う", "iPhone15を買う。", "iPhone15を[買う]。"},
		{`"京 x"`, "東京 x", "東[京 x]"},
		{"서버", "서버를 봐", "[서버]를 봐"},
		{"שלום", "שָׁלוֹם לך", "[שָׁלוֹם] לך"},
		{"👍", "ok 👍🏽", "ok [👍]🏽"},
		{"a ab*", "a abc", "[a] [abc]"},
		{`"a b" "b c"`, "a b c", "[a b c]"},
	} {
		q, err := search.Parse(c.query)
		if err != nil {
			t.Fatal(err)
		}
		tokens := search.Tokens(c.text)
		if !q.Matches(tokens) {
			if c.marked != "" {
				t.Errorf("%s does not match %q", c.query, c.text)
			}
			continue
		}
		if got := bracketed(search.Cut(c.text, q.Marks(tokens))); got != c.marked {
			t.Errorf("%s marks %q, want %q", c.query, got, c.marked)
		}
	}
}

func bracketed(x *search.Excerpt) string {
	text := []rune(x.Text)
	for i := len(x.Marks) - 1; i >= 0; i-- {
		m := x.Marks[i]
		text = []rune(string(text[:m.Start]) + "[" + string(text[m.Start:m.End]) + "]" + string(text[m.End:]))
	}
	return string(text)
}

func TestCutOfALongText(t *testing.T) {
	text := strings.Repeat("blah\n", 100) + "näedle " + strings.Repeat("é ", 300)
	q, err := search.Parse("naedle")
	if err != nil {
		t.Fatal(err)
	}
	x := search.Cut(text, q.Marks(search.Tokens(text)))
	want := "…" + strings.Repeat("blah ", 11) + "[näedle] " + strings.Repeat("é ", 89) + "…"
	if got := bracketed(x); got != want {
		t.Errorf("%d characters:\n%s, want\n%s", len([]rune(x.Text)), got, want)
	}
	if x := search.Cut(text, nil); x.Marks != nil || x.Text != strings.Repeat("blah ", 48)+"…" {
		t.Errorf("without marks: %q", x.Text)
	}
}

func TestHasLink(t *testing.T) {
	for text, want := range map[string]bool{
		"see https://x.org": true, "HTTP://X": true, "(http://x)": true, "https:// x": false, "https://": false, "ftp://x": false, "none": false, "a://b https://c": true,
	} {
		if search.HasLink(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

func BenchmarkTokens(b *testing.B) {
	for name, text := range map[string]string{
		"ascii": strings.Repeat("We deployed the server at noon, all is well. ", 4), "latin": strings.Repeat("Wir müssen die Straße räumen, schön wär's. ", 4),
		"japanese": strings.Repeat("東京都庁へ行きました。サーバーは動いています。", 4),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for range b.N {
				search.Tokens(text)
			}
		})
	}
}

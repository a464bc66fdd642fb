package termsafe_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/internal/termsafe"
)

func TestText(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "I am Groot.", "I am Groot."},
		{"newline and tab stay", "a\n\tb", "a\n\tb"},
		{"colour", "\x1b[31mred\x1b[0m", "red"},
		{"colour by C1", "\u009b31mred", "red"},
		{"cursor and clear", "\x1b[2J\x1b[1;1Hgone", "gone"},
		{"window title, BEL", "\x1b]0;owned\ahi", "hi"},
		{"window title, ST", "\x1b]0;owned\x1b\\hi", "hi"},
		{"clipboard by C1", "\u009d52;c;aGk=\u009chi", "hi"},
		{"hyperlink", "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"},
		{"device control", "\x1bP$q\"p\x1b\\hi", "hi"},
		{"application command", "\x1b_Gi=1\x1b\\hi", "hi"},
		{"SOS and PM", "\x1bXa\x1b\\b\x1b^c\x1b\\d", "bd"},
		{"a string that nothing ends hides nothing", "\x1b]0;the rest", "0;the rest"},
		{"a string ended by the next sequence", "\x1b]0;x\x1b[1mhi", "hi"},
		{"broken off", "\x1b[12", ""},
		{"broken off by a letter of another script", "\x1b[1я", "я"},
		{"character set", "\x1b(0lqk", "lqk"},
		{"full reset", "\x1bchi", "hi"},
		{"escape alone", "hi\x1b", "hi"},
		{"two escapes", "\x1b\x1b[31mhi", "hi"},
		{"carriage return", "safe\rfake", "safefake"},
		{"backspace, bell, NUL, DEL", "a\bb\ac\x00d\x7fe", "abcde"},
		{"next line", "a\u0085b", "ab"},
		{"override", "user\u202etxt.exe", "user⟨RLO⟩txt.exe"},
		{"isolates", "\u2066\u2067\u2068\u2069", "⟨LRI⟩⟨RLI⟩⟨FSI⟩⟨PDI⟩"},
		{"embeddings", "\u202a\u202b\u202c\u202d", "⟨LRE⟩⟨RLE⟩⟨PDF⟩⟨LRO⟩"},
		{"no UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
		{"an eight-bit CSI that is no UTF-8", "\x9b31mred", "\ufffd31mred"},
		{"joiners stay", "👩‍👩‍👧 e\u0301 שלום", "👩‍👩‍👧 e\u0301 שלום"},
		{"direction marks", "a\u200eb\u200fc\u061cd", "abcd"},
		{"separators", "a\u2028b\u2029c", "a⟨LS⟩b⟨PS⟩c"},
		{"scripts stay", "Привет Ελλάδα العربية हिन्दी 漢字 ไทย", "Привет Ελλάδα العربية हिन्दी 漢字 ไทย"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := termsafe.Text(tc.in); got != tc.want {
				t.Errorf("Text(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	if got, want := termsafe.Line("a\n10:00 admin:\tb\r\n"), "a 10:00 admin: b "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	in := "{\"text\":\"a\u009b31m\u007f\u202eb 漢\",\"n\":[1, 2]}"
	out := string(termsafe.AppendJSON(nil, []byte(in)))
	if want := `{"text":"a\u009b31m\u007f\u202eb 漢","n":[1, 2]}`; out != want {
		t.Fatalf("got %s, want %s", out, want)
	}
	var a, b struct{ Text string }
	if json.Unmarshal([]byte(in), &a) != nil || json.Unmarshal([]byte(out), &b) != nil || a != b {
		t.Errorf("means something else: %q, %q", a, b)
	}
}

// nasty draws text in which everything that matters is common.
func nasty() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b\\", "\a", "\x18", "\x1a", "\r", "\n", "\t", "\x7f", "\x00",
			"\u0085", "\u0090", "\u009b", "\u009c", "\u009d", "\u202e", "\u2069", "\x9b", "\xff", "\xc2", "0;", "31m", "(", "0", "⟨", "漢", "e\u0301",
		}),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
	})
}

func TestTextIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkHarmless(t, nasty().Draw(t, "text")) })
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkHarmless(t failer, in string) {
	t.Helper()
	text, line := termsafe.Text(in), termsafe.Line(in)
	for _, out := range []string{text, line} {
		if !utf8.ValidString(out) {
			t.Fatalf("%q: no UTF-8: %q", in, out)
		}
		for _, r := range out {
			switch {
			case r == '\n' || r == '\t':
			case r < 0x20 || r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c, r == 0x2028, r == 0x2029:
				t.Fatalf("%q: control %U in %q", in, r, out)
			}
		}
		if again := ansi.Strip(out); again != out {
			t.Fatalf("%q: another parser still finds sequences in %q", in, out)
		}
		if len(out) > 3*len(in) { // the worst is a bad byte; a bidi control of 3 bytes becomes 9
			t.Fatalf("%q: grew from %d to %d bytes", in, len(in), len(out))
		}
	}
	if strings.ContainsAny(line, "\n\t") {
		t.Fatalf("%q: more than one line: %q", in, line)
	}
	if again := termsafe.Text(text); again != text {
		t.Fatalf("%q: not stable: %q, then %q", in, text, again)
	}
	if strings.Count(text, "\n") > strings.Count(in, "\n") {
		t.Fatalf("%q: new lines in %q", in, text)
	}
}

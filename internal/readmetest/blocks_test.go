package readmetest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// block is one fenced block of a document.
type block struct {
	line  int // where its fence stands
	kind  string
	name  string
	lines []string
}

func readBlocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		info, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			words := strings.Fields(info)
			if len(words) != 2 {
				t.Errorf("%s:%d: %q: want a kind and a name, so that the block is run", path, i+1, line)
				words = append(words, "", "")
			}
			open = &block{line: i + 1, kind: words[0], name: words[1]}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: this fence is never closed", path, open.line)
	}
	return blocks
}

// volatile is what differs from run to run, and how each looks.
var volatilePatterns = []string{
	`(?:user|room|session|epoch|req)_[0-9a-z]{26}`,
	`(?:chd|inv|setup)_[A-Za-z0-9_-]{43}`,
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`,
	`\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?`,
	`\b\d\d:\d\d(?::\d\d)?\b`,
	`\b\d+(?:\.\d+)? ?(?:µs|ms|s)\b`,
	`/\S*/chatd-data`,
	`chatd \d+\.\d+\.\d+\S*`,
	`chatd\.yaml:\d+`,
}

var volatile = regexp.MustCompile(strings.Join(volatilePatterns, "|"))

// pattern turns a line of the README into a regular expression for what a terminal shows.
func pattern(line string) *regexp.Regexp {
	var b strings.Builder
	rest := strings.TrimRight(line, " ")
	for {
		at := volatile.FindStringIndex(rest)
		if at == nil {
			break
		}
		b.WriteString(loose(rest[:at[0]]))
		for _, p := range volatilePatterns {
			if regexp.MustCompile(`^(?:` + p + `)$`).MatchString(rest[at[0]:at[1]]) {
				b.WriteString(`(?:` + p + `)`)
				break
			}
		}
		rest = rest[at[1]:]
	}
	b.WriteString(loose(rest))
	return regexp.MustCompile(b.String())
}

// loose quotes text, letting "…" stand for anything and the width of gaps be free.
func loose(text string) string {
	text = regexp.QuoteMeta(text)
	text = strings.ReplaceAll(text, "…", `.*?`)
	return regexp.MustCompile(` +`).ReplaceAllString(text, ` +`)
}

func TestPatternsAreNeitherTooLooseNorTooStrict(t *testing.T) {
	for _, tt := range []struct {
		shown, got string
		want       bool
	}{
		{"12:01 groot: hello", "23:59 groot: hello", true},
		{"12:01 groot: hello", "23:59 groot: hullo", false},
		{"listening on http://127.0.0.1:8080", "listening on http://127.0.0.1:8080", true},
		{`{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3}`, `{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xs","seq":3}`, true},
		{`{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3}`, `{"room_id":"user_01kb1z3c8efyvs6tjv5vz0q7xs","seq":4}`, false},
		{`"token":"…"`, `"token":"chd_x"`, true},
		{"a  b", "a b", true},
		{"(a)", "a", false},
	} {
		if got := pattern(tt.shown).MatchString(tt.got); got != tt.want {
			t.Errorf("%q for %q: got %v", tt.got, tt.shown, got)
		}
	}
}

package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/internal/fuzzing"
)

// FuzzConfig gives strange files and environments: each is refused with a place and a reason, or taken and read back
// the same from what config show prints. The first byte chooses file or environment, a variable a line.
func FuzzConfig(f *testing.F) {
	s := newSchema()
	seeds := []string{"A" + string(Example())}
	var words []string
	for _, seed := range []string{
		"", "listen: 127.0.0.1:1\n", "limits:\n  max_batch: 0x10\n", "limits: {backlog_bytes: 1_000_000}", "tls: ~", "a: &a [*a]", "? {a: b}\n: c", "<<: {listen: x}",
		"\"listen\": \"\\u0000\"", "session_ttl: 1d1h", "fanout:\n  busy_rate: 1e3", "- - -", "%YAML 1.1\n---\nlisten: x", "limits:\n\tmax_batch: 1", "!!map {data_dir: !!str 5}",
		"data_dir: |\n  a\n  b\n", "allowed_hosts: [\"\\xff\", \"\\U0001F600\"]", "metrics: off", "data_dir: !!binary aGk=", "listen: x\n---\nlisten: y\n", "setup_token: abcdefghijklmnopqrstuvwxyz\n", "setup_token: 1234567890123456789012345\n", "setup_token: [1234567890]\n", "data_dir: >-\n  a\n\n  b # c\n",
	} {
		seeds = append(seeds, "A"+seed)
	}
	for _, set := range s.settings {
		section, leaf := split(set.key)
		line := leaf + ": " + set.format(Default()) + "\n"
		if section != "" {
			line = section + ":\n  " + line
		}
		seeds = append(seeds, "A"+line, "B"+set.env+"="+strings.Trim(set.format(Default()), `"[]`))
		words = append(words, leaf, set.env)
		for _, word := range append(set.enum, set.low, set.top) {
			if word != "" {
				words = append(words, word)
			}
		}
	}
	words = append(words, "listen: ", "limits:\n  ", "fanout:\n  ", "0.5", "1.5h", "12h", "36h", "90m", "1500ms", "-1s", "1d", "90d", "9223372036854775807d", "106751d", "1GiB", "8589934592GiB", "1e309", ".inf", ".nan", "0x7f", "0o17", "!!str ", "&a ", "*a", "|", ">", "# ", "---\n", "~", "'", "? ", "- ",
		"[a, b]", "10.0.0.0/8", "https://*.example.org", "[::1]", "[::1]:0", ":8080", "localhost:1", "\u2028", "\ufeff", "\u0085")
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words, Head: 1}, func(t testing.TB, in []byte) {
		if len(in) == 0 {
			return
		}
		text := string(in[1:])
		if in[0]%2 == 0 {
			l, problems := s.readEnv(strings.Split(text, "\n"))
			checkEnvironment(t, problems)
			if problems == nil {
				checkLayer(t, s, l)
			}
			return
		}
		l, problems := s.parseFile("f", []byte(text))
		checkPlaces(t, problems, text)
		if problems == nil {
			checkLayer(t, s, l)
		}
	})
}

var (
	place    = regexp.MustCompile(`^f:(\d+)$`)
	variable = regexp.MustCompile(`^CHATD_`)
)

// checkPlaces wants a line of the file and a message for each fault.
func checkPlaces(t testing.TB, problems Problems, text string) {
	for _, p := range problems {
		if strings.HasPrefix(p.Message, "setup_token ") && strings.Contains(p.Message, "1234567890") {
			t.Fatalf("%q: %q tells a secret", text, p.Message)
		}
		m := place.FindStringSubmatch(p.Where)
		if m == nil && p.Where == "f" && strings.HasPrefix(p.Message, "not YAML: ") {
			continue // of some faults the YAML library does not tell the line
		}
		line := 0
		if m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		// YAML knows more line ends than \n.
		if most := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 2; line < 1 || line > most || p.Message == "" {
			t.Fatalf("%q: %q: %q", text, p.Where, p.Message)
		}
	}
}

func checkEnvironment(t testing.TB, problems Problems) {
	for _, p := range problems {
		if !variable.MatchString(p.Where) || p.Message == "" {
			t.Fatalf("%q: %q", p.Where, p.Message)
		}
	}
}

var empty = cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "\x00") })

// checkLayer wants what was strictly read to be decoded, or refused with a place, and to be shown so that it is read the same.
func checkLayer(t testing.TB, s *schema, l *layer) {
	cfg, origins, err := s.merge(l)
	if err != nil {
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 || strings.HasPrefix(err.Error(), "decode the configuration") {
			t.Fatalf("strictly read, and then: %v", err)
		}
		return
	}
	if cfg.SetupToken != "" {
		if shown := string(Show(cfg, origins)); !strings.Contains(shown, "setup_token: \"(hidden)\"") {
			t.Fatalf("a secret is shown: %s", shown)
		}
		return // shown hidden
	}
	// All of it takes a millisecond. For most inputs the lines of the settings that they give are enough.
	if len(fmt.Sprint(l.values))%16 == 0 {
		shown := Show(cfg, nil)
		if len(l.values) == 1 {
			shown = Show(cfg, origins)
		}
		again, problems := s.parseFile("f", shown)
		if problems != nil {
			t.Fatalf("shown but refused: %v\n%s", problems, shown)
		}
		back, _, err := s.merge(again)
		if err != nil {
			t.Fatalf("shown but refused: %v\n%s", err, shown)
		}
		if d := cmp.Diff(cfg, back, empty); d != "" {
			t.Fatalf("read back differently: %s", d)
		}
	}
	for key, value := range l.values {
		section, leaf := split(key)
		shown := leaf + ": " + s.byKey[key].format(cfg) + "\n"
		if section != "" {
			shown = section + ":\n  " + shown
		}
		again, problems := s.parseFile("f", []byte(shown))
		if problems != nil || !same(value, again.values[key]) {
			t.Fatalf("%s: %#v was shown as %q and read as %#v, %v", key, value, shown, again, problems)
		}
	}
}

// same compares values of settings; an empty list may be nil.
func same(a, b any) bool {
	x, isList := a.([]string)
	y, _ := b.([]string)
	return isList && slices.Equal(x, y) || !isList && a == b
}

package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzConfig gives strange files: each is refused with a place and a reason, or taken and read back
// the same from what config show prints.
func FuzzConfig(f *testing.F) {
	f.Add(string(Example()))
	for _, seed := range []string{
		"", "listen: 127.0.0.1:1\n", "limits:\n  max_batch: 0x10\n", "limits: {backlog_bytes: 1_000_000}", "tls: ~", "a: &a [*a]", "? {a: b}\n: c", "<<: {listen: x}",
		"\"listen\": \"\\u0000\"", "session_ttl: 1d1h", "fanout:\n  busy_rate: 1e3", "- - -", "%YAML 1.1\n---\nlisten: x", "limits:\n\tmax_batch: 1", "!!map {data_dir: !!str 5}",
		"data_dir: |\n  a\n  b\n", "allowed_hosts: [\"\\xff\", \"\\U0001F600\"]", "metrics: off", "data_dir: !!binary aGk=",
	} {
		f.Add(seed)
	}
	empty := cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "\x00") })
	f.Fuzz(func(t *testing.T, text string) {
		s := newSchema()
		l, problems := s.parseFile("f", []byte(text))
		if problems != nil {
			return
		}
		cfg, origins, err := s.merge(l)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || strings.HasPrefix(err.Error(), "decode the configuration") {
				t.Fatalf("strictly read, and then: %v", err)
			}
			return
		}
		if cfg.SetupToken != "" {
			return // shown hidden
		}
		shown := Show(cfg, nil)
		l, problems = s.parseFile("f", shown)
		if problems != nil {
			t.Fatalf("shown but refused: %v\n%s", problems, shown)
		}
		again, _, err := s.merge(l)
		if err != nil {
			t.Fatalf("shown but refused: %v\n%s", err, shown)
		}
		if d := cmp.Diff(cfg, again, empty); d != "" {
			t.Fatalf("read back differently: %s", d)
		}
		_ = Show(cfg, origins)
	})
}

package config

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "500ms": 500 * time.Millisecond, "90d": 90 * day, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "10m": 10 * time.Minute, "1m5s": 65 * time.Second,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
			continue
		}
		if again, err := parseDuration(formatDuration(got)); err != nil || again != want {
			t.Errorf("%s: written %s, read %s, %v", text, formatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "5", "d", "-1d", "1d-1h", "200000d", "1.5d", "106751d24h", "1 h", "∞"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q: got %s", text, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "65536": 65536, "64KiB": 65536, "1 MiB": 1 << 20, "3GiB": 3 << 30, "12B": 12} {
		got, err := parseBytes(text)
		if err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
			continue
		}
		if again, err := parseBytes(got.String()); err != nil || again != want {
			t.Errorf("%s: written %s, read %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "KiB", "1KB", "1.5MiB", "0x10", "9223372036854775807KiB", "1_000"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

func TestSuggest(t *testing.T) {
	names := newSchema().names()
	for given, want := range map[string]string{
		"lisen": "listen", "limits.max_batches": "limits.max_batch", "limit.max_batch": "limits.max_batch", "limits.rate": "", "log.lvl": "log.level",
		"tls.cert": "tls.cert_file", "log_level": "log.level", "fanout.workres": "fanout.workers", "x": "", "limits.in_flight": "limits.max_in_flight",
	} {
		if got := suggest(given, names); got != want {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
}

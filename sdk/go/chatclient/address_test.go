package chatclient

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8080":               "ws://127.0.0.1:8080/rpc",
		"localhost":                    "ws://localhost/rpc",
		"localhost:8080/rpc":           "ws://localhost:8080/rpc",
		"[::1]:8080":                   "ws://[::1]:8080/rpc",
		"ws://h:1/rpc":                 "ws://h:1/rpc",
		"ws://h:1/":                    "ws://h:1/rpc",
		"wss://h":                      "wss://h/rpc",
		"http://h:8080":                "ws://h:8080/rpc",
		"https://chat.example.org/":    "wss://chat.example.org/rpc",
		"https://example.org/chat":     "wss://example.org/chat/rpc",
		"https://example.org/chat/rpc": "wss://example.org/chat/rpc",
		" host:80 ":                    "ws://host:80/rpc",
	} {
		if got, err := ParseURL(in); err != nil || got != want {
			t.Errorf("ParseURL(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ftp://h", "ws://", "ws://user:pass@h", "ws://h/rpc?token=hush", "ws://h/#x", "ws://%zz"} {
		got, err := ParseURL(in)
		if err == nil {
			t.Errorf("ParseURL(%q) = %q, want an error", in, got)
		} else if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "pass@") {
			t.Errorf("ParseURL(%q) tells the secret: %v", in, err)
		}
	}
}

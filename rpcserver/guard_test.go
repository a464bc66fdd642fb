package rpcserver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/google/go-cmp/cmp"
)

func TestOrigin(t *testing.T) {
	g := newGuard(&Options{AllowedOrigins: []string{"https://chat.example.org", "https://*.trusted.example", "http://localhost:5173/"}}, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		host, origin   string
		allowed, cross bool
	}{
		{"chatd.example:8080", "", true, false},
		{"chatd.example:8080", "http://chatd.example:8080", true, false},
		{"chatd.example:8080", "https://chatd.example:8080", true, false},
		{"ChatD.example:8080", "HTTP://chatd.EXAMPLE:8080", true, false},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", true, false},
		{"[::1]:8080", "http://[::1]:8080", true, false},
		{"chatd.example:8080", "https://chat.example.org", true, true},
		{"chatd.example:8080", "https://CHAT.example.org", true, true},
		{"chatd.example:8080", "https://a.trusted.example", true, true},
		{"chatd.example:8080", "https://a.b.trusted.example", true, true},
		{"chatd.example:8080", "http://localhost:5173", true, true},

		{"chatd.example:8080", "null", false, true},
		{"chatd.example:8080", "http://chatd.example", false, true},
		{"chatd.example:8080", "http://chatd.example:80", false, true},
		{"chatd.example:8080", "http://chatd.example:8081", false, true},
		{"chatd.example:8080", "http://chatd.example:8080.evil.example", false, true},
		{"chatd.example:8080", "http://evil.example", false, true},
		{"chatd.example:8080", "http://evilchatd.example:8080", false, true},
		{"chatd.example:8080", "http://chatd.example.:8080", false, true},
		{"chatd.example:8080", "http://chatd.example:8080@evil.example", false, true},
		{"chatd.example:8080", "http://evil.example@chatd.example:8080", false, true},
		{"chatd.example:8080", "http://chatd.example:8080/", false, true},
		{"chatd.example:8080", "http://chatd.example:8080?x", false, true},
		{"chatd.example:8080", "http://chatd.example:8080#x", false, true},
		{"chatd.example:8080", "ftp://chatd.example:8080", false, true},
		{"chatd.example:8080", "file://", false, true},
		{"chatd.example:8080", "chatd.example:8080", false, true},
		{"chatd.example:8080", "//chatd.example:8080", false, true},
		{"chatd.example:8080", "http://", false, true},
		{"chatd.example:8080", "http://chatd.example:8080 http://evil.example", false, true},
		{"chatd.example:8080", "http://chat.example.org", false, true},
		{"chatd.example:8080", "https://chat.example.org:443", false, true},
		{"chatd.example:8080", "https://chat.example.org.evil.example", false, true},
		{"chatd.example:8080", "https://evilchat.example.org", false, true},
		{"chatd.example:8080", "https://trusted.example", false, true},
		{"chatd.example:8080", "https://eviltrusted.example", false, true},
		{"chatd.example:8080", "https://a.trusted.example.evil.example", false, true},
		{"chatd.example:8080", "https://evil.example/.trusted.example", false, true},
		{"chatd.example:8080", "https://chat\u0435.example.org", false, true},
		{"chatd.example:8080", "https://chat.example\u3002org", false, true},
		{"chatd.example:8080", "%", false, true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/rpc", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if allowed, cross := g.originAllowed(r); allowed != c.allowed || cross != c.cross {
			t.Errorf("%s at %s: allowed %v, cross %v", c.origin, c.host, allowed, cross)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/rpc", nil)
	r.Host = "a.example"
	r.Header["Origin"] = []string{"http://a.example", "http://evil.example"}
	if allowed, _ := g.originAllowed(r); allowed {
		t.Error("two origins are allowed")
	}
}

func TestHost(t *testing.T) {
	for _, c := range []struct {
		local   string // what the server listens on
		host    string
		hosts   []string
		allowed bool
	}{
		{"127.0.0.1", "127.0.0.1:8080", nil, true},
		{"127.0.0.1", "localhost:8080", nil, true},
		{"127.0.0.1", "LOCALHOST:8080", nil, true},
		{"127.0.0.1", "localhost", nil, true},
		{"127.0.0.1", "localhost.:8080", nil, true},
		{"127.0.0.1", "127.1.2.3:8080", nil, true},
		{"::1", "[::1]:8080", nil, true},
		{"::1", "[::1]", nil, true},
		{"127.0.0.1", "evil.example:8080", nil, false},
		{"127.0.0.1", "localhost.evil.example:8080", nil, false},
		{"127.0.0.1", "127.0.0.1.evil.example:8080", nil, false},
		{"127.0.0.1", "192.0.2.1:8080", nil, false},
		{"127.0.0.1", "", nil, false},
		{"127.0.0.1", "0.0.0.0:8080", nil, false},
		{"127.0.0.1", "2130706433:8080", nil, false},
		{"127.0.0.1", "chat.example:8080", []string{"Chat.example"}, true},
		{"127.0.0.1", "localhost:8080", []string{"chat.example"}, true},
		{"127.0.0.1", "evil.example:8080", []string{"chat.example"}, false},
		{"192.0.2.1", "any.example:8080", nil, true},
		{"192.0.2.1", "chat.example", []string{"chat.example"}, true},
		{"192.0.2.1", "evil.example", []string{"chat.example"}, false},
		{"192.0.2.1", "localhost", []string{"chat.example"}, false},
	} {
		g := newGuard(&Options{AllowedHosts: c.hosts}, slog.New(slog.DiscardHandler))
		r := httptest.NewRequest(http.MethodGet, "/rpc", nil)
		r.Host = c.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(c.local), Port: 8080})))
		if got := g.hostAllowed(r); got != c.allowed {
			t.Errorf("%q on %s with %v: allowed %v", c.host, c.local, c.hosts, got)
		}
	}
}

func TestPeer(t *testing.T) {
	for _, c := range []struct {
		remote, forwarded string
		want              chat.Peer
	}{
		{"192.0.2.1:1234", "", chat.Peer{Addr: "192.0.2.1"}},
		{"127.0.0.1:1234", "", chat.Peer{Addr: "127.0.0.1", Loopback: true}},
		{"[::1]:1234", "", chat.Peer{Addr: "::/64", Loopback: true}},
		{"[::ffff:192.0.2.1]:1234", "", chat.Peer{Addr: "192.0.2.1"}},
		{"[2001:db8:1:2:3:4:5:6]:1234", "", chat.Peer{Addr: "2001:db8:1:2::/64"}},
		{"[fe80::1%eth0]:1234", "", chat.Peer{Addr: "fe80::/64"}},
		{"pipe", "", chat.Peer{Addr: "local", Loopback: true}},
		{"192.0.2.1:1234", "198.51.100.7", chat.Peer{Addr: "192.0.2.1"}},                // nobody we trust says so
		{"127.0.0.1:1234", "198.51.100.7", chat.Peer{Addr: "127.0.0.1"}},                // a proxy, but not one we know
		{"10.1.2.3:1234", "198.51.100.7", chat.Peer{Addr: "198.51.100.7"}},              // a proxy that we trust
		{"10.1.2.3:1234", "203.0.113.9, 198.51.100.7", chat.Peer{Addr: "198.51.100.7"}}, // the first is the client's own word
		{"10.1.2.3:1234", "198.51.100.7, 10.9.9.9", chat.Peer{Addr: "198.51.100.7"}},    // two proxies
		{"10.1.2.3:1234", "127.0.0.1", chat.Peer{Addr: "127.0.0.1"}},                    // never loopback by hearsay
		{"10.1.2.3:1234", "2001:db8::1", chat.Peer{Addr: "2001:db8::/64"}},
		{"10.1.2.3:1234", "198.51.100.7:4711", chat.Peer{Addr: "198.51.100.7"}},
		{"10.1.2.3:1234", "[2001:db8::1]:4711", chat.Peer{Addr: "2001:db8::/64"}},
		{"10.1.2.3:1234", "nonsense", chat.Peer{Addr: "10.1.2.3"}},
		{"10.1.2.3:1234", "198.51.100.7, nonsense", chat.Peer{Addr: "10.1.2.3"}},
		{"172.16.0.1:1234", "198.51.100.7", chat.Peer{Addr: "198.51.100.7"}},
	} {
		g := newGuard(&Options{TrustedProxies: []string{"10.0.0.0/8", "172.16.0.1", "what?"}}, slog.New(slog.DiscardHandler))
		r := httptest.NewRequest(http.MethodGet, "/rpc", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if diff := cmp.Diff(c.want, g.peer(r)); diff != "" {
			t.Errorf("%s forwarding %q (-want +got):\n%s", c.remote, c.forwarded, diff)
		}
	}
}

func TestAgent(t *testing.T) {
	for header, want := range map[string]string{
		"":                              "",
		"chat/1.0 (linux)":              "chat/1.0 (linux)",
		"caf\u00e9 \u65e5\u672c":        "caf\u00e9 \u65e5\u672c",
		"a\xff\xfeb":                    "ab",
		"a\x1b[31m\tb\u202e\u2028\x85c": "a[31mbc",
		strings.Repeat("\xff", 15000):   "",
		strings.Repeat("x", 15000):      strings.Repeat("x", 64),
		strings.Repeat("\u65e5", 15000): strings.Repeat("\u65e5", 64),
	} {
		r := httptest.NewRequest(http.MethodGet, "/rpc", nil)
		r.Header.Set("User-Agent", header)
		if got := (&guard{}).peer(r).Agent; got != want {
			t.Errorf("%.20q: kept %q", header, got)
		}
	}
}

package rpcserver

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/chat"
)

// guard judges requests before anything is done for them: from which web page, under which name,
// from whose address.
type guard struct {
	origins []string // lower case, perhaps with *
	hosts   []string // lower case, without port; none: see hostAllowed
	proxies []netip.Prefix
}

func newGuard(o *Options, logger *slog.Logger) guard {
	var g guard
	for _, origin := range o.AllowedOrigins {
		g.origins = append(g.origins, strings.ToLower(strings.TrimSuffix(origin, "/")))
	}
	for _, host := range o.AllowedHosts {
		g.hosts = append(g.hosts, strings.ToLower(host))
	}
	for _, text := range o.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				logger.Warn("trusted proxy is neither an address nor a network: ignored", "proxy", text)
				continue
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		g.proxies = append(g.proxies, prefix.Masked())
	}
	return g
}

// originAllowed tells whether the page that makes the request, if it is one, may. Browsers send
// Origin and let no page change it; programs send none and need no permission. cross tells that it
// is a page of elsewhere, which the browser shows an answer only if we say so.
func (g *guard) originAllowed(r *http.Request) (allowed, cross bool) {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true, false
	}
	if len(origins) > 1 {
		return false, true
	}
	origin := strings.ToLower(origins[0])
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false, true // also null, which any sandboxed page sends
	}
	if u.Host == strings.ToLower(r.Host) && (u.Scheme == "http" || u.Scheme == "https") {
		return true, false
	}
	for _, pattern := range g.origins {
		if ok, err := path.Match(pattern, origin); ok && err == nil {
			return true, true
		}
	}
	return false, true
}

// hostAllowed stops DNS rebinding: a page of evil.example may make its name mean our address, and
// be of the same origin then, but the name it calls stays evil.example.
func (g *guard) hostAllowed(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	for _, allowed := range g.hosts {
		if host == allowed {
			return true
		}
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !isLoopback(local) {
		return len(g.hosts) == 0
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// peer tells who is at the far end. X-Forwarded-For is believed only as far as trusted proxies
// have written it.
func (g *guard) peer(r *http.Request) chat.Peer {
	p := chat.Peer{Agent: agent(r.UserAgent())}
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		p.Addr, p.Loopback = "local", true // a pipe or a Unix socket
		return p
	}
	addr := remote.Addr().Unmap()
	hops := strings.Split(forwarded, ",")
	for i := len(hops) - 1; i >= 0 && forwarded != "" && g.trusted(addr); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		addr = hop
	}
	// What a proxy on this machine hands on comes from elsewhere, trusted or not.
	p.Loopback = addr.IsLoopback() && forwarded == "" && r.Header.Get("Forwarded") == ""
	p.Addr = countedAs(addr)
	return p
}

// maxAgent is how many characters of a User-Agent are kept.
const maxAgent = 64

// agent makes of a User-Agent what may be kept and shown.
func agent(header string) string {
	kept, n := make([]byte, 0, maxAgent), 0
	for _, r := range strings.ToValidUTF8(header, "") {
		if n == maxAgent {
			break
		}
		if unicode.IsPrint(r) {
			kept = utf8.AppendRune(kept, r)
			n++
		}
	}
	return string(kept)
}

// parseHop reads an address as proxies write it, some of them with a port.
func parseHop(text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap(), true
	}
	both, err := netip.ParseAddrPort(text)
	return both.Addr().Unmap(), err == nil
}

func (g *guard) trusted(addr netip.Addr) bool {
	for _, prefix := range g.proxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// countedAs is how limits see an address: a household has a whole IPv6 /64.
func countedAs(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}

// bearer gives the token of the Authorization header. ok is false if the header says something else.
func bearer(h http.Header) (token string, ok bool) {
	v := h.Get("Authorization")
	if v == "" {
		return "", true
	}
	scheme, token, _ := strings.Cut(v, " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// firstSubprotocol is the client's first choice: a browser that offers some and gets none hangs up.
func firstSubprotocol(h http.Header) string {
	first, _, _ := strings.Cut(h.Get("Sec-WebSocket-Protocol"), ",")
	return strings.TrimSpace(first)
}

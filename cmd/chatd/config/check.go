package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
)

// Bounds of the length of a setup token that the operator chooses.
const (
	MinSetupToken = 20
	MaxSetupToken = 256
)

// check judges what no setting can know by itself.
func (c *Config) check(from Origins) Problems {
	var problems Problems
	fault := func(key, format string, args ...any) {
		where := from[key]
		if where == "default" {
			where = ""
		}
		problems = append(problems, Problem{where, key + " " + fmt.Sprintf(format, args...)})
	}
	c.checkListen(fault)
	if c.DataDir == "" {
		fault("data_dir", "is empty; want a directory")
	}
	for _, origin := range c.AllowedOrigins {
		if err := checkOrigin(origin); err != nil {
			fault("allowed_origins", "holds %q; want %s", origin, err)
		}
	}
	for _, host := range c.AllowedHosts {
		if err := checkHost(host); err != nil {
			fault("allowed_hosts", "holds %q; want %s", host, err)
		}
	}
	for _, proxy := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(proxy); err != nil {
			if _, err := netip.ParseAddr(proxy); err != nil {
				fault("trusted_proxies", "holds %q; want an address or a network such as 10.0.0.0/8", proxy)
			}
		}
	}
	if c.SetupToken != "" && c.SetupTokenFile != "" {
		fault("setup_token", "and setup_token_file are both given; want one")
	}
	if c.SetupToken != "" && len(c.SetupToken) < MinSetupToken {
		fault("setup_token", "is shorter than %d characters", MinSetupToken)
	}
	if len(c.SetupToken) > MaxSetupToken {
		fault("setup_token", "is longer than %d characters", MaxSetupToken)
	}
	c.checkLimits(fault)
	return problems
}

func (c *Config) checkListen(fault func(key, format string, args ...any)) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		fault("listen", "is %q; want host:port, such as 127.0.0.1:8080, or :8080 for all addresses", c.Listen)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.ContainsAny(host, " /") {
		fault("listen", "is %q; want a host and a port from 0 to 65535", c.Listen)
		return
	}
	switch {
	case c.TLS.CertFile != "" && c.TLS.KeyFile == "":
		fault("tls.cert_file", "is given without tls.key_file")
	case c.TLS.CertFile == "" && c.TLS.KeyFile != "":
		fault("tls.key_file", "is given without tls.cert_file")
	case !c.HasTLS() && !c.Loopback() && !c.AllowPlaintext:
		fault("listen", "is %s, which others can reach, and there is no TLS: passwords would cross the network in the clear.\n"+
			"  Give tls.cert_file and tls.key_file (--tls-cert, --tls-key), or, behind a proxy that ends TLS, --allow-plaintext.", c.Listen)
	}
}

// checkOrigin wants what a browser sends: scheme and host, nothing else. * may stand in the host.
func checkOrigin(origin string) error {
	want := errors.New("a web page's origin such as https://chat.example.org")
	u, err := url.Parse(strings.ReplaceAll(origin, "*", "x"))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return want
	}
	if _, err := path.Match(origin, ""); err != nil {
		return want
	}
	return nil
}

// checkHost wants what is left of a Host header without port and brackets.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	name := errors.New("a host name such as chat.example.org")
	if strings.ContainsAny(host, "/@ ") {
		return name
	}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	bare = strings.TrimSuffix(strings.TrimPrefix(bare, "["), "]")
	if _, err := netip.ParseAddr(bare); bare == "" || err != nil && strings.ContainsAny(bare, ":[]") {
		return name
	}
	if bare != host {
		return fmt.Errorf("%s: ports and brackets are not compared", bare)
	}
	return nil
}

func (c *Config) checkLimits(fault func(key, format string, args ...any)) {
	l := &c.Limits
	if l.MaxMessageBytes > 0 && l.MaxMessageBytesAnonymous > l.MaxMessageBytes {
		fault("limits.max_message_bytes_anonymous", "is %s, more than limits.max_message_bytes, %s", l.MaxMessageBytesAnonymous, l.MaxMessageBytes)
	}
	if l.MaxMessageBytes > 0 && l.MaxTextBytes > l.MaxMessageBytes {
		fault("limits.max_text_bytes", "is %s, more than limits.max_message_bytes, %s", l.MaxTextBytes, l.MaxMessageBytes)
	}
	if l.MaxMessageBytes > 0 && l.MaxDataBytes > l.MaxMessageBytes {
		fault("limits.max_data_bytes", "is %s, more than limits.max_message_bytes, %s", l.MaxDataBytes, l.MaxMessageBytes)
	}
	if l.RequestsPerSecond > 0 && l.RequestBurst < l.RequestsPerSecond {
		fault("limits.request_burst", "is %d, less than limits.requests_per_second, %d", l.RequestBurst, l.RequestsPerSecond)
	}
	if l.RequestsPerSecond > 0 && l.RequestBurst < l.MaxBatch { // such a batch could never be served
		fault("limits.request_burst", "is %d, less than limits.max_batch, %d", l.RequestBurst, l.MaxBatch)
	}
	if c.Fanout.LargeWindow < c.Fanout.Window {
		fault("fanout.large_window", "is %s, less than fanout.window, %s", formatDuration(c.Fanout.LargeWindow), formatDuration(c.Fanout.Window))
	}
}

// CheckFiles opens what the configuration names, as a start would: the certificate and the setup token.
func (c *Config) CheckFiles(from Origins) error {
	var problems Problems
	if c.HasTLS() {
		if _, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
			problems = append(problems, Problem{from["tls.cert_file"], "tls: " + err.Error()})
		}
	}
	if _, err := c.ReadSetupToken(); err != nil {
		problems = append(problems, Problem{from["setup_token_file"], err.Error()})
	}
	if problems != nil {
		return problems
	}
	return nil
}

// ReadSetupToken gives the setup token that the operator chose, or "".
func (c *Config) ReadSetupToken() (string, error) {
	if c.SetupTokenFile == "" {
		return c.SetupToken, nil
	}
	text, err := os.ReadFile(c.SetupTokenFile)
	if err != nil {
		return "", fmt.Errorf("setup_token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < MinSetupToken || len(token) > MaxSetupToken {
		return "", fmt.Errorf("setup_token_file: %s holds %d characters; want %d to %d", c.SetupTokenFile, len(token), MinSetupToken, MaxSetupToken)
	}
	return token, nil
}

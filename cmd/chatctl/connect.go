package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// serverURL makes the address that a person types into an http or https URL without a slash at
// its end. Without a scheme it means https, but http for this machine itself.
func serverURL(s string) (string, error) {
	if s == "" {
		return defaultServer, nil
	}
	typed := s
	if !strings.Contains(s, "://") {
		scheme := "https://"
		if u, err := url.Parse("http://" + s); err == nil && isLoopback(u.Hostname()) {
			scheme = "http://"
		}
		s = scheme + s
	}
	ws, err := chatclient.ParseURL(s)
	if err != nil {
		return "", usagef("--server "+defaultServer, "server %q: %s", redactURL(typed), bare(err))
	}
	// One spelling a server, since saved logins go by it: http(s), lower case, without /rpc.
	u, err := url.Parse(ws)
	if err != nil {
		return "", fmt.Errorf("reading the server's address: %w", err)
	}
	path := strings.TrimRight(strings.TrimSuffix(u.Path, "/rpc"), "/")
	return (&url.URL{Scheme: strings.Replace(u.Scheme, "ws", "http", 1), Host: strings.ToLower(u.Host), Path: path}).String(), nil
}

// redactURL hides a name and password that somebody put into an address by mistake.
func redactURL(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}

// bare is an error of the SDK without the package's name, which means nothing to a user.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "chatclient: ") }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// need says who has to be signed in for a command.
type need int

const (
	needNobody need = iota // never sign in
	needAnyone             // sign in if there is something to sign in with
	needUser               // fail unless signed in
)

// credential is the token to use and, if it was saved, the login it belongs to.
type credential struct {
	token string
	login *savedLogin // nil: from the environment or a file
}

// noLogin says that there is nothing to sign in with here, and what to do; elsewhere are servers where there is something.
func (c *cli) noLogin(elsewhere []string) error {
	msg, try := "not signed in to "+c.server, "chatctl login, or chatctl register"
	if c.profile != "" {
		msg, try = fmt.Sprintf("no login is saved as %q for %s", c.profile, c.server), fmt.Sprintf("chatctl --profile %s login %s", c.profile, c.profile)
	}
	if len(elsewhere) > 0 {
		try = fmt.Sprintf("--server %s, where there is one; or %s", strings.Join(elsewhere, " or "), try)
	}
	return &signedOutError{msg + "; try: " + try}
}

// credential finds what to sign in with: --token-file, then CHATCTL_TOKEN, then a saved login. A
// profile that is named beats the environment's token, since somebody asked for it by name.
func (c *cli) credential() (*credential, error) {
	if c.tokenFile != "" {
		token, err := c.secretFrom(c.tokenFile)
		return &credential{token: token}, err
	}
	if token := c.getenv("CHATCTL_TOKEN"); token != "" && !c.profileGiven {
		return &credential{token: token}, nil
	}
	logins, err := c.logins()
	if err != nil {
		return nil, err
	}
	login, err := logins.load(c.profile)
	switch {
	case errors.Is(err, errNoLogin):
		return nil, c.noLogin(logins.elsewhere(c.profile))
	case err != nil:
		return nil, err
	}
	return &credential{token: login.Token, login: login}, nil
}

func (c *cli) logins() (*loginStore, error) {
	dir, err := c.configDir()
	if err != nil {
		return nil, err
	}
	return newLoginStore(dir, c.server)
}

// dial connects and signs in as who demands. opts may be nil; credentials and names are filled in.
func (c *cli) dial(ctx context.Context, who need, opts *chatclient.Options) (*chatclient.Client, error) {
	var o chatclient.Options
	if opts != nil {
		o = *opts
	}
	o.UserAgent = "chatctl/" + buildVersion()
	if who != needNobody {
		cred, err := c.credential()
		var out *signedOutError
		switch {
		case err == nil:
			o.Token = cred.token
		case who == needUser || !errors.As(err, &out):
			return nil, err
		}
	}
	dialCtx, cancel := c.within(ctx)
	defer cancel()
	client, err := chatclient.Dial(dialCtx, c.server+"/rpc", &o)
	if err != nil {
		return nil, c.explainDial(ctx, err)
	}
	return client, nil
}

// hangUp closes a client, or a part of one; the SDK's Close always returns nil.
func hangUp(c io.Closer) { c.Close() }

// unreachableError says that no connection came about.
type unreachableError struct {
	server string
	err    error
}

func (e *unreachableError) Error() string { return "cannot reach " + e.server + ": " + e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// plain says what kept the connection from coming about, without the layers that it went through.
func (e *unreachableError) plain() string {
	why := bare(e.err)
	var op *net.OpError
	var dns *net.DNSError
	var shake *chatclient.HandshakeError
	switch {
	case errors.Is(e.err, context.DeadlineExceeded):
		why = "no answer in time"
	case errors.As(e.err, &dns):
		why = "no such host"
	case errors.Is(e.err, syscall.ECONNREFUSED):
		why = "connection refused"
	case errors.As(e.err, &op) && op.Err != nil:
		why = op.Err.Error()
	case errors.As(e.err, &shake):
		why = fmt.Sprintf("it answers with HTTP status %d", shake.Status)
	}
	return "cannot reach " + e.server + ": " + why
}

// hint is what to do about it.
func (e *unreachableError) hint() string {
	var shake *chatclient.HandshakeError
	switch {
	case errors.As(e.err, &shake) && shake.RetryAfter > 0:
		return "wait " + shake.RetryAfter.Round(time.Second).String()
	case errors.As(e.err, &shake) && shake.Status < http.StatusInternalServerError && shake.Status != http.StatusTooManyRequests:
		return "is this a chatd server?"
	case errors.Is(e.err, syscall.ECONNREFUSED) && e.server == defaultServer:
		return "start a server with: chatd, or name another with --server"
	}
	return ""
}

// explainDial tells a server that cannot be reached from one that answers and refuses.
func (c *cli) explainDial(ctx context.Context, err error) error {
	var session *chatclient.SessionError
	var rpcErr *api.Error
	if ctx.Err() != nil || errors.As(err, &session) || errors.As(err, &rpcErr) {
		return err
	}
	return &unreachableError{c.server, err}
}

// deviceName is what a login is called in the user's list of sessions.
func deviceName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "chatctl"
	}
	name := []rune("chatctl on " + host)
	return string(name[:min(len(name), 64)])
}

// plaintextWarning is what to say before a secret goes to server unencrypted; "" if it does not.
func plaintextWarning(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return ""
	}
	return "the connection to " + server + " is not encrypted: others on the way can read the password"
}

// ago is a duration as people say it, for waits and round trips.
func ago(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

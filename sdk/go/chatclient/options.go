package chatclient

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Options of Dial. The zero value dials without signing in.
type Options struct {
	// Who signs in. A token wins over a password. After a login with the password the token that
	// came of it is used for reconnects, so that nothing is hashed again.
	Token    string
	Username string
	Password string

	// HandshakeToken sends the token as Authorization: Bearer in the handshake instead of in the first message.
	HandshakeToken bool

	DeviceName string      // what the session is called in lists; "" leaves it to the server
	UserAgent  string      // "" is "chatd-go"
	Header     http.Header // more headers of the handshake

	// Dialer makes the network connection, for tests, tunnels and Unix sockets; nil dials TCP.
	// It is not used when HTTPClient is set.
	Dialer func(ctx context.Context) (net.Conn, error)

	// HTTPClient does the handshake: proxies, TLS settings. nil uses the environment's proxy and the system's roots.
	HTTPClient *http.Client

	// Logger hears of lost connections and broken messages; nil is silent. It never gets a token or a message's text.
	Logger *slog.Logger

	// The wait before dialling again is random between 0 and a bound that doubles from MinBackoff
	// (0 means 200 ms) to MaxBackoff (0 means 5 s).
	MinBackoff time.Duration
	MaxBackoff time.Duration

	// NoReconnect stops the client when its first connection is lost.
	NoReconnect bool

	// CallTimeout bounds each call, with its retries, whose context has no deadline; 0 sets no bound.
	CallTimeout time.Duration

	// EventBuffer is how many notifications a Subscription keeps for a slow consumer; 0 means 4096.
	// A full buffer loses nothing, see Subscription.
	EventBuffer int

	// OnState hears when the connection is made, lost or given up, one call at a time. It may not block.
	OnState func(State)

	// OnWait hears that the server refused a call as too fast or not now, and that it is sent again in so long. It
	// may be called by many goroutines at once, and may not block. What a Poster sends is no call.
	OnWait func(refusal *api.Error, in time.Duration)
}

// The values behind the zeros of Options, and bounds that nobody needs to set.
const (
	defaultMinBackoff  = 200 * time.Millisecond
	defaultMaxBackoff  = 5 * time.Second
	defaultEventBuffer = 4096
	defaultUserAgent   = "chatd-go"

	dialTimeout = 20 * time.Second // one attempt: TCP, TLS, handshake, sign-in
	healthyFor  = 30 * time.Second // a connection that lived so long starts the backoff anew

	maxEventBytes = 16 << 20 // records kept for a slow consumer, whatever EventBuffer says
	readLimit     = 16 << 20 // one message of the server; the library's 32 KiB is less than a page of history
)

// withDefaults returns a copy of o without zeros that mean something else.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.MinBackoff <= 0 {
		c.MinBackoff = defaultMinBackoff
	}
	if c.MaxBackoff <= 0 {
		c.MaxBackoff = max(defaultMaxBackoff, c.MinBackoff)
	}
	if c.EventBuffer <= 0 {
		c.EventBuffer = defaultEventBuffer
	}
	if c.UserAgent == "" {
		c.UserAgent = defaultUserAgent
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// String shows who signs in and how, without secrets.
func (o Options) String() string {
	s := "chatclient.Options{"
	if o.Username != "" {
		s += "Username:" + o.Username + " "
	}
	s += "Token:" + redacted(o.Token) + " Password:" + redacted(o.Password)
	return s + "}"
}

// GoString is String: %#v shows no secret either.
func (o Options) GoString() string { return o.String() }

// LogValue is String: a logger shows no secret either.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

func redacted(secret string) string {
	if secret == "" {
		return "(none)"
	}
	return "(hidden)"
}

// StateKind says what became of the connection.
type StateKind int

// The values of StateKind.
const (
	StateConnected    StateKind = iota + 1 // connected and signed in
	StateReconnecting                      // lost; the next attempt comes after State.In
	StateClosed                            // given up: by Close, or because of State.Err
)

// String returns "connected", "reconnecting" or "closed".
func (k StateKind) String() string {
	switch k {
	case StateConnected:
		return "connected"
	case StateReconnecting:
		return "reconnecting"
	case StateClosed:
		return "closed"
	}
	return "unknown"
}

// State is what Options.OnState hears.
type State struct {
	Kind    StateKind
	Err     error         // why the connection was lost, an attempt failed, or the client gave up; nil after Close
	In      time.Duration // StateReconnecting: when the next attempt comes
	Attempt int           // StateReconnecting: how many attempts have failed since the connection was lost

	// StateReconnecting: why the server closed the connection, if it said so first.
	Closing api.CloseReason
}

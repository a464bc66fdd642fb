package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// link keeps a connection: it dials, signs in, hands the connection out and makes another when it is lost.
type link struct {
	// Static after construction.
	url    string
	opts   Options
	who    *identity
	notify func(*conn, message)
	learn  func(method string, params, result json.RawMessage)
	wg     *sync.WaitGroup // the goroutines of all connections

	mu      sync.Mutex // guards what follows
	conn    *conn      // what calls may use; nil while away
	err     error      // why the link has stopped for ever
	changed chan struct{}
}

// get waits for a connection.
func (l *link) get(ctx context.Context) (*conn, error) {
	for {
		if ctx.Err() != nil {
			return nil, &ConnectionError{Err: ctx.Err()}
		}
		l.mu.Lock()
		conn, err, changed := l.conn, l.err, l.changed
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if conn != nil {
			select {
			case <-conn.done: // run has yet to see it
			default:
				return conn, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// set makes conn (nil: none) what calls use; with err the link has stopped.
func (l *link) set(conn *conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if conn != nil && conn.closingParams() != nil {
		conn = nil // it was retired before it was in use
	}
	l.conn, l.err = conn, err
	close(l.changed)
	l.changed = make(chan struct{})
}

// retire takes conn away from new calls: the server is about to close it.
func (l *link) retire(conn *conn) {
	l.mu.Lock()
	current := l.conn == conn
	l.mu.Unlock()
	if current {
		l.set(nil, nil)
	}
}

// run keeps the link connected, beginning with conn, until ctx ends or the server does not want it back.
func (l *link) run(ctx context.Context, conn *conn) {
	attempt := 0
	for {
		l.set(conn, nil)
		l.tell(State{Kind: StateConnected})
		select {
		case <-conn.done:
		case <-ctx.Done():
			l.set(nil, ErrClosed)
			conn.fail(ErrClosed)
		}
		l.set(nil, nil)
		if l.stopped() != nil {
			l.tell(State{Kind: StateClosed})
			return
		}
		err := conn.cause()
		l.opts.Logger.Info("chatclient: connection lost", "error", err)
		if time.Since(conn.since) >= healthyFor {
			attempt = 0
		}
		if end := l.ended(conn, err); end != nil {
			l.stop(end)
			return
		}
		conn, attempt, err = l.redial(ctx, conn.closingParams(), attempt, err)
		if err != nil {
			l.stop(err)
			return
		}
	}
}

// stop gives up for ever.
func (l *link) stop(err error) {
	l.set(nil, err)
	if errors.Is(err, ErrClosed) {
		err = nil
	}
	l.tell(State{Kind: StateClosed, Err: err})
}

func (l *link) tell(s State) {
	if l.opts.OnState != nil {
		l.opts.OnState(s)
	}
}

// ended returns why there is no coming back after conn; nil if there is.
func (l *link) ended(conn *conn, err error) error {
	code := api.CloseCode(websocket.CloseStatus(err))
	closing := conn.closingParams()
	expired := code == api.CloseCodeExpired || closing != nil && closing.Reason == api.CloseReasonExpired
	switch {
	case code.Resume() && (closing == nil || closing.ReconnectAfterMS != nil): // also no code at all
		if l.opts.NoReconnect {
			return &ConnectionError{Err: err}
		}
		return nil
	case expired && l.who.forgetToken(): // the password gets another
		return nil
	case expired:
		return &SessionError{Code: api.CloseCodeExpired, Err: api.ErrTokenExpired}
	case code.Resume(): // session.closing said it, the close frame did not come
		return &SessionError{Code: api.CloseCodeRevoked, Err: api.ErrUnauthenticated}
	case code == api.CloseCodeProtocolAbuse:
		return &SessionError{Code: code, Err: err}
	}
	return &SessionError{Code: code, Err: api.ErrUnauthenticated}
}

// redial waits and dials until a connection is made. An error ends the link.
func (l *link) redial(ctx context.Context, closing *api.SessionClosingParams, attempt int, cause error) (*conn, int, error) {
	wait := l.backoff(attempt)
	var why api.CloseReason
	if closing != nil {
		why = closing.Reason
		if closing.ReconnectAfterMS != nil {
			wait = millis(*closing.ReconnectAfterMS) // spread by the server already
		}
	}
	for {
		attempt++
		l.tell(State{Kind: StateReconnecting, Err: cause, In: wait, Attempt: attempt - 1, Closing: why})
		if !sleep(ctx, wait) {
			return nil, attempt, ErrClosed
		}
		dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
		conn, err := l.dial(dialCtx)
		cancel()
		if err == nil {
			return conn, attempt, nil
		}
		var refused *SessionError
		switch {
		case ctx.Err() != nil:
			return nil, attempt, ErrClosed
		case errors.As(err, &refused) && !(errors.Is(err, api.ErrTokenExpired) && l.who.forgetToken()):
			return nil, attempt, err
		}
		l.opts.Logger.Info("chatclient: cannot connect", "error", err)
		cause, wait = err, max(l.backoff(attempt), askedWait(err))
	}
}

// backoff is a random part of a bound that doubles with each attempt ("full jitter"): clients that lost
// their server together do not come back together.
func (l *link) backoff(attempt int) time.Duration {
	bound := l.opts.MaxBackoff
	if attempt < 30 {
		bound = min(bound, l.opts.MinBackoff<<attempt)
	}
	return rand.N(bound + 1)
}

// askedWait is how long the server asked to wait.
func askedWait(err error) time.Duration {
	var e *api.Error
	if errors.As(err, &e) && e.Data.RetryAfterMS != nil {
		return millis(*e.Data.RetryAfterMS)
	}
	var h *HandshakeError
	if errors.As(err, &h) {
		return h.RetryAfter
	}
	return 0
}

// millis is how long a server wants the client to wait: an hour at most, whatever it says.
func millis(n int64) time.Duration {
	return time.Duration(min(max(n, 0), time.Hour.Milliseconds())) * time.Millisecond
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dial makes one connection and signs it in.
func (l *link) dial(ctx context.Context) (*conn, error) {
	header := l.opts.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("User-Agent", l.opts.UserAgent)
	headerSent := false
	if token := l.who.secret(); token != "" && l.opts.HandshakeToken {
		header.Set("Authorization", "Bearer "+token)
		headerSent = true
	}
	httpClient := http.Client{}
	if l.opts.HTTPClient != nil {
		httpClient = *l.opts.HTTPClient
	}
	up := &upgrade{base: httpClient.Transport}
	if up.base == nil {
		up.base = l.transport()
	}
	httpClient.Transport = up
	if httpClient.CheckRedirect == nil { // the token would follow to where it was not meant to go
		httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	//nolint:bodyclose // the library owns the body: it is the connection, or closed after an error
	ws, resp, err := websocket.Dial(ctx, l.url, &websocket.DialOptions{HTTPClient: &httpClient, HTTPHeader: header})
	if err != nil {
		return nil, handshakeError(resp, err)
	}
	conn := newConn(ws, up.wire, l)
	if err := l.who.introduce(ctx, conn, headerSent); err != nil {
		conn.fail(err)
		return nil, err
	}
	return conn, nil
}

// transport makes one connection and keeps none.
func (l *link) transport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: dialTimeout}
	if dialer := l.opts.Dialer; dialer != nil {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer(ctx) }
	}
	return t
}

// handshakeError types what websocket.Dial returned.
func handshakeError(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return &ConnectionError{Err: err, dialling: true}
	}
	h := &HandshakeError{Status: resp.StatusCode, Err: err}
	if s, convErr := strconv.Atoi(resp.Header.Get("Retry-After")); convErr == nil && s > 0 {
		h.RetryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return &SessionError{Err: fmt.Errorf("%w: %w", refusedFor(resp), h)}
	}
	return h
}

// refusedFor is why a token was refused: a password replaces one that has expired.
func refusedFor(resp *http.Response) error {
	var body struct{ Error api.Error }
	if json.NewDecoder(resp.Body).Decode(&body) == nil && errors.Is(&body.Error, api.ErrTokenExpired) {
		return api.ErrTokenExpired
	}
	return api.ErrUnauthenticated
}

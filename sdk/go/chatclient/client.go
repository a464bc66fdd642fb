package chatclient

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// Client is a connection to chatd that comes back by itself. Its methods may be called from any goroutine.
type Client struct {
	// Static after construction.
	opts Options
	link *link
	who  *identity
	keys *keys
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // every goroutine of the client

	following atomic.Pointer[Subscription]
	handlers  handlers
	open      tally // calls and posts without an answer
}

// Dial connects to a server, signs in as o says, and returns when that is done. server is what [ParseURL] takes.
// A failure of this first connection is returned; when a later one is lost, the Client makes another by itself.
// ctx bounds the dialling only. Who dials without token and password signs in by AuthLogin, AuthRegister or AuthResume,
// before the server's limits.auth_timeout_ms ends: it does not keep strangers, nor want them back.
func Dial(ctx context.Context, server string, o *Options) (*Client, error) {
	url, err := ParseURL(server)
	if err != nil {
		return nil, err
	}
	opts := o.withDefaults()
	c := &Client{opts: opts, keys: newKeys(), who: &identity{
		token: opts.Token, username: opts.Username, password: opts.Password, device: opts.DeviceName,
	}}
	c.opts.Token, c.opts.Password = "", "" // identity keeps them
	c.link = &link{url: url, opts: c.opts, who: c.who, notify: c.receive, learn: c.learn, wg: &c.wg, changed: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.link.dial(dialCtx)
	if err != nil {
		c.stop()
		c.wg.Wait()
		return nil, err
	}
	c.wg.Go(func() { // ends with ctx
		c.link.run(c.ctx, conn)
		c.stop()
	})
	return c, nil
}

// Close ends the connection at once. Calls without an answer return a *ConnectionError, later ones ErrClosed.
// It waits for the Client's goroutines and always returns nil.
func (c *Client) Close() error {
	c.open.shut()
	c.stop()
	c.wg.Wait()
	return nil
}

// Shutdown refuses new calls, waits until those under way and the posts of every Poster have their answers, says
// goodbye to the server and closes. When ctx ends first it closes at once and returns ctx's error.
func (c *Client) Shutdown(ctx context.Context) error {
	var err error
	select {
	case <-c.open.shut():
		c.link.goodbye()
	case <-c.ctx.Done():
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = c.Close()
	return err
}

// Done is closed when the client has ended: by Close, or because the server does not want it back; then Err says why.
func (c *Client) Done() <-chan struct{} { return c.ctx.Done() }

// Err is why the client has ended; nil while it works or tries to.
func (c *Client) Err() error { return c.link.stopped() }

// Token is what opened the session, for keeping; "" when nobody is signed in. AuthLogin, AuthRegister and AuthResume set it.
func (c *Client) Token() string { return c.who.secret() }

// UserID is who is signed in; "" when nobody is.
func (c *Client) UserID() api.UserID { return c.who.userID() }

// Server is what server.info said when the connection was last made.
func (c *Client) Server() *api.ServerInfoResult { return c.who.serverInfo() }

// String names the server; it shows no secret.
func (c *Client) String() string { return "chatclient.Client(" + c.link.url + ")" }

// GoString is String.
func (c *Client) GoString() string { return c.String() }

// receive handles a notification on the reading goroutine of conn. It may not block.
func (c *Client) receive(conn *conn, m message) {
	if m.method == api.NotifySessionClosing {
		p := new(api.SessionClosingParams)
		if err := json.Unmarshal(m.params, p); err != nil {
			return
		}
		conn.setClosing(p)
		c.link.retire(conn)
		time.AfterFunc(closingFor, func() { conn.fail(errNotClosed) })
	}
	if s := c.following.Load(); s != nil {
		s.receive(conn, m)
	}
}

// learn hears of every call of the caller's that succeeded, on the reading goroutine.
func (c *Client) learn(method string, params, result json.RawMessage) {
	c.who.learn(method, params, result)
	switch method {
	case api.MethodAuthLogin, api.MethodAuthRegister, api.MethodAuthResume, api.MethodAuthLogout, api.MethodSyncOpen, api.MethodSyncUpdate, api.MethodSyncClose:
		if s := c.following.Load(); s != nil {
			s.refresh() // what the connection follows may have changed beneath it
		}
	}
}

// goodbye stops the link and ends the present connection with the closing handshake, within a second.
func (l *link) goodbye() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	l.set(nil, ErrClosed)
	if conn == nil {
		return
	}
	timer := time.AfterFunc(time.Second, func() { _ = conn.wire.Close() })
	defer timer.Stop()
	conn.ws.Close(websocket.StatusNormalClosure, "")
}

// stopped is why the link has stopped; nil if it has not.
func (l *link) stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

package chatclient

import (
	"errors"
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/api"
)

var (
	// ErrClosed is what calls return after Close or Shutdown.
	ErrClosed = errors.New("chatclient: the client is closed")

	// ErrFollowing is what Follow returns while the Client has a Subscription already.
	ErrFollowing = errors.New("chatclient: the client follows already: close that subscription, or dial another client")

	// ErrUnsubscribed is what Next returns after Subscription.Close.
	ErrUnsubscribed = errors.New("chatclient: the subscription is closed")
)

// ConnectionError says that a call has no answer: the connection was lost, or the caller's context ended first.
type ConnectionError struct {
	// MayHaveBeenSent is false when the request certainly never left this process. When it is true,
	// the call may have taken effect.
	MayHaveBeenSent bool

	Err error // the cause: errors.Is finds context.DeadlineExceeded, net.ErrClosed … here

	dialling bool // nothing was to be sent yet
}

// Error says what was lost and whether the request may have taken effect.
func (e *ConnectionError) Error() string {
	switch {
	case e.dialling:
		return fmt.Sprintf("chatclient: cannot connect: %v", e.Err)
	case e.MayHaveBeenSent:
		return fmt.Sprintf("chatclient: no answer, the request may have taken effect: %v", e.Err)
	}
	return fmt.Sprintf("chatclient: the request was not sent: %v", e.Err)
}

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// SessionError says that the server does not want this client back: its token or password was refused, or the
// server ended the session. The Client has stopped. errors.Is with api.ErrUnauthenticated or api.ErrTokenExpired
// holds where one of them is the reason.
type SessionError struct {
	Code api.CloseCode // of the WebSocket close; 0 when signing in was refused
	Err  error
}

// Error says how the session ended.
func (e *SessionError) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("chatclient: sign-in refused: %v", e.Err)
	}
	return fmt.Sprintf("chatclient: the server ended the session (%d %v): %v", int(e.Code), e.Code, e.Err)
}

// Unwrap returns the cause.
func (e *SessionError) Unwrap() error { return e.Err }

// HandshakeError says that the server answered the WebSocket handshake with something else than an upgrade.
type HandshakeError struct {
	Status     int           // of the HTTP answer
	RetryAfter time.Duration // what its Retry-After asks for; 0 when there was none
	Err        error
}

// Error gives the status.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("chatclient: the server refused the WebSocket (HTTP %d): %v", e.Status, e.Err)
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// The wait before a call that the server could not serve is tried again is random between 0 and a bound that
// doubles from the first of these to the second.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
)

// roundTrip sends a request and sees it through lost connections and a server that cannot serve it now, as Call says.
func (c *Client) roundTrip(ctx context.Context, method string, idempotency api.Idempotency, params json.RawMessage) (json.RawMessage, error) {
	if !c.open.begin() {
		return nil, c.closedErr()
	}
	defer c.open.end(1)
	if _, ok := ctx.Deadline(); !ok && c.opts.CallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.CallTimeout)
		defer cancel()
	}
	if err := c.checkSize(method, params); err != nil {
		return nil, err
	}
	var past history
	for attempt := 0; ; attempt++ {
		conn, err := c.link.get(ctx)
		if err != nil {
			return nil, past.sum(err)
		}
		result, err := conn.call(ctx, method, params)
		if err == nil {
			return result, nil
		}
		wait, again := retryAfter(err, idempotency, attempt)
		if !again || ctx.Err() != nil {
			return nil, past.sum(err)
		}
		past.add(err)
		if inVain(ctx, err) {
			return nil, past.sum(context.DeadlineExceeded)
		}
		c.tellWait(err, wait)
		if err := c.pause(ctx, wait); err != nil {
			return nil, past.sum(err)
		}
	}
}

// inVain tells whether ctx ends before the wait is over that the server asks for with err.
func inVain(ctx context.Context, err error) bool {
	end, bounded := ctx.Deadline()
	var answer *api.Error
	return bounded && errors.As(err, &answer) && time.Until(end) < askedWait(answer)
}

// tellWait says that the call that the server refused with err is sent again in so long.
func (c *Client) tellWait(err error, wait time.Duration) {
	var answer *api.Error
	if c.opts.OnWait != nil && errors.As(err, &answer) {
		c.opts.OnWait(answer, wait)
	}
}

// history is what became of a call's earlier attempts.
type history struct {
	unsure  bool       // one may have taken effect
	refusal *api.Error // the server's last word; nil if it said nothing
}

func (h *history) add(err error) {
	var lost *ConnectionError
	if errors.As(err, &lost) {
		h.unsure = h.unsure || lost.MayHaveBeenSent
		return
	}
	errors.As(err, &h.refusal)
}

// sum is the error of the whole call, whose last attempt ended with err.
func (h *history) sum(err error) error {
	var lost *ConnectionError
	isLost := errors.As(err, &lost)
	var answer *api.Error
	switch {
	case !isLost && errors.As(err, &answer) && !errors.As(err, new(*SessionError)):
		return err // the last word is the server's
	case h.refusal != nil:
		return fmt.Errorf("%w (%w)", h.refusal, err)
	case isLost && h.unsure && !lost.MayHaveBeenSent:
		return &ConnectionError{MayHaveBeenSent: true, Err: lost.Err}
	case !isLost && h.unsure:
		return &ConnectionError{MayHaveBeenSent: true, Err: err}
	}
	return err
}

// closedErr is what a call gets when the client takes no more.
func (c *Client) closedErr() error {
	if err := c.link.stopped(); err != nil {
		return err
	}
	return ErrClosed
}

// pause waits; it returns an error when ctx or the client ended first.
func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return c.closedErr()
	}
}

// checkSize refuses a message that the server would answer by closing the connection.
func (c *Client) checkSize(method string, params json.RawMessage) error {
	const envelope = 64
	limit := c.who.maxMessage()
	if size := int64(len(params) + len(method) + envelope); limit > 0 && size > limit {
		return api.Errorf(api.CodeTooLarge, "the request is %d bytes long, the server takes %d", size, limit)
	}
	return nil
}

// retryAfter decides whether a call that failed with err is sent again, and after what wait.
func retryAfter(err error, idempotency api.Idempotency, attempt int) (wait time.Duration, again bool) {
	repeatable := idempotency == api.IdempotencyNatural || idempotency == api.IdempotencyKeyed
	var lost *ConnectionError
	if errors.As(err, &lost) {
		switch {
		case !lost.MayHaveBeenSent:
			return 0, true // the next connection paces itself
		case closedForFault(lost.Err):
			return 0, false
		}
		return 0, repeatable
	}
	var answer *api.Error
	if !errors.As(err, &answer) {
		return 0, false
	}
	var refused *SessionError
	if errors.As(err, &refused) {
		return 0, false
	}
	switch answer.Code {
	case api.CodeRateLimited, api.CodeDraining: // refused before anything was done
		again = true
	case api.CodeUnavailable: // whether it took effect is not known
		again = repeatable
	}
	return max(askedWait(answer), rand.N(min(maxRetry, minRetry<<min(attempt, 10)))), again
}

// closedForFault tells whether the connection was closed because of what was sent on it: the server could not take it, or its
// answer was more than can be read here. That is not sent again.
func closedForFault(err error) bool {
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return true
	}
	switch websocket.CloseStatus(err) {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidFramePayloadData,
		websocket.StatusPolicyViolation, websocket.StatusMessageTooBig:
		return true
	}
	return false
}

package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// coded turns what a store or a context says into what the caller may know. Errors that it does
// not know come back as they are: internal, logged by the transport and never sent.
func (s *Service) coded(err error) error {
	var known *api.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, ErrBroken):
		s.broken(err)
		return api.Errorf(api.CodeUnavailable, "the store has failed")
	case errors.Is(err, ErrUnavailable):
		s.logger.Warn("store unavailable", "err", err)
		return api.Errorf(api.CodeUnavailable, "the store cannot write now")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return api.Errorf(api.CodeUnavailable, "not done in time")
	case errors.Is(err, ErrKeyConflict):
		return api.Errorf(api.CodeIdempotencyConflict, "the key was used with other content").WithField("idempotency_key")
	case errors.Is(err, ErrNoMessage):
		return api.Errorf(api.CodeNotFound, "no such message").WithField("reply_to")
	default:
		return err
	}
}

// gone is coded for a read of a room that the caller has just seen: it may have been deleted since.
func (s *Session) gone(field string, err error) error {
	if errors.Is(err, ErrNotFound) {
		return noRoom(field)
	}
	return s.svc.coded(err)
}

// noRoom is the one answer for a room that is not there and for one that the caller may not see.
func noRoom(field string) error {
	return api.Errorf(api.CodeNotFound, "no such room").WithField(field)
}

func signInFirst() error { return api.Errorf(api.CodeUnauthenticated, "sign in first") }

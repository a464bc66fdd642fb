package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// exitCode is how chatctl ends; scripts rely on it.
type exitCode int

const (
	exitOK          exitCode = 0
	exitError       exitCode = 1
	exitUsage       exitCode = 2
	exitNotFound    exitCode = 3
	exitSignedOut   exitCode = 4
	exitForbidden   exitCode = 5
	exitConflict    exitCode = 6
	exitUnavailable exitCode = 7
	exitRateLimited exitCode = 8
	exitInterrupted exitCode = 130
)

// exitTable is the whole truth about exit codes: which error of the contract ends how, and the
// words of `chatctl help exit-codes`.
var exitTable = []struct {
	exit  exitCode
	means string
	codes []api.Code
}{
	{exitOK, "done", nil},
	{exitError, "failed for a reason that has no number of its own", []api.Code{
		api.CodeParseError, api.CodeInvalidRequest, api.CodeInternalError, api.CodeInternal, api.CodeTooLarge,
	}},
	{exitUsage, "the command line or a value in it is wrong", []api.Code{api.CodeInvalidParams, api.CodeMethodNotFound}},
	{exitNotFound, "no such room, user or event, or you may not see it", []api.Code{api.CodeNotFound, api.CodeHistoryTruncated}},
	{exitSignedOut, "not signed in, or the name, password or token is wrong", []api.Code{api.CodeUnauthenticated, api.CodeTokenExpired}},
	{exitForbidden, "you may see it but not do that", []api.Code{api.CodePermissionDenied}},
	{exitConflict, "the name is taken, or things stand otherwise than you think", []api.Code{
		api.CodeConflict, api.CodeAlreadyExists, api.CodeIdempotencyConflict, api.CodeFailedPrecondition,
	}},
	{exitUnavailable, "the server cannot be reached, cannot do it now, or did not answer in time; try again", []api.Code{
		api.CodeUnavailable, api.CodeDraining,
	}},
	{exitRateLimited, "too fast; wait and try again", []api.Code{api.CodeRateLimited}},
	{exitInterrupted, "interrupted by Ctrl-C", nil},
}

// errInterrupted is the cause of a context that Ctrl-C ended.
var errInterrupted = errors.New("interrupted")

// errSilent ends the program as err says without a word: all has been said.
type errSilent struct{ err error }

func (e errSilent) Error() string { return e.err.Error() }
func (e errSilent) Unwrap() error { return e.err }

// usageError is a fault in the command line.
type usageError struct{ msg, hint string }

func (e *usageError) Error() string { return e.msg }

func usagef(hint, format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), hint: hint}
}

// signedOutError says that there is nothing to sign in with.
type signedOutError struct{ msg string }

func (e *signedOutError) Error() string { return e.msg }

// aboutError says what an error is about, such as `room "lobby"`, and what to type next.
type aboutError struct {
	what string
	err  error
	hint string // "": whatever the error itself suggests
}

func (e *aboutError) Error() string { return e.what + ": " + e.err.Error() }
func (e *aboutError) Unwrap() error { return e.err }

// aboutRoom adds to err which room it is about, "" for none, and what helps.
func aboutRoom(room string, err error) error {
	if err == nil || room == "" {
		return err
	}
	e := &aboutError{what: fmt.Sprintf("room %q", room), err: err}
	var rpcErr *api.Error
	if !errors.As(err, &rpcErr) || !strings.HasPrefix(rpcErr.Data.Field, "room") {
		return e
	}
	switch rpcErr.Code {
	case api.CodeNotFound:
		e.err, e.hint = reword(err, "not found"), "chatctl room ls"
	case api.CodePermissionDenied:
		if !strings.HasPrefix(rpcErr.Message, "not a member") { // but not allowed to
			e.err = reword(err, rpcErr.Message)
			break
		}
		e.err, e.hint = reword(err, "you are not a member"), "chatctl room join "+room
	default: // the room is named already
		e.err = reword(err, rpcErr.Message)
	}
	return e
}

// aboutRooms names the one of several rooms, as they were typed, that err is about.
func aboutRooms(typed []string, err error) error {
	var refused *api.Error
	var i int
	if !errors.As(err, &refused) {
		return err
	}
	if n, _ := fmt.Sscanf(refused.Data.Field, "rooms[%d]", &i); n == 0 || i < 0 || i >= len(typed) {
		return err
	}
	message := strings.TrimPrefix(refused.Message, refused.Data.Field+": ")
	return &aboutError{what: fmt.Sprintf("room %q", typed[i]), err: reword(err, message)}
}

// inFlag is a refusal of a field, whose bounds are numbers of unit, in the words of the flag that gives it.
func inFlag(err error, field, flag string, unit time.Duration) error {
	var refused *api.Error
	var low, high int64
	if !errors.As(err, &refused) || refused.Data.Field != field {
		return err
	}
	if n, _ := fmt.Sscanf(refused.Message, field+": must be between %d and %d", &low, &high); n != 2 {
		return err
	}
	return reword(err, fmt.Sprintf("--%s: must be between %s and %s", flag, lasts(time.Duration(low)*unit), lasts(time.Duration(high)*unit)))
}

// reword is the server's answer in words that fit what the person did; code and details stay.
func reword(err error, message string) error {
	var rpcErr *api.Error
	if !errors.As(err, &rpcErr) {
		return err
	}
	better := *rpcErr
	better.Message, better.Data.Field = message, ""
	return &better
}

// exitOf maps an error to how the program ends.
func exitOf(err error) exitCode {
	var rpcErr *api.Error
	var connErr *chatclient.ConnectionError
	var unreachable *unreachableError
	var usage *usageError
	var signedOut *signedOutError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &signedOut):
		return exitSignedOut
	case errors.As(err, &rpcErr):
		return exitOfCode(rpcErr.Code)
	case errors.As(err, &unreachable), errors.As(err, &connErr), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitError
}

func exitOfCode(code api.Code) exitCode {
	for _, row := range exitTable {
		for _, c := range row.codes {
			if c == code {
				return row.exit
			}
		}
	}
	return exitError
}

// complain is the one line that an error becomes on stderr: what it is about, what is wrong, and
// what to type next where we know.
func complain(err error) string {
	var b strings.Builder
	b.WriteString("chatctl: ")
	var about *aboutError
	for e := err; errors.As(e, &about); e = about.err {
		b.WriteString(termsafe.Line(about.what) + ": ")
	}
	b.WriteString(termsafe.Line(wrong(err)))
	var part *partialError
	if errors.As(err, &part) {
		b.WriteString("; " + part.done())
	}
	if hint := hintOf(err); hint != "" {
		b.WriteString("; " + termsafe.Line(hint))
	}
	b.WriteByte('\n')
	return b.String()
}

// partialError is an error that ended a text in the middle.
type partialError struct {
	posted int // lines from the beginning that are known to be on disk
	err    error
}

func (e *partialError) Error() string { return e.err.Error() + "; " + e.done() }
func (e *partialError) Unwrap() error { return e.err }

// done says what became of the text. Where no answer came, the next line may be on disk all the same.
func (e *partialError) done() string {
	var refused *api.Error
	var bad *badInput
	lines := count(e.posted, "line", "lines")
	switch sure := errors.As(e.err, &refused) || errors.As(e.err, &bad); {
	case sure && e.posted == 0:
		return "nothing is posted"
	case sure:
		return "posted until then: " + lines
	case e.posted == 0:
		return "no line is acknowledged"
	}
	return "acknowledged until then: " + lines
}

// wrong says what is wrong, without what aboutErrors around it say.
func wrong(err error) string {
	var rpcErr *api.Error
	var unreachable *unreachableError
	var session *chatclient.SessionError
	switch {
	case errors.As(err, &unreachable):
		return unreachable.plain()
	case errors.As(err, &session) && session.Code == api.CloseCodeRevoked:
		return "this login was ended: it was revoked, or the account is suspended or deleted"
	case errors.As(err, &session) && session.Code == api.CloseCodeExpired:
		return "this login has expired"
	case errors.As(err, &rpcErr):
		msg := inWords(rpcErr.Message)
		if f := rpcErr.Data.Field; f != "" && !strings.Contains(msg, f) {
			msg = f + ": " + msg
		}
		if id := rpcErr.Data.RequestID; id != "" && (rpcErr.Code == api.CodeInternal || rpcErr.Code == api.CodeInternalError) {
			msg += " (the server's log has it as " + id + ")"
		}
		return msg
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var about *aboutError
	var part *partialError
	switch {
	case errors.As(err, &about):
		return wrong(about.err)
	case errors.As(err, &part):
		return wrong(part.err)
	}
	return bare(err)
}

func hintOf(err error) string {
	var about *aboutError
	for e := err; errors.As(e, &about); e = about.err {
		if about.hint != "" {
			return "try: " + about.hint
		}
	}
	var rpcErr *api.Error
	var usage *usageError
	var unreachable *unreachableError
	switch {
	case errors.As(err, &unreachable):
		return unreachable.hint()
	case errors.As(err, &usage):
		if usage.hint != "" {
			return "try: " + usage.hint
		}
	case errors.Is(err, api.ErrUnauthenticated), errors.Is(err, api.ErrTokenExpired):
		return "try: chatctl login"
	case errors.As(err, &rpcErr) && rpcErr.Data.RetryAfterMS != nil:
		wait := time.Duration(*rpcErr.Data.RetryAfterMS) * time.Millisecond
		return "wait " + max(wait.Round(time.Second), time.Second).String()
	}
	return ""
}

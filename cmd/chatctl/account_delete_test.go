package main

import (
	"fmt"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// What was saved goes only when the account is there still for certain: it may be all that is left.
func TestSavedAccountIsKeptInDoubt(t *testing.T) {
	lost := &chatclient.ConnectionError{MayHaveBeenSent: true, Err: fmt.Errorf("reset")}
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{api.Errorf(api.CodePermissionDenied, "wrong password"), true},
		{api.Errorf(api.CodeFailedPrecondition, "the last administrator"), true},
		{api.ErrRateLimited, true},
		{fmt.Errorf("%w (%w)", api.ErrRateLimited, lost), false}, // refused at first, then sent again
		{fmt.Errorf("%w (%w)", api.ErrDraining, lost), false},
		{lost, false},
		{&chatclient.SessionError{Err: api.ErrUnauthenticated}, false}, // deleted elsewhere perhaps
		{api.ErrUnauthenticated, false},
		{api.ErrUnavailable, false},
		{api.ErrInternal, false},
	} {
		if got := isThere(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}

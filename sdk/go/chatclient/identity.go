package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// identity is who the client is to the server, and what the server told of itself. Secrets stay in here.
type identity struct {
	mu       sync.Mutex
	token    string
	username string
	password string
	device   string
	user     api.UserID // who is signed in; "" before
	info     *api.ServerInfoResult
}

// secret returns the token; "" if there is none.
func (id *identity) secret() string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.token
}

func (id *identity) userID() api.UserID {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.user
}

func (id *identity) serverInfo() *api.ServerInfoResult {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.info
}

// maxMessage is how long a message the server takes; 0 is no limit.
func (id *identity) maxMessage() int64 {
	id.mu.Lock()
	defer id.mu.Unlock()
	switch {
	case id.info == nil:
		return 0
	case id.user == "":
		return id.info.Limits.MaxMessageBytesAnonymous
	}
	return id.info.Limits.MaxMessageBytes
}

// learn keeps what a successful call says about who is signed in.
func (id *identity) learn(method string, params, result json.RawMessage) {
	var signedIn struct {
		User  struct{ ID api.UserID }
		Token string
	}
	switch method {
	case api.MethodAuthLogin, api.MethodAuthRegister, api.MethodAuthResume, api.MethodAccountGet:
		if json.Unmarshal(result, &signedIn) != nil {
			return
		}
	case api.MethodAuthLogout:
	default:
		return
	}
	if method == api.MethodAuthResume {
		signedIn.Token = resumeToken(params)
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	if method == api.MethodAccountGet {
		signedIn.Token = id.token
	}
	id.token, id.user = signedIn.Token, signedIn.User.ID
	if method == api.MethodAuthLogout {
		id.password = "" // it was a decision: a reconnect does not sign in again
	}
}

// resumeToken finds the token in the parameters of auth.resume, by name or by position.
func resumeToken(params json.RawMessage) string {
	var named api.AuthResumeParams
	if json.Unmarshal(params, &named) == nil {
		return named.Token
	}
	var list []string
	if json.Unmarshal(params, &list) == nil && len(list) > 0 {
		return list[0]
	}
	return ""
}

// forgetToken drops a token that has expired; it reports whether a password can replace it.
func (id *identity) forgetToken() bool {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.token = ""
	return id.password != ""
}

// signIn is the first message of a connection: its method and parameters; "" to stay anonymous.
func (id *identity) signIn(headerSent bool) (method string, params json.RawMessage) {
	id.mu.Lock()
	defer id.mu.Unlock()
	switch {
	case headerSent:
		return api.MethodAccountGet, nil
	case id.token != "":
		return api.MethodAuthResume, (&api.AuthResumeParams{Token: id.token}).AppendJSON(nil)
	case id.password != "":
		return api.MethodAuthLogin, (&api.AuthLoginParams{Username: id.username, Password: id.password, DeviceName: id.device}).AppendJSON(nil)
	}
	return "", nil
}

// introduce signs a new connection in and learns the server's limits, both in one write.
func (id *identity) introduce(ctx context.Context, c *conn, headerSent bool) error {
	type step struct {
		method string
		params json.RawMessage
		answer chan outcome // capacity 1: the answer comes once
	}
	var steps []step
	if method, params := id.signIn(headerSent); method != "" {
		steps = append(steps, step{method: method, params: params})
	}
	steps = append(steps, step{method: api.MethodServerInfo})
	for i := range steps {
		s := &steps[i]
		s.answer = make(chan outcome, 1)
		if _, err := c.start(s.method, s.params, false, func(result json.RawMessage, err error) { s.answer <- outcome{result, err} }); err != nil {
			return err
		}
	}
	for _, s := range steps {
		var a outcome
		select {
		case a = <-s.answer:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", s.method, ctx.Err())
		}
		switch {
		case a.err != nil && s.method == api.MethodServerInfo:
			return fmt.Errorf("server.info: %w", a.err)
		case a.err != nil:
			return signInError(a.err)
		case s.method == api.MethodServerInfo:
			info := new(api.ServerInfoResult)
			if err := json.Unmarshal(a.result, info); err != nil {
				return fmt.Errorf("server.info: %w", err)
			}
			c.setLimits(&info.Limits)
			id.mu.Lock()
			id.info = info
			id.mu.Unlock()
		default:
			id.learn(s.method, s.params, a.result)
		}
	}
	return nil
}

// signInError tells a refusal, after which coming back is no use, from a failure.
func signInError(err error) error {
	if errors.Is(err, api.ErrUnauthenticated) || errors.Is(err, api.ErrTokenExpired) || errors.Is(err, api.ErrPermissionDenied) || errors.Is(err, api.ErrInvalidParams) {
		return &SessionError{Err: err}
	}
	return err
}

package rpcserver

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"

	"github.com/chatd-dev/chatd/api"
	"github.com/sourcegraph/jsonrpc2"
)

// method is what a name calls.
type method struct {
	name string
	slow bool // not on the reading goroutine
	call func(ctx context.Context, srv api.Server, params json.RawMessage, dst []byte) ([]byte, error)
}

// call is a request on its way through a connection.
type call struct {
	// Static once the reader has handed it over.

	num    uint64 // the library's id for it
	id     []byte // the peer's; nil: a notification
	method *method
	params json.RawMessage
	refuse *api.Error // not nil: this is the answer, nothing is run
	batch  *batch
	place  int   // in the batch
	last   bool  // of the batch
	start  int64 // when it came, by the server's clock

	answered atomic.Bool

	// Set by who answered.

	reply    *buffer
	response jsonrpc2.Response // what the library is given to send

	// Guarded by session.mu.

	queued bool // the domain has passed on its turn
	cancel context.CancelFunc
}

// batch collects the replies of an array of requests. Guarded by session.mu once it is handed over.
type batch struct {
	out     []*buffer // by place; nil: none, as for a notification
	size    int       // bytes in out
	left    int       // requests that are not answered
	running int       // requests that have not ended
	kept    bool      // one of them ended with its turn kept
}

// maxBatchReply bounds what a batch may gather: when its replies exceed this, what is left of it is not run.
// What a stranger may ask for in 4 KiB can be a megabyte, and they are many.
const (
	maxBatchReply         = 1 << 20
	maxBatchReplyStranger = 16 << 10
)

func batchReply(signedIn bool) int {
	if signedIn {
		return maxBatchReply
	}
	return maxBatchReplyStranger
}

func (b *batch) put(place int, reply *buffer) {
	b.out[place] = reply
	if reply != nil {
		b.size += len(reply.b)
	}
}

// unknown stands for methods that there are not.
var unknown = &method{name: "unknown"}

// methodTable holds the contract's methods by name.
func methodTable() map[string]*method {
	table := make(map[string]*method, len(api.Methods))
	for _, m := range api.Methods {
		table[m.Name] = &method{name: m.Name, slow: m.Slow, call: m.Dispatch}
	}
	return table
}

// find gives the method that a request names, or why it cannot be called.
func (srv *Server) find(name []byte) (*method, *api.Error) {
	if m := srv.methods[string(name)]; m != nil {
		return m, nil
	}
	return unknown, api.Errorf(api.CodeMethodNotFound, "method not found")
}

// invoke runs a request for who and appends its response to dst, whatever happens.
func (srv *Server) invoke(ctx context.Context, who caller, m *method, id []byte, params json.RawMessage, dst []byte) (out []byte) {
	mark := len(dst)
	defer func() {
		if p := recover(); p != nil {
			srv.stats.panics.Add(1)
			rid := newRequestID()
			srv.logger.Error("panic", "method", m.name, "request_id", rid, "panic", p, "stack", string(debug.Stack()))
			out = srv.appendFailure(dst[:mark], id, api.Errorf(api.CodeInternalError, "internal error"), rid)
		}
	}()
	out, err := m.call(ctx, who, params, appendResultHead(dst, id))
	if err == nil {
		srv.stats.requestsOK.Add(1)
		return append(out, '}')
	}
	coded, rid := srv.coded(m.name, err)
	return srv.appendFailure(dst[:mark], id, coded, rid)
}

// coded makes of an error what the caller may know of it.
func (srv *Server) coded(name string, err error) (coded *api.Error, requestID string) {
	requestID = newRequestID()
	switch {
	case errors.As(err, &coded):
		srv.logger.Debug("refused", "method", name, "code", int(coded.Code), "request_id", requestID)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		coded = tookTooLong()
	default:
		srv.logger.Error("request failed", "method", name, "request_id", requestID, "err", err)
		coded = api.Errorf(api.CodeInternal, "internal error")
	}
	return coded, requestID
}

func tookTooLong() *api.Error {
	return api.Errorf(api.CodeUnavailable, "this took too long; whether it took effect is not known")
}

// appendFailure appends an error response under a request id; "" makes one.
func (srv *Server) appendFailure(dst, id []byte, err *api.Error, requestID string) []byte {
	srv.stats.failed(err.Code)
	e := *err // it may be shared
	if requestID == "" {
		requestID = newRequestID()
	}
	e.Data.RequestID = requestID
	if e.Data.Reason == "" {
		e.Data.Reason, e.Data.Retryable = e.Code.Reason(), e.Code.Retryable()
	}
	return appendError(dst, id, &e)
}

// errorReply is an error response in a buffer with head room.
func (srv *Server) errorReply(id []byte, err *api.Error) *buffer {
	buf := getBuffer()
	buf.b = srv.appendFailure(buf.b[:headRoom], id, err, "")
	return buf
}

// faultReply is the answer to what is no request.
func (srv *Server) faultReply(req *request) *buffer {
	err := api.Errorf(req.fault, "%s", req.fault.Message())
	if req.field != "" {
		err = api.Errorf(req.fault, "%s: %s", req.fault.Message(), req.field).WithField(req.field)
	}
	return srv.errorReply(req.id, err)
}

// newRequestID names a request in the log. It is drawn, not counted: a count would tell everybody how much others ask.
func newRequestID() string {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	b := [...]byte{'r', 'e', 'q', '_', 15: 0}
	for i, n := 4, rand.Uint64(); i < len(b); i, n = i+1, n>>5 {
		b[i] = digits[n%uint64(len(digits))]
	}
	return string(b[:])
}

package rpcserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// servePost answers one request or batch. What JSON-RPC has an answer for is HTTP 200, whatever the
// answer. The Content-Type is not looked at, as curl calls anything a form: a page of elsewhere is
// refused by its Origin, which browsers send with every POST, and no cookie speaks for anybody.
func (srv *Server) servePost(w http.ResponseWriter, r *http.Request) {
	if srv.draining.Load() {
		srv.refuseLater(w, api.Errorf(api.CodeDraining, "the server is going down"))
		return
	}
	token, ok := bearer(r.Header)
	if !ok {
		srv.refuseToken(w, api.Errorf(api.CodeUnauthenticated, "Authorization is to be: Bearer TOKEN"))
		return
	}
	if err := srv.beginCall(); err != nil {
		srv.refuseLater(w, srv.noRoom(err))
		return
	}
	defer func() {
		// When Drain sees no call left the process may end: the reply, whose length is known, goes out before.
		_ = http.NewResponseController(w).Flush() // the peer may be gone
		srv.endCall()
	}()
	peer := srv.guard.peer(r)
	p := &post{srv: srv, addr: peer.Addr, who: srv.connect(nil, peer)}
	defer p.close()
	limit := srv.limits.MaxMessageBytesAnonymous
	if token != "" {
		if err := p.who.Authenticate(r.Context(), token); err != nil {
			srv.refuseToken(w, err)
			return
		}
		limit, p.signedIn = srv.limits.MaxMessageBytes, true
	}
	body, err := readBody(w, r, limit)
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		srv.refuse(w, http.StatusRequestEntityTooLarge, api.Errorf(api.CodeTooLarge, "at most %d bytes", limit).WithField("body"))
		return
	case err != nil:
		srv.refuse(w, http.StatusBadRequest, api.Errorf(api.CodeParseError, "the body did not come whole"))
		return
	}
	if reply := p.run(r.Context(), body); reply != nil {
		writeJSON(w, http.StatusOK, reply)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body := io.Reader(r.Body)
	if limit > 0 {
		body = http.MaxBytesReader(w, r.Body, limit)
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(assemblyTime)) // not all connections can
	data, err := io.ReadAll(body)
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
	}
	return data, err
}

// post is one POST call: a session without a connection.
type post struct {
	srv  *Server
	addr string
	who  caller

	signedIn bool // by a token

	late chan struct{} // closed when a request has returned that was given up; nil: none was
}

// run answers a body; nil means that there is nothing to say.
func (p *post) run(ctx context.Context, body []byte) []byte {
	srv := p.srv
	reqs, isBatch := parse(body, srv.maxBatch, nil)
	var wait time.Duration
	if srv.rate > 0 {
		wait = srv.posts.allow(p.addr, max(1, len(reqs)), time.Now(), srv.rate, srv.burst)
	}
	var out []byte
	for i := range reqs {
		req := &reqs[i]
		var reply []byte
		switch {
		case req.fault != 0:
			fault := srv.faultReply(req)
			reply = append(reply, fault.b[headRoom:]...)
			putBuffer(fault)
		case wait > 0:
			reply = srv.appendFailure(nil, req.id, api.Errorf(api.CodeRateLimited, "too many requests").WithRetryAfter(wait), "")
		case len(out) > batchReply(p.signedIn):
			reply = srv.appendFailure(nil, req.id, api.Errorf(api.CodeTooLarge, "the replies before this one fill the batch").WithField("batch"), "")
		default:
			reply = p.call(ctx, req)
		}
		if req.id == nil && req.fault == 0 {
			continue // a notification
		}
		switch {
		case !isBatch:
		case out == nil:
			out = append(out, '[')
		default:
			out = append(out, ',')
		}
		out = append(out, reply...)
	}
	if isBatch && out != nil {
		out = append(out, ']')
	}
	return out
}

// call runs one request, for as long as a request may take.
func (p *post) call(ctx context.Context, req *request) []byte {
	srv := p.srv
	m, refused := srv.find(req.method)
	if refused != nil {
		return srv.appendFailure(nil, req.id, refused, "")
	}
	if p.late != nil {
		return srv.appendFailure(nil, req.id, tookTooLong(), "")
	}
	if limit := srv.limits.RequestTimeoutMS; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(limit)*time.Millisecond)
		defer cancel()
	}
	done, returned := make(chan []byte, 1), make(chan struct{}) // room for the result of one that was given up
	go func() {                                                 // ends when the method returns; ctx asks it to
		defer close(returned)
		done <- srv.invoke(ctx, p.who, m, req.id, req.params, nil)
	}()
	select {
	case reply := <-done:
		return reply
	case <-ctx.Done():
		p.late = returned
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // or the caller has gone
			srv.stats.timeouts.Add(1)
		}
		return srv.appendFailure(nil, req.id, tookTooLong(), "")
	}
}

// close ends the session, when all that it was asked for has returned.
func (p *post) close() {
	if p.late == nil {
		p.who.Close()
		return
	}
	p.srv.wg.Add(1)
	go func() { // ends when the method returns
		defer p.srv.wg.Done()
		<-p.late
		p.who.Close()
	}()
}

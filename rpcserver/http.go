package rpcserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const notFoundHint = "not found: chatd answers /rpc (WebSocket, or POST of JSON-RPC 2.0), /openrpc.json, /healthz and /readyz\n"

const upgradeHint = "this is the WebSocket of a JSON-RPC 2.0 server: connect with a WebSocket client, or POST a request; /openrpc.json tells the methods"

func (srv *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/rpc", srv.named(srv.serveRPC))
	mux.HandleFunc("GET /openrpc.json", srv.named(serveDocument))
	mux.HandleFunc("GET /metrics", srv.named(srv.serveMetrics))
	mux.HandleFunc("GET /healthz", serveHealth)
	mux.HandleFunc("GET /readyz", srv.serveReady)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusNotFound, notFoundHint) })
	return mux
}

// named lets requests through that call the server by a name it may have.
func (srv *Server) named(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !srv.guard.hostAllowed(r) {
			srv.stats.refused.Add(1)
			srv.refuse(w, http.StatusForbidden, api.Errorf(api.CodePermissionDenied, "this server may not be called by that host name: see allowed_hosts"))
			return
		}
		next(w, r)
	}
}

func (srv *Server) serveRPC(w http.ResponseWriter, r *http.Request) {
	allowed, cross := srv.guard.originAllowed(r)
	w.Header().Add("Vary", "Origin")
	if !allowed {
		srv.stats.refused.Add(1)
		srv.refuse(w, http.StatusForbidden, api.Errorf(api.CodePermissionDenied, "this web page may not connect: see allowed_origins"))
		return
	}
	if cross {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}
	switch r.Method {
	case http.MethodGet:
		srv.serveWebSocket(w, r)
	case http.MethodPost:
		srv.servePost(w, r)
	case http.MethodOptions: // a browser asks before it posts from another origin
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		srv.refuse(w, http.StatusMethodNotAllowed, api.Errorf(api.CodeInvalidRequest, "GET or POST"))
	}
}

// serveWebSocket upgrades the connection and returns: the session reads on its own.
func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		srv.refuse(w, http.StatusUpgradeRequired, api.Errorf(api.CodeInvalidRequest, upgradeHint))
		return
	}
	if srv.draining.Load() {
		srv.refuseLater(w, api.Errorf(api.CodeDraining, "the server is going down"))
		return
	}
	token, ok := bearer(r.Header)
	if !ok {
		srv.refuseToken(w, api.Errorf(api.CodeUnauthenticated, "Authorization is to be: Bearer TOKEN"))
		return
	}
	s := newSession(srv, srv.guard.peer(r))
	if token != "" {
		if err := s.who.Authenticate(r.Context(), token); err != nil {
			s.who.Close()
			srv.refuseToken(w, err)
			return
		}
		s.signedIn.Store(true)
	}
	switch err := srv.add(s); {
	case errors.Is(err, errCrowded):
		s.conn.shut(nil, int(api.CloseCodeOverloaded), api.CloseCodeOverloaded.String())
	case err != nil:
		s.who.Close()
		srv.refuseLater(w, srv.noRoom(err))
		return
	}
	if err := s.accept(w, r); err != nil {
		s.conn.hangUp()
		s.readerEnded()
		return
	}
	s.serve()
}

// noRoom is why a connection or call is not taken.
func (srv *Server) noRoom(err error) *api.Error {
	if srv.draining.Load() {
		return api.Errorf(api.CodeDraining, "the server is going down")
	}
	return api.Errorf(api.CodeUnavailable, "%s", err)
}

func (srv *Server) refuseToken(w http.ResponseWriter, err error) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	coded, _ := srv.coded("handshake", err)
	status := http.StatusUnauthorized
	if coded.Code.Retryable() {
		status = http.StatusServiceUnavailable
	}
	srv.stats.refused.Add(1)
	srv.refuse(w, status, coded)
}

func (srv *Server) refuseLater(w http.ResponseWriter, err *api.Error) {
	srv.stats.refused.Add(1)
	after := srv.reconnectAfter()
	w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)+1))
	srv.refuse(w, http.StatusServiceUnavailable, err.WithRetryAfter(after))
}

// refuse answers an HTTP request that does not reach JSON-RPC: an error response without an id.
func (srv *Server) refuse(w http.ResponseWriter, status int, err *api.Error) {
	writeJSON(w, status, srv.appendFailure(nil, nil, err, ""))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body))) // or a flush would leave the end of it to come
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer may be gone
}

func writeText(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the peer may be gone
}

// serveDocument gives openrpc.json, byte for byte.
func serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*") // it is the same for everyone
	writeJSON(w, http.StatusOK, api.DocumentJSON())
}

func (srv *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if srv.opts.Metrics == nil {
		writeText(w, http.StatusNotFound, notFoundHint)
		return
	}
	if !srv.opts.MetricsPublic && !srv.guard.peer(r).Loopback {
		writeText(w, http.StatusForbidden, "metrics are for programs on this machine\n")
		return
	}
	srv.opts.Metrics.ServeHTTP(w, r)
}

func serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok\n")
}

// readyTime is how long the store may take to say that it is well.
const readyTime = 2 * time.Second

// serveReady tells whether new clients should come here; with ?verbose, what says so.
func (srv *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	err := srv.check(ctx)
	if err != nil {
		srv.logger.Warn("not ready", "err", err)
	}
	draining := srv.draining.Load()
	status := http.StatusOK
	if err != nil || draining {
		status = http.StatusServiceUnavailable
	}
	var text strings.Builder
	if r.URL.Query().Has("verbose") {
		fmt.Fprintf(&text, "%s store\n%s accepting\n", mark(err == nil), mark(!draining))
	}
	text.WriteString(map[bool]string{true: "ready\n", false: "not ready\n"}[status == http.StatusOK])
	writeText(w, status, text.String())
}

func mark(ok bool) string {
	if ok {
		return "[+]"
	}
	return "[-]"
}

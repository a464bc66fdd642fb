package rpcserver

import (
	"sync/atomic"

	"github.com/chatd-dev/chatd/api"
)

// Stats are counters since the start, and gauges.
type Stats struct {
	Connections      int64 // WebSockets open now
	Anonymous        int64 // of them not signed in
	Rooms            int64 // followed now
	ConnectionsTotal int64
	Refused          int64 // handshakes: too many, or not allowed

	Requests       int64 // answered with a result, and notifications that would have been
	RequestErrors  int64 // answered with an error that the caller can do something about
	ParseErrors    int64 // messages that were no request
	RateLimited    int64
	InternalErrors int64 // answered with CodeInternal or CodeInternalError; the log has them
	Timeouts       int64 // answered because the time was over
	Panics         int64

	BytesIn  int64 // of WebSockets, headers of frames included
	BytesOut int64

	Published int64 // events, each counted once
	Events    int64 // events handed to followers, each counted for each follower
	Signals   int64 // signals, likewise
	Replayed  int64 // events sent as replay
	Flushes   int64 // of rooms

	SlowCloses  int64 // peers that did not read
	IdleCloses  int64 // peers that were gone
	AuthCloses  int64 // peers that did not sign in
	AbuseCloses int64 // peers that wasted what others need
}

type counters struct {
	connectionsTotal, refused                                                             atomic.Int64
	requestsOK, requestErrors, parseErrors, rateLimited, internalErrors, timeouts, panics atomic.Int64
	bytesIn, bytesOut, replayed                                                           atomic.Int64
	slowCloses, idleCloses, authCloses, abuseCloses                                       atomic.Int64
}

// failed counts an error response.
func (c *counters) failed(code api.Code) {
	switch code {
	case api.CodeParseError, api.CodeInvalidRequest:
		c.parseErrors.Add(1)
	case api.CodeRateLimited:
		c.rateLimited.Add(1)
	case api.CodeInternal, api.CodeInternalError:
		c.internalErrors.Add(1)
	default:
		c.requestErrors.Add(1)
	}
}

// Stats reads the counters.
func (srv *Server) Stats() Stats {
	srv.mu.Lock()
	connections, anonymous := len(srv.sessions), srv.anonymous
	srv.mu.Unlock()
	f, c := srv.fan, &srv.stats
	f.mu.RLock()
	rooms := len(f.hubs)
	f.mu.RUnlock()
	return Stats{
		Connections: int64(connections), Anonymous: int64(anonymous), Rooms: int64(rooms),
		ConnectionsTotal: c.connectionsTotal.Load(), Refused: c.refused.Load(),
		Requests: c.requestsOK.Load(), RequestErrors: c.requestErrors.Load(), ParseErrors: c.parseErrors.Load(), RateLimited: c.rateLimited.Load(),
		InternalErrors: c.internalErrors.Load(), Timeouts: c.timeouts.Load(), Panics: c.panics.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load() + f.stats.bytes.Load(),
		Published: f.stats.published.Load(), Events: f.stats.events.Load(), Signals: f.stats.signals.Load(), Replayed: c.replayed.Load(), Flushes: f.stats.flushes.Load(),
		SlowCloses: c.slowCloses.Load(), IdleCloses: c.idleCloses.Load(), AuthCloses: c.authCloses.Load(), AbuseCloses: c.abuseCloses.Load(),
	}
}

package chat

import (
	"context"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Port is a connection's way out, as its session needs it; the transport implements it.
// All methods may be called from any goroutine and, but for Replay, never block on the peer.
type Port interface {
	// Queued says that the request being handled has its place in a commit lane: the
	// connection's next request may take effect while this one waits for its commit.
	Queued()

	// Replay hands over event records, each sent as one room.event notification, in order. It
	// blocks while the peer's backlog is full, until ctx ends; an error means that the connection is gone.
	Replay(ctx context.Context, records [][]byte) error

	// Notify sends one complete JSON-RPC notification. A backlog that overflows closes the connection.
	Notify(msg []byte)

	// Follow makes the connection a follower of room: it gets what Fanout.Publish publishes with a
	// seq greater than after, also when that is published already and only waits to be flushed;
	// and, if signals, what Fanout.Signal hands out.
	Follow(room api.RoomID, after api.Seq, signals bool)

	// Signals switches what Fanout.Signal hands out for a room that the connection follows: what comes next.
	Signals(room api.RoomID, on bool)

	// Unfollow ends that: the connection still gets what was published before the call, nothing after.
	Unfollow(room api.RoomID)

	// Close sends session.closing with reason and closes with code. A negative reconnectAfter means
	// that the client is not to come back with this token.
	Close(code api.CloseCode, reason api.CloseReason, reconnectAfter time.Duration)
}

// Fanout hands a room's events to the connections that follow it; the transport implements it.
type Fanout interface {
	// Publish hands a record to the followers of room. It is called in log order for each room and
	// never blocks on a socket. The bytes belong to nobody: they are not changed after the call.
	Publish(room api.RoomID, seq api.Seq, record []byte)

	// Signal hands one complete JSON-RPC notification to those followers of room that want signals.
	Signal(room api.RoomID, msg []byte)
}

// Peer is the far end of a connection.
type Peer struct {
	Addr     string // host part only, as limits count it: an IPv4 address or an IPv6 /64
	Loopback bool   // comes from this machine: per-address limits do not apply
	Agent    string // User-Agent, for session lists; may be empty
}

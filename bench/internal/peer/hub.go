package peer

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	clientQueue = 256              // messages that may wait for a client; one more and it is dropped
	pongWait    = 60 * time.Second // a client that is silent for so long is dropped
	pingEvery   = pongWait * 9 / 10
	writeWait   = 10 * time.Second
	maxPost     = 4096
	buffer      = 1024 // bytes, for reading and for writing, as in the library's example
)

// Hub serves rooms until the process is ended: GET /?room=NAME joins one, with &post=only one that is not listened to.
func Hub() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for the life of the process
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "hub listening on %s\n", listener.Addr())
	h := &hubs{rooms: map[string]*hub{}, upgrader: websocket.Upgrader{ReadBufferSize: buffer, WriteBufferSize: buffer}}
	return http.Serve(listener, h) //nolint:gosec // a baseline in its simplest form: no time-outs
}

type hubs struct {
	upgrader websocket.Upgrader

	mu    sync.Mutex
	rooms map[string]*hub
}

// hub is a room. Its goroutine owns the clients and ends with the process.
type hub struct {
	join, leave chan *client // unbuffered, as the post below: the hub takes them in turn
	post        chan []byte
	clients     map[*client]struct{}
}

type client struct {
	hub  *hub
	sock *websocket.Conn
	send chan []byte // clientQueue deep; closed by the hub when it drops the client
}

func (hs *hubs) room(name string) *hub {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.rooms[name]
	if h == nil {
		h = &hub{join: make(chan *client), leave: make(chan *client), post: make(chan []byte), clients: map[*client]struct{}{}}
		hs.rooms[name] = h
		go h.run()
	}
	return h
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.join:
			h.clients[c] = struct{}{}
		case c := <-h.leave:
			h.drop(c)
		case message := <-h.post:
			for c := range h.clients {
				select {
				case c.send <- message:
				default:
					h.drop(c)
				}
			}
		}
	}
}

func (h *hub) drop(c *client) {
	if _, found := h.clients[c]; found {
		delete(h.clients, c)
		close(c.send)
	}
}

// ServeHTTP implements http.Handler.
func (hs *hubs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	sock, err := hs.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the library has answered
	}
	c := &client{hub: hs.room(query.Get("room")), sock: sock, send: make(chan []byte, clientQueue)}
	if query.Get("post") != "only" {
		c.hub.join <- c
	}
	go c.write() // ends when the hub drops the client, or writing fails
	go c.read()  // ends with the connection
}

func (c *client) read() {
	defer func() {
		c.hub.leave <- c
		_ = c.sock.Close() // the client is gone
	}()
	c.sock.SetReadLimit(maxPost)
	alive := func(string) error { return c.sock.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = alive("") // reading will tell
	c.sock.SetPongHandler(alive)
	for {
		_, message, err := c.sock.ReadMessage()
		if err != nil {
			return
		}
		c.hub.post <- message
	}
}

// write sends what waits: all of it in one frame, one message a line.
func (c *client) write() {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	defer func() { _ = c.sock.Close() }() // the client is gone or dropped
	for {
		select {
		case message, open := <-c.send:
			_ = c.sock.SetWriteDeadline(time.Now().Add(writeWait)) // writing will tell
			if !open || c.flush(message) != nil {
				return
			}
		case <-ping.C:
			if c.sock.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)) != nil {
				return
			}
		}
	}
}

func (c *client) flush(message []byte) error {
	w, err := c.sock.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	for range len(c.send) {
		next, open := <-c.send
		if !open {
			break
		}
		for _, b := range [][]byte{{'\n'}, next} {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

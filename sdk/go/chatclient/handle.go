package chatclient

import (
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// handlers are the functions that Subscription.Run calls.
type handlers struct {
	mu     sync.Mutex // guards what follows
	events map[api.EventType][]func(*api.Event, api.EventPayload)
	all    []func(Notification)
}

// handle registers fn for events of type t; the generated On… methods call it.
func (c *Client) handle(t api.EventType, fn func(*api.Event, api.EventPayload)) {
	h := &c.handlers
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = make(map[api.EventType][]func(*api.Event, api.EventPayload))
	}
	h.events[t] = append(h.events[t], fn)
}

// OnNotification calls fn for everything that a Subscription hands out, before the handlers of the event's type.
//
// Handlers are called by [Subscription.Run], one at a time and in order, on the goroutine that called it.
func (c *Client) OnNotification(fn func(Notification)) {
	h := &c.handlers
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fn)
}

// dispatch calls the handlers of n.
func (h *handlers) dispatch(n Notification) error {
	received, isEvent := n.(*EventReceived)
	h.mu.Lock()
	all := h.all
	var events []func(*api.Event, api.EventPayload)
	if isEvent {
		events = h.events[received.Type]
	}
	h.mu.Unlock()
	for _, fn := range all {
		fn(n)
	}
	if len(events) == 0 {
		return nil
	}
	payload, err := received.Payload()
	if err != nil {
		return err
	}
	for _, fn := range events {
		fn(received.Event, payload)
	}
	return nil
}

package main

import (
	"bytes"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// Who has switched signals off sees nobody type from then on: nobody would say that they have ceased.
func TestSignalsOffShowsNobodyTyping(t *testing.T) {
	var talk bytes.Buffer
	shown := ""
	h := &chat{
		cli: &cli{talk: newPrinter(&talk)}, roomID: "room", sub: new(chatclient.Subscription),
		typing: chatclient.NewTyping("me"), status: func(what string) { shown = what },
	}
	life := int64(8000)
	h.typing.ApplySignal(&api.RoomSignalParams{Type: api.SignalTypeTyping, RoomID: "room", UserID: "groot", Username: "groot", State: api.SignalStateStarted, ExpiresInMS: &life})
	for _, step := range []struct{ line, want string }{
		{"/signals on", "groot is typing"},
		{"/signals off", ""},
	} {
		if err := h.command(t.Context(), step.line); err != nil {
			t.Fatal(err)
		}
		h.showTyping()
		if shown != step.want {
			t.Errorf("%s: %q, want %q", step.line, shown, step.want)
		}
	}
}

package chatclient

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// Nothing that prints options, clients or errors tells a secret, nor does the log.
func TestSecretsStayIn(t *testing.T) {
	o := Options{Token: "chd_hush", Username: "groot", Password: "hush hush", Header: http.Header{"Authorization": {"Bearer hush"}}}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "options", o, "pointer", &o)
	for _, s := range []string{fmt.Sprint(o), fmt.Sprintf("%v %+v %#v %s", o, o, o, o), fmt.Sprintf("%v %+v %#v", &o, &o, &o), logged.String()} {
		if strings.Contains(s, "hush") {
			t.Errorf("a secret shows: %s", s)
		}
	}

	f := newFake(t)
	log := new(logTo)
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := f.dial(&o)
	f.peer(1).drop()
	f.peer(2).send("{broken")
	if _, err := c.ServerPing(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.refuse = func(http.Header) int { return http.StatusUnauthorized }
	f.mu.Unlock()
	f.peer(2).drop()
	<-c.Done()
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", c, c, c, c), c.Err().Error(), log.String()} {
		if strings.Contains(s, "hush") {
			t.Errorf("a secret shows: %s", s)
		}
	}
	if log.String() == "" {
		t.Error("nothing was logged")
	}
	if err := c.Err(); !errors.Is(err, api.ErrUnauthenticated) || !errors.As(err, new(*SessionError)) {
		t.Errorf("Err() = %v", err)
	}
}

package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// bare is a connection without the SDK: it sees each frame, and does not come back.
type bare struct {
	w    *killWorld
	name string
	ws   *websocket.Conn

	mu       sync.Mutex // guards what follows
	asked    map[int64]*oracle.Send
	id       int64
	closings []api.SessionClosingParams
}

// bareDial connects and signs in by a token. What it asks for at once is the first of its requests.
func (w *killWorld) bareDial(name, token, method, params string) *bare {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, rig.Patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, w.s.URL()+"/rpc", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		w.t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	b := &bare{w: w, name: name, ws: ws, asked: make(map[int64]*oracle.Send)}
	if err := b.ask(nil, method, params); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := ws.Read(ctx); err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (b *bare) ask(send *oracle.Send, method, params string) error {
	b.mu.Lock()
	b.id++
	id := b.id
	if send != nil {
		b.asked[id] = send
	}
	b.mu.Unlock()
	return b.ws.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params))
}

// bareMessage is any message of the server.
type bareMessage struct {
	ID     int64           `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *api.Error      `json:"error"`
}

// read reads until the server closes the connection, and wants it to say why before.
func (b *bare) read() {
	for {
		_, raw, err := b.ws.Read(context.Background()) // the server's end ends it
		if err != nil {
			b.ended(err)
			return
		}
		var m bareMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			b.w.fail("%s: %v: %q", b.name, err, raw)
			continue
		}
		b.mu.Lock()
		send := b.asked[m.ID]
		delete(b.asked, m.ID)
		b.mu.Unlock()
		switch {
		case m.Method == api.NotifySessionClosing:
			var p api.SessionClosingParams
			if err := json.Unmarshal(m.Params, &p); err != nil {
				b.w.fail("%s: %v: %q", b.name, err, raw)
			}
			b.closings = append(b.closings, p)
		case m.Method != "" || send == nil:
		case m.Error != nil && errors.Is(m.Error, api.ErrDraining):
			send.Refused(m.Error)
		case m.Error != nil:
			b.w.fail("%s: a post while the server goes down: %v", b.name, m.Error)
		default:
			a := new(api.MessagePostResult)
			if err := json.Unmarshal(m.Result, a); err != nil {
				b.w.fail("%s: %v: %q", b.name, err, raw)
				continue
			}
			send.Acked(a)
		}
	}
}

// ended wants one session.closing, with a time to come back, and close code 4000.
func (b *bare) ended(err error) {
	if code := websocket.CloseStatus(err); code != websocket.StatusCode(api.CloseCodeDraining) {
		b.w.fail("%s: ended without close code %d: %v", b.name, int(api.CloseCodeDraining), err)
	}
	if len(b.closings) != 1 || b.closings[0].Reason != api.CloseReasonDraining || b.closings[0].ReconnectAfterMS == nil {
		b.w.fail("%s: want one session.closing that says draining and when to come back, got %+v", b.name, b.closings)
		return
	}
	if ms := *b.closings[0].ReconnectAfterMS; ms < 1 || ms > 10_000 {
		b.w.fail("%s: is to come back after %d ms", b.name, ms)
	}
}

// steady posts at so many a second until stop is set, whatever comes back.
func (b *bare) steady(room, user string, rate int, stop *atomic.Bool) {
	line := b.w.o.Pipeline(room, user)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 1; !stop.Load(); n++ {
		<-tick.C
		key, text := fmt.Sprintf("%s-%d", b.name, n), fmt.Sprintf("%s says %d", b.name, n)
		send := line.Sent(key, text)
		if b.ask(send, api.MethodMessagePost, fmt.Sprintf(`[%q,%q,%q]`, room, text, key)) != nil {
			return // the server is gone; read judges how it went
		}
	}
}

// curl posts by HTTP, one after the other, until the server is gone. It does not try again.
func (w *killWorld) curl(name, room, user, token string) {
	web := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: rig.Patience}
	for n := 1; ; n++ {
		key, text := fmt.Sprintf("%s-%d", name, n), fmt.Sprintf("%s says %d", name, n)
		send := w.o.Sent(room, user, key, text)
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%q,%q,%q]}`, api.MethodMessagePost, room, text, key)
		req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.s.URL()+"/rpc", strings.NewReader(body))
		if err != nil {
			w.fail("%s: %v", name, err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := web.Do(req)
		if err != nil {
			return // not accepted, or cut off
		}
		var m bareMessage
		err = json.NewDecoder(res.Body).Decode(&m)
		res.Body.Close()
		a := new(api.MessagePostResult)
		switch {
		case err != nil:
			w.fail("%s: half an answer to a POST: %v", name, err)
		case m.Error != nil && errors.Is(m.Error, api.ErrDraining):
			send.Refused(m.Error)
			continue
		case m.Error != nil:
			w.fail("%s: a POST while the server goes down: %v", name, m.Error)
		default:
			if err = json.Unmarshal(m.Result, a); err != nil {
				w.fail("%s: %v: %s", name, err, m.Result)
			}
		}
		if err != nil || m.Error != nil {
			return
		}
		send.Acked(a)
		time.Sleep(10 * time.Millisecond)
	}
}

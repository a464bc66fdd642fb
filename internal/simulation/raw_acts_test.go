package simulation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
)

func (u *rawUser) act(a act) {
	if u.wire == nil || u.wire.lost() {
		u.resume()
	}
	room := u.room(a)
	switch a.kind {
	case actSay:
		u.post(u.newPost(room, a.size))
	case actBurst, actBatch:
		u.burst(room, a)
	case actAgain:
		if m := u.settled(); m != nil {
			u.post(m)
		}
	case actOther:
		u.other()
	case actTwins:
		u.twins(u.newPost(room, a.size))
	case actHistory:
		q := u.cursor(a, room)
		u.must(room, api.MethodRoomHistory, q, func(raw json.RawMessage) { u.page(room, decode[api.RoomHistoryResult](raw).Events, *q.Limit) })
	case actFollow:
		var most *int64
		if n := int64(a.n); a.odd {
			most = &n
		}
		if err := u.open(u.known(), most); err != nil {
			u.note("open: %v", err)
			u.resume()
		}
	case actReturn:
		u.resume()
	case actLeave:
		u.everLeft[room] = true
		u.must(room, api.MethodRoomLeave, []string{room}, nil)
		time.Sleep(time.Duration(a.n) * time.Second / 2)
		u.join(room, a)
	case actLogout:
		u.signOuts++
		err := u.wire.call(api.MethodAuthLogout, []string{}, nil)
		u.note("logout: %v", err)
		if err == nil {
			u.token = ""
		}
		u.resume()
	case actStall:
		u.wire.hold <- struct{}{}
		time.Sleep(time.Duration(a.n*5) * time.Second)
		<-u.wire.hold
	case actSilence:
		u.w.net.each(u.i, (*link).blacken)
	case actPost:
		u.overHTTP(u.newPost(room, a.size))
	}
}

// burst posts without waiting, in one message or in several.
func (u *rawUser) burst(room string, a act) {
	var posts []*post
	var calls []*call
	var batch []byte
	w := u.wire
	for range a.n {
		m := u.newPost(room, a.size)
		posts = append(posts, m)
		c, text := w.start(api.MethodMessagePost, m.params(), func(raw json.RawMessage) { u.acked(m, decode[api.MessagePostResult](raw)) })
		calls = append(calls, c)
		if a.kind == actBurst {
			w.send(opText, text)
			continue
		}
		batch = append(append(batch, ','), text...)
	}
	if a.kind == actBatch {
		c, text := w.start(api.MethodRoomHistory, &api.RoomHistoryParams{Room: room}, func(raw json.RawMessage) {
			u.page(room, decode[api.RoomHistoryResult](raw).Events, 50)
		})
		calls = append(calls, c)
		batch = append(append(batch, ','), text...)
		batch[0] = '['
		w.send(opText, append(batch, ']'))
	}
	for _, c := range calls {
		if err := w.wait(c); err != nil {
			u.note("burst: %v", err)
		}
	}
	u.expectOrder(posts) // those that were taken at once
	for _, m := range posts {
		if m.ack == nil {
			u.post(m)
		}
	}
}

func (u *rawUser) other() {
	m := u.settled()
	if m == nil {
		return
	}
	params := m.params()
	params.Text += "!"
	for range 200 {
		err := u.wire.call(api.MethodMessagePost, params, func(raw json.RawMessage) { u.wrong("another text under %s was taken: %s", m.key, raw) })
		if err == nil || errors.Is(err, api.ErrIdempotencyConflict) || !u.mend(m.room, err) {
			return
		}
	}
}

// twins posts the same over a second connection at the same time.
func (u *rawUser) twins(m *post) {
	twin, err := u.connect(u.token)
	if err != nil {
		u.note("twin: %v", err)
		u.post(m)
		return
	}
	var res *api.MessagePostResult
	c, text := twin.start(api.MethodMessagePost, m.params(), func(raw json.RawMessage) { res = decode[api.MessagePostResult](raw) })
	twin.send(opText, text)
	u.post(m)
	if twin.wait(c) == nil {
		m.Acked(res)
	}
	twin.close()
}

// overHTTP posts by HTTP POST, once, and then until it is sure.
func (u *rawUser) overHTTP(m *post) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	sock, err := u.w.net.dial(ctx, u.i)
	if err == nil {
		defer sock.Close()
		_ = sock.SetDeadline(time.Now().Add(answerTime))
		params, _ := json.Marshal(m.params())
		body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"message.post","params":%s}`, params)
		check := contract.New()
		check.Sent(body)
		_, _ = fmt.Fprintf(sock, "POST /rpc HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", u.token, len(body), body)
		var resp *http.Response
		if resp, err = http.ReadResponse(bufio.NewReader(sock), nil); err == nil {
			var text []byte
			text, err = io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode == http.StatusOK {
				u.conforms(check, text)
				if r := decode[message](text); r.Result != nil {
					u.acked(m, decode[api.MessagePostResult](r.Result))
					return
				}
			}
			u.note("POST: %s %s", resp.Status, text)
		}
	}
	u.note("POST: %v", err)
	u.post(m)
}

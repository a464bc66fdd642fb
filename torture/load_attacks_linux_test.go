package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// loadAttack is a kind of hostile connection.
type loadAttack struct {
	name string
	most int      // at once; 0: as many as of the others
	long bool     // it takes its time: most of the connections are of such kinds
	ends []string // how it may end, besides a reset, which may overtake the reason, and the test's end
	run  func(a *loadAttacker) string
}

// loadAttacker is one hostile connection after the other.
type loadAttacker struct {
	dialer *loadDialer
	token  string
	rnd    *rand.Rand
	stop   context.Context // cuts it off
	from   string          // X-Forwarded-For: what it says of itself, through a trusted proxy
	hold   time.Duration   // how long it keeps what the server cannot refuse
}

// Ends that are no close code.
const (
	endReset   = "reset" // or the end of the stream without a word
	endOpen    = "open"  // the server did not close it in time
	endStopped = "stopped"
	endLate    = "late" // it was not let in: the machine is too busy
)

// loadAttackTime is how long a connection may live that the server has reason to close: what limits
// give it, ten seconds, and what a busy machine takes.
const loadAttackTime = 60 * time.Second

func (a *loadAttacker) header(lines ...string) []string {
	return append(lines, "X-Forwarded-For: "+a.from)
}

// ended tells of an error how the connection ended.
func (a *loadAttacker) ended(err error) string {
	if a.stopped() {
		return endStopped
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return endOpen
	}
	return endReset
}

// unanswered is ended for who waits for an answer, not for the connection's end.
func (a *loadAttacker) unanswered(err error) string {
	if end := a.ended(err); end != endOpen {
		return end
	}
	return endLate
}

// socket runs an attack on a bare connection, which it closes.
func (a *loadAttacker) socket(attack func(w *loadWire) string) string {
	w, err := a.dialer.dial()
	if err != nil {
		return endLate
	}
	defer context.AfterFunc(a.stop, func() { w.sock.Close() })()
	defer w.sock.Close()
	return attack(w)
}

// ws runs an attack on a WebSocket.
func (a *loadAttacker) ws(signedIn bool, attack func(w *loadWire) string) string {
	return a.socket(func(w *loadWire) string {
		lines := a.header()
		if signedIn {
			lines = append(lines, "Authorization: Bearer "+a.token)
		}
		status, err := w.upgrade(lines...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return endLate
		case err != nil:
			return a.ended(err)
		case status != 101:
			return fmt.Sprintf("http %d", status)
		}
		return attack(w)
	})
}

// code reads until the server closes and gives the close code.
func (a *loadAttacker) code(w *loadWire) string {
	code, ok := w.closed(loadAttackTime)
	switch {
	case !ok:
		return a.ended(os.ErrDeadlineExceeded)
	case code == 0:
		return a.ended(io.EOF)
	}
	return fmt.Sprint(code)
}

func (a *loadAttacker) stopped() bool { return a.stop.Err() != nil }

// rest waits; false: the test ends.
func (a *loadAttacker) rest(d time.Duration) bool {
	select {
	case <-a.stop.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// drip sends bytes one a second, until the server has enough.
func (a *loadAttacker) drip(w *loadWire, b []byte) string {
	for i := 0; i < len(b); i++ {
		if err := w.write(b[i : i+1]); err != nil {
			return a.ended(err)
		}
		status, err := w.status(time.Second)
		switch {
		case err == nil:
			return fmt.Sprintf("http %d", status)
		case a.stopped() || !errors.Is(err, os.ErrDeadlineExceeded):
			return a.ended(err)
		}
	}
	return endOpen
}

// bytes sends something that ends a WebSocket.
func (a *loadAttacker) bytes(w *loadWire, b []byte) string {
	_ = w.write(b) // it may be closed before all is sent: the code tells
	return a.code(w)
}

// flood sends one thing again and again, thousands of times at most.
func (a *loadAttacker) flood(w *loadWire, frame []byte) string {
	many := bytes.Repeat(frame, 500)
	for range 40 {
		if w.write(many) != nil {
			break
		}
	}
	return a.code(w)
}

// ask sends a text and gives the reply's error code, or the close code.
func (a *loadAttacker) ask(w *loadWire, text string) string {
	if err := w.send(text); err != nil {
		return a.ended(err)
	}
	reply, err := w.answer(loadPatience)
	if err != nil {
		if _, code, ok := strings.Cut(err.Error(), "closed with "); ok {
			return code
		}
		return a.unanswered(err)
	}
	_, code, ok := strings.Cut(reply, `"error":{"code":`)
	if !ok {
		return "result"
	}
	code, _, _ = strings.Cut(code, ",")
	return code
}

// unread sends a text again and again and reads nothing for a while.
func (a *loadAttacker) unread(w *loadWire, text string, times int) string {
	frame := loadFrame(nil, loadFinal|loadText, []byte(text))
	_ = w.sock.SetWriteDeadline(time.Now().Add(5 * time.Second))
	for range times {
		if _, err := w.sock.Write(frame); err != nil {
			break
		}
	}
	if !a.rest(a.hold) {
		return endStopped
	}
	return "left"
}

func loadAttacks() []*loadAttack {
	const text = `{"jsonrpc":"2.0","id":1,"method":"server.ping"}`
	whole := loadFrame(nil, loadFinal|loadText, []byte(text))
	first := func(b byte) []byte { return loadFrame(nil, b, []byte("x")) }
	login := func(n int) string {
		return loadRequest(n, api.MethodAuthLogin, fmt.Sprintf(`["nobody%d","wrong password"]`, n))
	}
	rpcCode := func(c api.Code) string { return fmt.Sprint(int32(c)) }
	discover := loadRequest(1, api.MethodRPCDiscover, "{}")
	return []*loadAttack{
		{name: "header drip", long: true, ends: []string{"http 408", "http 400"}, run: func(a *loadAttacker) string {
			return a.socket(func(w *loadWire) string {
				return a.drip(w, fmt.Appendf(nil, loadUpgrade, w.host, "X-Long: "+strings.Repeat("x", 100)+"\r\n"))
			})
		}},
		{name: "body drip", long: true, ends: []string{"http 400", "http 408"}, run: func(a *loadAttacker) string {
			return a.socket(func(w *loadWire) string {
				if err := w.post("", 1000, a.header()...); err != nil {
					return a.ended(err)
				}
				return a.drip(w, bytes.Repeat([]byte("x"), 60))
			})
		}},
		{name: "silence before the handshake", long: true, ends: nil, run: func(a *loadAttacker) string {
			return a.socket(a.code)
		}},
		{name: "idler", long: true, ends: []string{"4500"}, run: func(a *loadAttacker) string { return a.ws(false, a.code) }},
		{name: "half a message", long: true, ends: []string{"4503", "4500"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string {
				return a.bytes(w, append(loadFrameHead(nil, loadFinal|loadText, 4000), make([]byte, 3000)...))
			})
		}},
		{name: "empty fragments", ends: []string{"4503"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string {
				_ = w.write(loadFrame(nil, loadText, nil))
				return a.flood(w, loadFrame(nil, loadContinuation, nil))
			})
		}},
		{name: "pings", ends: []string{"4503"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.flood(w, first(loadFinal|loadPing)) })
		}},
		{name: "pongs", ends: []string{"4503"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.flood(w, first(loadFinal|loadPong)) })
		}},
		{name: "unmasked", ends: []string{"1002"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.bytes(w, append([]byte{0x81, byte(len(text))}, text...)) })
		}},
		{name: "reserved bits and opcodes", ends: []string{"1002"}, run: func(a *loadAttacker) string {
			bad := []byte{0x40 | 0x81, 0x20 | 0x81, 0x10 | 0x81, 0x83, 0x87, 0x8b, 0x8f, 0x80, loadPing}
			return a.ws(false, func(w *loadWire) string { return a.bytes(w, first(bad[a.rnd.IntN(len(bad))])) })
		}},
		{name: "length of 2^62", ends: []string{"1009"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string {
				return a.bytes(w, append(loadFrameHead(nil, loadFinal|loadText, 1<<62), make([]byte, 70_000)...))
			})
		}},
		{name: "length of 2^63", ends: []string{"1002"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.bytes(w, loadFrameHead(nil, loadFinal|loadText, 1<<63)) })
		}},
		{name: "long message of a stranger", ends: []string{"1009"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.ask(w, strings.Repeat(" ", 100_000)+text) })
		}},
		{name: "deep JSON", ends: []string{rpcCode(api.CodeParseError)}, run: func(a *loadAttacker) string {
			const depth = 10_000
			deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
			return a.ws(true, func(w *loadWire) string { return a.ask(w, loadRequest(1, api.MethodServerPing, deep)) })
		}},
		{name: "many members", ends: []string{rpcCode(api.CodeInvalidParams), "1009"}, run: func(a *loadAttacker) string {
			n := []int{8_000, 100_000}[a.rnd.IntN(2)]
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, `%q:1,`, fmt.Sprint(i))
			}
			return a.ws(true, func(w *loadWire) string {
				return a.ask(w, loadRequest(1, api.MethodMessagePost, "{"+strings.TrimSuffix(b.String(), ",")+"}"))
			})
		}},
		{name: "batch of thousands", ends: []string{rpcCode(api.CodeInvalidRequest)}, run: func(a *loadAttacker) string {
			return a.ws(true, func(w *loadWire) string { return a.ask(w, "["+strings.Repeat("1,", 10_000)+"1]") })
		}},
		{name: "batch of long replies, unread", long: true, ends: []string{"left"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string {
				return a.unread(w, "["+strings.Join(slices.Repeat([]string{discover}, 50), ",")+"]", 3)
			})
		}},
		{name: "replies unread", long: true, ends: []string{"left"}, run: func(a *loadAttacker) string {
			return a.ws(a.rnd.IntN(2) == 0, func(w *loadWire) string { return a.unread(w, loadRequest(1, api.MethodServerInfo, "{}"), 1000) })
		}},
		{name: "invalid UTF-8", ends: []string{rpcCode(api.CodeParseError)}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) string { return a.ask(w, text+"\xff\xc0\x80") })
		}},
		{name: "come and go", ends: []string{"left"}, run: func(a *loadAttacker) string {
			for range 3 {
				if end := a.ws(false, func(w *loadWire) string {
					_ = w.write(whole[:a.rnd.IntN(len(whole))])
					_ = w.sock.SetLinger(a.rnd.IntN(2) - 1) // resets it now and then
					return "left"
				}); end != "left" {
					return end
				}
			}
			return "left"
		}},
		{name: "games with closing", ends: []string{"1000", "1002", "3333"}, run: func(a *loadAttacker) string {
			games := [][]byte{{}, {3}, {0x03, 0xe8}, {0x03, 0xed}, {0x0d, 0x05, 0xff}, {0x0d, 0x05}, append([]byte{0x03, 0xe8}, make([]byte, 200)...)}
			return a.ws(false, func(w *loadWire) string {
				b := loadFrame(nil, loadFinal|loadClose, games[a.rnd.IntN(len(games))])
				if a.rnd.IntN(2) == 0 {
					b = append(b, whole...)
				}
				if a.rnd.IntN(3) == 0 {
					_ = w.write(b)
					_ = w.sock.CloseWrite()
					return a.code(w)
				}
				return a.bytes(w, b)
			})
		}},
		{name: "wrong tokens", ends: []string{"http 401"}, run: func(a *loadAttacker) string {
			return a.socket(func(w *loadWire) (end string) {
				for i := range 5 {
					if err := w.post(text, len(text), a.header(fmt.Sprintf("Authorization: Bearer wrong%d", i))...); err != nil {
						return a.ended(err)
					}
					status, err := w.status(loadPatience)
					if err != nil {
						return a.unanswered(err)
					}
					end = fmt.Sprintf("http %d", status)
				}
				return end
			})
		}},
		{name: "logins", ends: []string{rpcCode(api.CodeUnauthenticated), rpcCode(api.CodeRateLimited), rpcCode(api.CodeUnavailable), "4500"}, run: func(a *loadAttacker) string {
			return a.ws(false, func(w *loadWire) (end string) {
				for i := range 3 {
					end = a.ask(w, login(i))
				}
				return end
			})
		}},
		{name: "long header", ends: []string{"http 431"}, run: func(a *loadAttacker) string {
			return a.socket(func(w *loadWire) string {
				_ = w.write(fmt.Appendf(nil, loadUpgrade, w.host, "X-Long: "+strings.Repeat("x", 40<<10)+"\r\n"))
				status, err := w.status(loadPatience)
				if err != nil {
					return a.unanswered(err)
				}
				return fmt.Sprintf("http %d", status)
			})
		}},
		{name: "kept alive", long: true, ends: []string{"left"}, run: func(a *loadAttacker) string {
			return a.socket(func(w *loadWire) string {
				_ = w.write(fmt.Appendf(nil, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", w.host))
				if !a.rest(a.hold) {
					return endStopped
				}
				return "left"
			})
		}},
		{name: "faults", ends: []string{"4503"}, most: 20, run: func(a *loadAttacker) string {
			return a.ws(true, func(w *loadWire) string { return a.flood(w, loadFrame(nil, loadFinal|loadText, []byte("{"))) })
		}},
		{name: "at the rate", ends: []string{"left"}, most: 20, run: func(a *loadAttacker) string {
			return a.ws(true, func(w *loadWire) string {
				for range 20 {
					for range 10 { // of those in flight the rate of hostileRate refuses two of three
						if err := w.write(whole); err != nil {
							return a.ended(err)
						}
					}
					for range 10 {
						if _, err := w.answer(loadPatience); err != nil {
							return a.unanswered(err)
						}
					}
					if !a.rest(50 * time.Millisecond) {
						return endStopped
					}
				}
				return "left"
			})
		}},
	}
}

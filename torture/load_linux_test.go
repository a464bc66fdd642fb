package torture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Clients by the thousand, in one process, that say byte by byte what they are told to: right or wrong.

const (
	loadText, loadClose, loadPing, loadPong = 0x1, 0x8, 0x9, 0xa
	loadContinuation                        = 0x0
	loadFinal                               = 0x80
)

// loadPatience is how long something may take that has to come.
const loadPatience = 30 * time.Second

// loadConnections gives how many of the wanted connections can be had, with what else needs files,
// and is loud about it if those are fewer. Server and client each need a file for each.
func loadConnections(t testing.TB, wanted int) int {
	t.Helper()
	const others = 500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if need := uint64(wanted + others); limit.Max < need {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: need}) // root may
	}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	if got := int(limit.Cur) - others; got < wanted {
		t.Logf("ONLY %d CONNECTIONS, %d were wanted: the hard limit of open files is %d", got, wanted, limit.Max)
		return got
	}
	return wanted
}

// loadDialer dials from many addresses of loopback, for one has but some 28,000 ports.
type loadDialer struct {
	addr    string
	receive int // SO_RCVBUF; 0: the kernel's
	buffer  int // bytes to read at once; 0: 2 KiB

	dials atomic.Uint32
}

// loadWire is a connection of which every byte is ours.
type loadWire struct {
	sock     *net.TCPConn
	host     string
	buf      []byte
	from, to int       // what was read ahead is buf[from:to]
	came     time.Time // when the last of it did
}

func (d *loadDialer) dial() (*loadWire, error) {
	const addresses = 100
	n := d.dials.Add(1)
	dialer := net.Dialer{
		Timeout:   loadPatience,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n%addresses))},
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				// The port is chosen when both ends are known.
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
				if d.receive > 0 {
					failed = errors.Join(failed, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, d.receive))
				}
			})
			return errors.Join(err, failed)
		},
	}
	sock, err := dialer.Dial("tcp4", d.addr)
	if err != nil {
		return nil, err
	}
	size := d.buffer
	if size == 0 {
		size = 2 << 10
	}
	return &loadWire{sock: sock.(*net.TCPConn), host: d.addr, buf: make([]byte, size)}, nil
}

// open dials and makes a WebSocket of it.
func (d *loadDialer) open(header ...string) (*loadWire, error) {
	w, err := d.dial()
	if err != nil {
		return nil, err
	}
	status, err := w.upgrade(header...)
	if err == nil && status != 101 {
		err = fmt.Errorf("handshake: status %d", status)
	}
	if err != nil {
		w.sock.Close()
		return nil, err
	}
	return w, nil
}

const loadUpgrade = "GET /rpc HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"

func loadHeader(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// upgrade sends the handshake and gives the answer's status.
func (w *loadWire) upgrade(header ...string) (int, error) {
	if err := w.write(fmt.Appendf(nil, loadUpgrade, w.host, loadHeader(header))); err != nil {
		return 0, err
	}
	return w.status(loadPatience)
}

// post sends a POST with so much of the body as there is.
func (w *loadWire) post(body string, length int, header ...string) error {
	return w.write(fmt.Appendf(nil, "POST /rpc HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n%s", w.host, length, loadHeader(header), body))
}

// status reads an HTTP response and gives its status. Its body is left out.
func (w *loadWire) status(patience time.Duration) (int, error) {
	_ = w.sock.SetReadDeadline(time.Now().Add(patience))
	var line string
	for length := 0; ; {
		end := strings.Index(string(w.buf[w.from:w.to]), "\r\n")
		if end < 0 {
			if err := w.fill(); err != nil {
				return 0, err
			}
			continue
		}
		next := string(w.buf[w.from : w.from+end])
		w.from += end + 2
		if line == "" {
			line = next
		}
		if name, value, _ := strings.Cut(next, ": "); strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(value)
		}
		if next != "" {
			continue
		}
		for ; length > 0; length-- { // byte by byte, as buf may be smaller
			if w.from == w.to {
				if err := w.fill(); err != nil {
					return 0, err
				}
			}
			w.from++
		}
		var status int
		_, err := fmt.Sscanf(line, "HTTP/1.1 %d", &status)
		return status, err
	}
}

func (w *loadWire) write(b []byte) error {
	_ = w.sock.SetWriteDeadline(time.Now().Add(loadPatience))
	_, err := w.sock.Write(b)
	return err
}

// fill reads once.
func (w *loadWire) fill() error {
	if w.from > 0 {
		w.to = copy(w.buf, w.buf[w.from:w.to])
		w.from = 0
	}
	if w.to == len(w.buf) {
		w.buf = append(w.buf, make([]byte, len(w.buf))...)
	}
	n, err := w.sock.Read(w.buf[w.to:])
	w.to += n
	if n > 0 {
		w.came = time.Now()
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// frame reads a frame of the server. The payload is good until the next call. After an error of the
// deadline it can be called again.
func (w *loadWire) frame() (op byte, payload []byte, err error) {
	for {
		if op, payload, ok := w.ahead(); ok {
			return op, payload, nil
		}
		if err := w.fill(); err != nil {
			return 0, nil, err
		}
	}
}

func (w *loadWire) ahead() (op byte, payload []byte, ok bool) {
	b := w.buf[w.from:w.to]
	if len(b) < 2 {
		return 0, nil, false
	}
	head, n := 2, int(b[1])
	switch {
	case n == 126 && len(b) >= 4:
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	case n == 127 && len(b) >= 10:
		head, n = 10, int(binary.BigEndian.Uint64(b[2:]))
	case n >= 126:
		return 0, nil, false
	}
	if len(b)-head < n {
		return 0, nil, false
	}
	w.from += head + n
	return b[0] & 0xf, b[head : head+n], true
}

// loadFrame appends a masked frame: first is its first byte.
func loadFrame(dst []byte, first byte, payload []byte) []byte {
	dst = loadFrameHead(dst, first, uint64(len(payload)))
	mask := dst[len(dst)-4:]
	for i, c := range payload {
		dst = append(dst, c^mask[i%4])
	}
	return dst
}

// loadFrameHead appends the head of a frame, whatever follows.
func loadFrameHead(dst []byte, first byte, n uint64) []byte {
	switch {
	case n < 126:
		dst = append(dst, first, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, 0x80|127), n)
	}
	return append(dst, 0x11, 0x22, 0x33, 0x44)
}

func (w *loadWire) send(text string) error {
	return w.write(loadFrame(nil, loadFinal|loadText, []byte(text)))
}

// loadRequest is a JSON-RPC request; params are JSON.
func loadRequest(id int, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
}

// answer reads messages until a reply comes, and answers pings. An error says how it ended.
func (w *loadWire) answer(patience time.Duration) (string, error) {
	_ = w.sock.SetReadDeadline(time.Now().Add(patience))
	for {
		op, payload, err := w.frame()
		switch {
		case err != nil:
			return "", err
		case op == loadPing:
			if err := w.write(loadFrame(nil, loadFinal|loadPong, payload)); err != nil {
				return "", err
			}
		case op == loadClose:
			return "", fmt.Errorf("closed with %d", loadCloseCode(payload))
		case op == loadText && !strings.HasPrefix(string(payload), `{"jsonrpc":"2.0","method"`):
			return string(payload), nil
		}
	}
}

func loadCloseCode(payload []byte) int {
	if len(payload) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(payload))
}

// closed reads until the server closes and gives the close frame's code; 0: there was none. ok is
// false if it does not close in time.
func (w *loadWire) closed(patience time.Duration) (code int, ok bool) {
	_ = w.sock.SetReadDeadline(time.Now().Add(patience))
	for {
		op, payload, err := w.frame()
		if err != nil {
			return code, !errors.Is(err, os.ErrDeadlineExceeded)
		}
		if op == loadClose {
			code = loadCloseCode(payload)
		}
	}
}

// loadSocket is what the kernel tells of the server's end of a connection.
type loadSocket struct {
	open   bool // the server has not closed it
	queued int  // bytes that the peer has not taken
}

// loadSockets lists the server's TCP sockets by the peer's address.
func loadSockets(t testing.TB, server string) map[string]loadSocket {
	t.Helper()
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const established = "01"
	list := map[string]loadSocket{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 5 || loadHexAddr(f[1]) != server {
			continue
		}
		send, _, _ := strings.Cut(f[4], ":")
		queued, _ := strconv.ParseInt(send, 16, 64)
		list[loadHexAddr(f[2])] = loadSocket{open: f[3] == established, queued: int(queued)}
	}
	return list
}

// loadHexAddr reads 0100007F:1F90.
func loadHexAddr(hex string) string {
	ip, port, _ := strings.Cut(hex, ":")
	a, err := strconv.ParseUint(ip, 16, 32)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d:%d", byte(a), byte(a>>8), byte(a>>16), byte(a>>24), p)
}

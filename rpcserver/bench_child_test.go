package rpcserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// idleChild, set in the environment, makes this program a client that opens connections and waits:
// "address token count".
const idleChild = "CHATD_BENCH_IDLE"

func runIdleChild() {
	var addr, token string
	var n int
	if _, err := fmt.Sscan(os.Getenv(idleChild), &addr, &token, &n); err != nil {
		panic(err)
	}
	var socks []net.Conn
	for range n {
		sock, err := net.Dial("tcp", addr)
		if err != nil {
			panic(err)
		}
		socks = append(socks, sock)
		fmt.Fprintf(sock, "GET /rpc HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer %s\r\n\r\n", addr, token)
		br := bufio.NewReader(sock)
		for line := "x"; line != "\r\n"; {
			if line, err = br.ReadString('\n'); err != nil {
				panic(err)
			}
		}
		sock.Write(clientFrame(true, opText, []byte(req("1", "room.join", `["lobby"]`))))
		for range 2 { // the result, and that it is caught up
			head, err := br.Peek(4)
			if err != nil {
				panic(err)
			}
			if _, err := br.Discard(frameLen(head)); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println("ready")
	for _, sock := range socks {
		go drain(sock) // ends with the process
	}
	io.Copy(io.Discard, os.Stdin) // until the parent has measured
	runtime.KeepAlive(socks)
}

// BenchmarkIdleConnection opens connections from another process, each signed in and following a
// room, and reports what each costs while nothing happens.
func BenchmarkIdleConnection(b *testing.B) {
	const n = 4000
	x := realChat(b, nil)
	token := registerOverPost(b, x)
	owner := dialWire(b, x.addr, "Authorization: Bearer "+token)
	owner.call(req("1", "room.create", `["lobby"]`))
	settle := func() (rss int64, m runtime.MemStats) {
		time.Sleep(dozeAfter + 2*time.Second) // until all doze
		for range 4 {
			debug.FreeOSMemory() // each collection halves a stack that has become too big
		}
		runtime.ReadMemStats(&m)
		return residentBytes(b), m
	}
	beforeRSS, before := settle()
	goroutines := runtime.NumGoroutine()
	defer startIdleChild(b, x.addr, token, n)()
	rss, after := settle()
	per := func(bytes int64, unit string) { b.ReportMetric(float64(bytes)/n, unit) }
	per(rss-beforeRSS, "RSS-B/conn")
	per(int64(after.HeapAlloc)-int64(before.HeapAlloc), "heap-B/conn")
	per(int64(after.StackInuse)-int64(before.StackInuse), "stack-B/conn")
	per(int64(runtime.NumGoroutine()-goroutines), "goroutines/conn")
}

// startIdleChild gives what ends the child.
func startIdleChild(b *testing.B, addr, token string, n int) (end func()) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", idleChild, addr, token, n))
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatal(line, err)
	}
	return func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkDelivery publishes to followers in another process at a steady rate, and reports what
// this process spends for a delivery, the kernel's work included.
func BenchmarkDelivery(b *testing.B) {
	const followers = 1000
	x := realChat(b, nil)
	token := registerOverPost(b, x)
	owner := dialWire(b, x.addr, "Authorization: Bearer "+token)
	owner.call(req("1", "room.create", `["lobby"]`))
	defer startIdleChild(b, x.addr, token, followers)()
	x.srv.fan.mu.RLock()
	var room api.RoomID
	for room = range x.srv.fan.hubs {
	}
	x.srv.fan.mu.RUnlock()
	b.Run(fmt.Sprintf("bare writes, followers=%d/posts-per-second=20", followers), func(b *testing.B) {
		frame, sessions := appendEvent(nil, benchRecord), x.srv.all()
		cpu := processTime(b)
		tick := time.NewTicker(time.Second / 20)
		defer tick.Stop()
		for range 60 {
			<-tick.C
			for _, s := range sessions {
				if _, err := tryWrite(s.conn.fd, frame); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(processTime(b)-cpu)/float64(60*len(sessions)), "cpu-ns/delivery")
		b.ReportMetric(0, "ns/op")
	})
	for _, rate := range []int{20, 100, 1000} {
		b.Run(fmt.Sprintf("followers=%d/posts-per-second=%d", followers, rate), func(b *testing.B) {
			const seconds = 3
			cpu, delivered := processTime(b), x.srv.Stats().Events
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for i := range seconds * rate {
				<-tick.C
				x.srv.fan.Publish(room, api.Seq(1000+i), benchRecord)
			}
			time.Sleep(100 * time.Millisecond)
			delivered = x.srv.Stats().Events - delivered
			if want := int64(followers * seconds * rate); delivered != want || x.srv.Stats().SlowCloses > 0 {
				b.Errorf("%d delivered, want %d", delivered, want)
			}
			b.ReportMetric(float64(processTime(b)-cpu)/float64(delivered), "cpu-ns/delivery")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processTime is the time that this process has spent on processors.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func residentBytes(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc")
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

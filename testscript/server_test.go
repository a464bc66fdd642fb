package testscript

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// server is a chatd of a script. It keeps its port and its data over restarts.
type server struct {
	process *process
	args    []string
	addr    string // host:port, once it has listened
}

var listening = regexp.MustCompile(`listening on (?:\S+://)?([0-9.]+:[0-9]+)`)

// chatdStart: chatd-start [NAME [ARG…]] starts a server, and again the one that was killed, and waits
// until it is ready. NAME is chatd unless given; its data is in NAME-data and its log in NAME.log.
// CHATCTL_SERVER becomes its address.
func chatdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: chatd-start [NAME [ARG…]]")
	}
	name := "chatd"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	w := worldOf(ts)
	s := w.servers[name]
	if s == nil {
		s = &server{args: args}
		w.servers[name] = s
	}
	if s.process != nil {
		ts.Fatalf("%s is running", name)
	}
	listen := s.addr
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	log := name + ".log"
	before := fileSize(ts, log)
	s.process = startProcess(ts, log, log, append([]string{"chatd", "--listen", listen, "--data", name + "-data"}, s.args...)...)
	until(ts, "chatd says where it listens", func() bool {
		text := readFrom(ts, log, before)
		m := listening.FindStringSubmatch(text)
		if m == nil {
			select {
			case <-s.process.done:
				ts.Fatalf("%s ended: %v\n%s", name, s.process.err, text)
			default:
			}
			return false
		}
		s.addr = m[1]
		return true
	})
	url := "http://" + s.addr
	until(ts, "chatd is ready", func() bool { return isReady(url) })
	ts.Setenv("CHATCTL_SERVER", url)
	ts.Setenv("ADDR", s.addr)
}

func isReady(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// chatdKill: chatd-kill -9|-term [NAME] ends a server and waits for its end. After SIGTERM it has to exit with 0.
func chatdKill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: chatd-kill -9|-term [NAME]")
	}
	name := "chatd"
	if len(args) > 1 {
		name = args[1]
	}
	s := worldOf(ts).servers[name]
	if s == nil || s.process == nil {
		ts.Fatalf("%s is not running", name)
	}
	ts.Check(s.process.cmd.Process.Signal(signalNamed(ts, args[0])))
	code := s.process.wait(ts, name)
	s.process = nil
	if args[0] == "-term" && code != 0 {
		ts.Fatalf("%s ended with %d after SIGTERM\n%s", name, code, ts.ReadFile(name+".log"))
	}
}

// until polls for something that another process does. It is the only place where a script waits.
func until(ts *testscript.TestScript, what string, done func() bool) {
	deadline := time.Now().Add(patience)
	for wait := time.Millisecond; !done(); wait = min(2*wait, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %v in vain until %s", patience, what)
		}
		time.Sleep(wait)
	}
}

func fileSize(ts *testscript.TestScript, name string) int64 {
	info, err := os.Stat(ts.MkAbs(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// readFrom is a file's text behind the first n bytes; "" if there is none yet.
func readFrom(ts *testscript.TestScript, name string, n int64) string {
	raw, err := os.ReadFile(ts.MkAbs(name))
	if err != nil || int64(len(raw)) < n {
		return ""
	}
	return strings.ToValidUTF8(string(raw[n:]), "\ufffd")
}

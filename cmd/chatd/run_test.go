package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/cmd/chatd/config"
	"github.com/chatd-dev/chatd/store/memory"
)

// post calls one method by POST and returns the result or the error object.
func post(t *testing.T, url, token, method string, params any) (result, fault map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/rpc", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply struct{ Result, Error map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	return reply.Result, reply.Error
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestNothingConfigured(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	r := start(t, dir)
	url := r.url()
	if status, _ := get(t, url+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d", status)
	}
	info, _ := post(t, url, "", "server.info", nil)
	if auth := info["auth"].(map[string]any); auth["registration"] != "open" || info["durability"] != "full" {
		t.Errorf("got %v", info)
	}
	account, _ := post(t, url, "", "auth.register", map[string]any{"username": "groot", "password": "i am groot"})
	if user := account["user"].(map[string]any); user["admin"] != true {
		t.Errorf("the first account is no administrator's: %v", user)
	}
	r.stderr.wait(t, "registration  open: anyone may register, and the first is the administrator")
	r.stderr.wait(t, "next          chatctl --server "+url+" register NAME")
	if status := r.stop(); status != exitOK {
		t.Errorf("exit status %d\n%s", status, r.stderr)
	}
	info2, err := os.Stat(dir)
	if err != nil || info2.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", info2.Mode(), err)
	}
}

func TestWhatWasSaidOutlivesTheServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	r := start(t, dir)
	account, _ := post(t, r.url(), "", "auth.register", map[string]any{"username": "groot", "password": "i am groot"})
	token := account["token"].(string)
	post(t, r.url(), token, "room.create", map[string]any{"name": "lobby"})
	posted, fault := post(t, r.url(), token, "message.post", map[string]any{"room": "lobby", "text": "I am Groot."})
	if fault != nil {
		t.Fatal(fault)
	}
	if status := r.stop(); status != exitOK {
		t.Fatalf("exit status %d\n%s", status, r.stderr)
	}
	r = start(t, dir)
	page, fault := post(t, r.url(), token, "room.history", map[string]any{"room": "lobby", "after": posted["seq"].(float64) - 1})
	if fault != nil {
		t.Fatal(fault)
	}
	events := page["events"].([]any)
	if len(events) != 1 || events[0].(map[string]any)["data"].(map[string]any)["text"] != "I am Groot." {
		t.Errorf("got %v", page)
	}
	r.stderr.wait(t, "registration  open: anyone may register\n") // the administrator is there
	r.stop()
}

func TestSetupToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, setupFile)
	shown := regexp.MustCompile(`setup token   (setup_[A-Za-z0-9_-]{43})\n`)
	tokenOf := func(r *running) string {
		t.Helper()
		r.url()
		r.stderr.wait(t, "next  ")
		m := shown.FindStringSubmatch(r.stderr.String())
		if m == nil {
			t.Fatalf("no setup token in\n%s", r.stderr)
		}
		return m[1]
	}

	r := start(t, dir, "--registration", "invite")
	token := tokenOf(r)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("setup token file: %v, %v", info, err)
	}
	r.stderr.wait(t, "register NAME --invite-file "+file)
	r.stop()

	// Unused, it stays the same over restarts.
	r = start(t, dir, "--registration", "invite")
	if again := tokenOf(r); again != token {
		t.Errorf("another setup token after a restart: %s, then %s", token, again)
	}
	url := r.url()
	register := func(name string, invite any) (result, fault map[string]any) {
		params := map[string]any{"username": name, "password": "i am " + name}
		if invite != nil {
			params["invite"] = invite
		}
		return post(t, url, "", "auth.register", params)
	}
	for _, invite := range []any{nil, "setup_wrong", token + "x"} {
		if _, fault := register("thanos", invite); fault == nil || fault["code"] != float64(4030) {
			t.Errorf("invite %v: got %v", invite, fault)
		}
	}
	account, fault := register("groot", token)
	if fault != nil || account["user"].(map[string]any)["admin"] != true {
		t.Fatalf("got %v, %v", account, fault)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the setup token's file is still there after its use")
	}
	if _, fault := register("thanos", token); fault == nil {
		t.Error("the setup token worked twice")
	}
	invite, fault := post(t, url, account["token"].(string), "invite.create", nil)
	if fault != nil {
		t.Fatal(fault)
	}
	if _, fault := register("thanos", invite["invite"]); fault != nil {
		t.Errorf("invited: %v", fault)
	}
	r.stop()

	// With an account there is none, even if its file was put back.
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, "--registration", "invite")
	r.url()
	r.stderr.wait(t, "registration  invite\n")
	if strings.Contains(r.stderr.String(), "setup_") {
		t.Errorf("a setup token although there is an account:\n%s", r.stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the setup token's file is still there")
	}
}

func TestSetupTokenOfTheOperator(t *testing.T) {
	dir := t.TempDir()
	r := startWith(t, dir, []string{"CHATD_SETUP_TOKEN=my own setup token 1"}, "--registration", "closed")
	url := r.url()
	if _, fault := post(t, url, "", "auth.register", map[string]any{"username": "groot", "password": "i am groot", "invite": "my own setup token 1"}); fault != nil {
		t.Error(fault)
	}
	if _, fault := post(t, url, "", "auth.register", map[string]any{"username": "thanos", "password": "i am thanos"}); fault == nil {
		t.Error("registration is closed, and yet")
	}
	r.stop()
	if strings.Contains(r.stderr.String(), "my own") {
		t.Errorf("the operator's secret was printed:\n%s", r.stderr)
	}
}

func TestSetupTokenCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), setupFile)
	if err := os.WriteFile(path, []byte("setu"), 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := keepToken(path)
	if err != nil || len(token) != len("setup_")+43 {
		t.Errorf("got %q, %v", token, err)
	}
	if again, err := keepToken(path); err != nil || again != token {
		t.Errorf("got %q, %v", again, err)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	r := start(t, dir, "--listen", l.Addr().String())
	if status := r.ended(); status != exitError {
		t.Errorf("exit status %d", status)
	}
	want := "chatd: " + l.Addr().String() + " is in use, perhaps by another chatd; choose another address with --listen\n"
	if got := r.stderr.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a data directory was made for nothing")
	}
}

func TestSecondServerInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	r.url()
	second := start(t, dir)
	if status := second.ended(); status != exitError {
		t.Errorf("exit status %d", status)
	}
	want := fmt.Sprintf("chatd: open database %s: another chatd is using it (process %d)\n", filepath.Join(dir, "chatd.db"), os.Getpid())
	if got := second.stderr.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if status, _ := get(t, r.url()+"/readyz"); status != http.StatusOK {
		t.Errorf("the first one is disturbed: /readyz answers %d", status)
	}
}

func TestDataDirectoryIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, file)
	if status := r.ended(); status != exitError {
		t.Errorf("exit status %d", status)
	}
	if got := r.stderr.String(); !strings.HasPrefix(got, "chatd: open database ") || !strings.HasSuffix(got, ": not a directory\n") {
		t.Errorf("got %s", got)
	}
}

func TestJSONLogHoldsJSONOnly(t *testing.T) {
	r := start(t, t.TempDir(), "--log-format", "json", "--registration", "invite")
	r.url()
	r.stop()
	secret := regexp.MustCompile(`setup_[A-Za-z0-9_-]{43}`)
	for _, line := range strings.Split(strings.TrimSpace(r.stderr.String()), "\n") {
		if !json.Valid([]byte(line)) || secret.MatchString(line) {
			t.Errorf("got %s", line)
		}
	}
}

func TestMetrics(t *testing.T) {
	r := start(t, t.TempDir())
	url := r.url()
	post(t, url, "", "auth.register", map[string]any{"username": "groot", "password": "i am groot"})
	status, text := get(t, url+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, text)
	}
	for _, want := range []string{"\nchatd_build_info{", "\nchatd_posts_total 0\n", "\ngo_goroutines ", "\nprocess_open_fds "} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	off := startWith(t, t.TempDir(), []string{"CHATD_METRICS=off"})
	if status, _ := get(t, off.url()+"/metrics"); status != http.StatusNotFound {
		t.Errorf("metrics are off and answer %d", status)
	}
}

func TestHangupReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log:\n  level: info\n")
	r := start(t, t.TempDir(), "--config", path)
	r.url()

	write("log:\n  level: debug\nlimits:\n  max_batch: 3\n")
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, `problem="limits.max_batch cannot change while the server runs; restart it"`)
	if strings.Contains(r.stderr.String(), "reloaded") {
		t.Error("half of the configuration was taken")
	}
	write("log:\n  level: debug\nlimts:\n")
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, ":3: unknown key limts (did you mean limits?)")

	write("log:\n  level: debug\n")
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, "msg=reloaded log_level=DEBUG")
	if status := r.stop(); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}

func TestClosedTerminalEndsTheServer(t *testing.T) {
	var open atomic.Bool
	open.Store(true)
	signals := make(chan os.Signal, 1)
	out := newLines()
	p := &process{stdout: out, stderr: out, signals: signals, attended: open.Load}
	cfg := parse(t, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	ended := make(chan error, 1)
	go func() { ended <- p.run(t.Context(), cfg, func() (*config.Config, error) { return cfg, nil }) }() // ends with the second signal
	out.wait(t, "next  ")
	signals <- syscall.SIGHUP
	out.wait(t, "msg=reloaded")
	open.Store(false)
	signals <- syscall.SIGHUP
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSystemdIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	r := startWith(t, t.TempDir(), []string{"NOTIFY_SOCKET=" + path})
	said := func() string {
		buf := make([]byte, 100)
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := said(); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	r.stop()
	if got := said(); got != "STOPPING=1" {
		t.Errorf("got %q", got)
	}
}

func TestEndOfContextEndsTheServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := newLines()
	p := &process{stdout: out, stderr: out}
	cfg := parse(t, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, cfg, nil) }() // ends with ctx
	out.wait(t, "next  ")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSetupStoreKeepsTheFileOnFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), setupFile)
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &setupStore{Store: memory.New(), path: path}
	account := &chat.NewAccount{Account: chat.Account{ID: "user_1", Username: "groot"}, InviteHash: []byte("no such invitation")}
	if _, err := s.CreateAccount(t.Context(), account); !errors.Is(err, chat.ErrBadInvite) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the file went although no account was made")
	}
}

func TestConnectionsFitTheOpenFiles(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur != limit.Max {
		t.Errorf("%d files may be open, and %d if the limit were raised", limit.Cur, limit.Max)
	}
	logger := slog.New(slog.DiscardHandler)
	cfg := config.Default()
	for _, want := range []int64{0, 1, int64(limit.Cur) - spareFiles} {
		cfg.Limits.MaxConnections = want
		if got := maxConnections(cfg, logger); int64(got) != want {
			t.Errorf("want %d, got %d", want, got)
		}
	}
	cfg.Limits.MaxConnections = int64(limit.Cur)
	if got := maxConnections(cfg, logger); int64(got) != int64(limit.Cur)-spareFiles {
		t.Errorf("got %d of %d files", got, limit.Cur)
	}
}

// A call whose body never ends holds the drain up.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	url := r.url()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v", line, err)
	}
	r.signals <- syscall.SIGTERM
	r.stderr.wait(t, "going down")
	for status := 0; status != http.StatusServiceUnavailable; { // soon after the log says so
		status, _ = get(t, url+"/readyz")
	}
	r.signals <- syscall.SIGTERM
	if status := r.ended(); status != exitError {
		t.Errorf("exit status %d", status)
	}
	r.stderr.wait(t, "chatd: second signal (terminated): ended at once")
}

func TestDrainIsBounded(t *testing.T) {
	r := startWith(t, t.TempDir(), []string{"CHATD_DRAIN_TIMEOUT=50ms"})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v", line, err)
	}
	r.signals <- syscall.SIGTERM
	if status := r.ended(); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	r.stderr.wait(t, `msg="not everything was finished in time"`)
}

func TestGreeting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	r := start(t, dir, "--listen", "0.0.0.0:0", "--allow-plaintext")
	url := r.url()
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("listening on %s", url)
	}
	r.stderr.wait(t, url+" and all other addresses\n")
	r.stderr.wait(t, "registration  invite; the setup token makes the administrator, once")
	r.stderr.wait(t, ` register NAME --invite-file '`+strings.ReplaceAll(filepath.Join(dir, setupFile), "'", `'\''`)+"'\n")
}

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is what one run of chatctl leaves behind.
type result struct {
	out, talk string
	code      int
}

// ctl runs chatctl without a terminal, with the environment env and a configuration folder of its own.
func ctl(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	if env["XDG_CONFIG_HOME"] == "" {
		with := map[string]string{"XDG_CONFIG_HOME": t.TempDir()}
		for k, v := range env {
			with[k] = v
		}
		env = with
	}
	var out, talk bytes.Buffer
	code := run(t.Context(), args, &cli{
		in: strings.NewReader(""), out: newPrinter(&out), talk: newPrinter(&talk),
		getenv: func(key string) string { return env[key] },
	})
	return result{out.String(), talk.String(), code}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string // a part of the one line
	}{
		{[]string{"sned"}, `no command "sned"; try: chatctl send`},
		{[]string{"room", "lss"}, `no command "lss"; try: chatctl room ls`},
		{[]string{"audit", "list"}, `no command "list"; try: chatctl audit ls`},
		{[]string{"search", "-deploy"}, "-deploy; try: chatctl search -- QUERY, if it begins with a minus"},
		{[]string{"permission", "explain", "member.ban", "[]"}, "no JSON object"},
		{[]string{"permission", "explain", "message.delete", "--seq", "x"}, `"x" is no number of a message`},
		{[]string{"account", "delete", "groot", "--export", ""}, "--export: FILE is empty"},
		{[]string{"help", "sned"}, `no command "sned"; try: chatctl send`},
		{[]string{"help", "room", "lss"}, `chatctl room has no command "lss"; try: chatctl room ls`},
		{[]string{"zzzzzz"}, `no command "zzzzzz"; try: chatctl --help`},
		{[]string{"send"}, "ROOM is missing; try: chatctl send ROOM"},
		{[]string{"send", "lobby", "a", "b"}, `"b" is one argument too many`},
		{[]string{"send", "lobby", ""}, "TEXT is empty: nothing to send"},
		{[]string{"send", "--nosuch"}, "unknown flag: --nosuch; try: chatctl send --help"},
		{[]string{"send", "lobby", "hi", "--lines"}, "TEXT excludes --lines"},
		{[]string{"send", "lobby", "hi", "--data", "{"}, "--data is no JSON"},
		{[]string{"history", "lobby", "--after", "1", "--before", "2"}, "--before and --after exclude each other"},
		{[]string{"history", "lobby", "--all", "--limit", "2"}, "exclude each other"},
		{[]string{"history", "lobby", "--limit", "0"}, "must be 1 or more"},
		{[]string{"history", "lobby", "--around", "5", "--limit", "201"}, "at most 200"},
		{[]string{"tail", "lobby", "--since", "-1"}, "0 or more"},
		{[]string{"ping", "--color", "blue"}, `"blue": auto, always or never`},
		{[]string{"ping", "--timeout", "-1s"}, "must not be negative"},
		{[]string{"-s", "http://groot:secret@example.org", "ping"}, "tokens and passwords go into Options"},
		{[]string{"-s", "ftp://example.org", "ping"}, "ftp"},
		{[]string{"history", "lobby", "--limit", "few"}, `--limit "few": must be a whole number; try: chatctl history --help`},
		{[]string{"member", "ban", "lobby", "thanos", "--for", "soon"}, `--for "soon": want a duration such as 90d, 12h or 30s; try: chatctl member ban --help`},
		{[]string{"member", "ban", "lobby", "thanos", "--for", "0s"}, `--for "0s": must be more than nothing`},
		{[]string{"ping", "--timeout", "30"}, `--timeout "30": want a duration such as 90d, 12h or 30s`},
		{[]string{"room", "update", "news", "--read-only=perhaps"}, `--read-only "perhaps": must be true or false`},
		{[]string{"room", "update", "news"}, "nothing to change; try: chatctl room update --help"},
		{[]string{"call"}, "METHOD is missing"},
		{[]string{"call", "room.get", "{"}, "no JSON"},
		{[]string{"call", "auth.login", `{"username":"groot","password":"i am groot"}`}, "hold a secret"},
		{[]string{"login"}, "USERNAME is missing"},
		{[]string{"login", "groot"}, "--password-file FILE or --password-stdin"},
		{[]string{"login", "groot", "--password-stdin"}, "stdin is empty"},
		{[]string{"login", "groot", "--password-file", "/nonexistent"}, "no such file"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := ctl(t, nil, tc.args...)
			if r.code != int(exitUsage) || r.out != "" || strings.Count(r.talk, "\n") != 1 || !strings.Contains(r.talk, tc.want) {
				t.Errorf("code %d, stdout %q, stderr %q; want 2, nothing, one line with %q", r.code, r.out, r.talk, tc.want)
			}
			if strings.Contains(r.talk, "secret@") || strings.Contains(r.talk, "i am groot") {
				t.Errorf("a secret is repeated: %q", r.talk)
			}
		})
	}
}

func TestNotSignedIn(t *testing.T) {
	r := ctl(t, nil, "whoami")
	if r.code != int(exitSignedOut) || !strings.Contains(r.talk, "try: chatctl login") {
		t.Errorf("%+v", r)
	}
	r = ctl(t, map[string]string{"CHATCTL_PROFILE": "work"}, "whoami")
	if r.code != int(exitSignedOut) || !strings.Contains(r.talk, "chatctl --profile work login work") {
		t.Errorf("%+v", r)
	}
}

func TestServerIsNotThere(t *testing.T) {
	r := ctl(t, nil, "-s", "127.0.0.1:1", "ping")
	if r.code != int(exitUnavailable) || r.talk != "chatctl: cannot reach http://127.0.0.1:1: connection refused\n" {
		t.Errorf("%+v", r)
	}
	r = ctl(t, nil, "-s", "127.0.0.1:1", "version", "--json")
	if r.code != 0 || !strings.Contains(r.out, `"server":null`) {
		t.Errorf("%+v", r)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want exitCode
	}{
		{nil, exitOK},
		{errors.New("x"), exitError},
		{&badInput{3, "contains a NUL character"}, exitError},
		{&signedOutError{"x"}, exitSignedOut},
		{context.DeadlineExceeded, exitUnavailable},
		{&chatclient.ConnectionError{Err: errors.New("x")}, exitUnavailable},
		{&chatclient.ConnectionError{Err: context.DeadlineExceeded}, exitUnavailable},
		{&chatclient.SessionError{Err: api.ErrTokenExpired}, exitSignedOut},
		{&partialError{3, aboutRoom("lobby", api.ErrPermissionDenied)}, exitForbidden},
		{fmt.Errorf("x: %w", errInterrupted), exitInterrupted},
		{api.ErrRateLimited, exitRateLimited},
		{api.Errorf(4999, "a code of tomorrow"), exitError},
	} {
		if got := exitOf(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}

// Every error of the contract has its place in the table, once.
func TestExitTableIsWhole(t *testing.T) {
	seen := map[api.Code]bool{}
	for _, row := range exitTable {
		for _, code := range row.codes {
			if seen[code] {
				t.Errorf("%v stands twice", code.Reason())
			}
			seen[code] = true
		}
	}
	for code := api.Code(-33000); code < 6000; code++ {
		if code.Reason() != "" && !seen[code] {
			t.Errorf("%d %s has no exit code", code, code.Reason())
		}
	}
}

func TestComplain(t *testing.T) {
	retry := api.Errorf(api.CodeRateLimited, "").WithRetryAfter(2500 * time.Millisecond)
	for _, tc := range []struct {
		err  error
		want string
	}{
		{aboutRoom("lobbby", api.Errorf(api.CodeNotFound, "no such room").WithField("room")), `chatctl: room "lobbby": not found; try: chatctl room ls`},
		{aboutRoom("", api.Errorf(api.CodePermissionDenied, "for administrators only")), `chatctl: for administrators only`},
		{aboutRoom("ops", api.Errorf(api.CodePermissionDenied, "only owners may").WithField("room")), `chatctl: room "ops": only owners may`},
		{aboutRoom("ops", api.Errorf(api.CodePermissionDenied, "not a member of ops: join it first").WithField("room")), `chatctl: room "ops": you are not a member; try: chatctl room join ops`},
		{aboutRoom("ops", api.Errorf(api.CodeNotFound, "no such message").WithField("reply_to")), `chatctl: room "ops": reply_to: no such message`},
		{api.ErrUnauthenticated, "chatctl: sign in first; try: chatctl login"},
		{&chatclient.SessionError{Code: api.CloseCodeRevoked, Err: api.ErrUnauthenticated}, "chatctl: this login was ended: it was revoked, or the account is suspended or deleted; try: chatctl login"},
		{&chatclient.SessionError{Code: api.CloseCodeExpired, Err: api.ErrTokenExpired}, "chatctl: this login has expired; try: chatctl login"},
		{retry, "chatctl: too many requests; wait 3s"},
		{api.Errorf(api.CodeInvalidParams, "must match the pattern").WithField("name"), "chatctl: name: must match the pattern"},
		{context.DeadlineExceeded, "chatctl: no answer in time"},
		{&partialError{1200, aboutRoom("ops", api.ErrTooLarge)}, `chatctl: room "ops": too large; posted until then: 1,200 lines`},
		{&partialError{0, aboutRoom("ops", context.DeadlineExceeded)}, `chatctl: room "ops": no answer in time; no line is acknowledged`},
		{&partialError{2, aboutRoom("ops", context.DeadlineExceeded)}, `chatctl: room "ops": no answer in time; acknowledged until then: 2 lines`},
		{&partialError{1, &badInput{2, "contains a NUL character"}}, "chatctl: line 2 contains a NUL character; posted until then: 1 line"},
		{errors.New("a\nb\x1b[31mc"), "chatctl: a bc"},
		{api.Errorf(api.CodeNotFound, "\x1b]0;x\a\u202ehi"), "chatctl: ⟨RLO⟩hi"},
	} {
		if got := complain(tc.err); got != tc.want+"\n" {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestServerURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "http://127.0.0.1:8080",
		"127.0.0.1:9000":              "http://127.0.0.1:9000",
		"localhost:9000":              "http://localhost:9000",
		"[::1]:9000":                  "http://[::1]:9000",
		"chat.example.org":            "https://chat.example.org",
		"Chat.Example.org:8443":       "https://chat.example.org:8443",
		"http://chat.example.org/":    "http://chat.example.org",
		"ws://127.0.0.1:8080/rpc":     "http://127.0.0.1:8080",
		"wss://example.org/chat/rpc/": "https://example.org/chat",
	} {
		if got, err := serverURL(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

// The commands' help, as docs/CLI.md has it.
func TestReference(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "CLI.md"), reference(newRoot(&cli{})))
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the commands say; run: go test ./cmd/chatctl -update", path)
	}
}

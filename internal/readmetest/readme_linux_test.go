package readmetest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const readme = "../../README.md"

// secrets are typed when a program asks for one.
var secrets = map[string]string{"groot": "i am groot", "thanos": "i am inevitable"}

func TestReadme(t *testing.T) {
	s := newStage(t)
	for _, b := range readBlocks(t, readme) {
		s.line = b.line
		if b.kind == "console" {
			s.play(b)
			continue
		}
		text := strings.ReplaceAll(strings.Join(b.lines, "\n")+"\n", "127.0.0.1:8080", s.addr)
		if err := os.WriteFile(filepath.Join(s.dir, b.name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.line = 0
	server := s.terminals["server"]
	server.typeText("\x03")
	s.expect(server, regexp.MustCompile(`msg=ended\n`), "the server's end after Ctrl-C")
}

// stage is where the README is played: a directory, an address that is free, the programs.
type stage struct {
	t         *testing.T
	dir       string
	addr      string
	env       []string
	terminals map[string]*terminal
	line      int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"bash", "curl", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the README's examples need %s: %v", program, err)
		}
	}
	s := &stage{t: t, dir: t.TempDir(), terminals: map[string]*terminal{}}
	bin := filepath.Join(s.dir, "bin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	l.Close()
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN", "GOROOT"} {
		if value := goEnv(t, name); value != "" {
			s.env = append(s.env, name+"="+value)
		}
	}
	// ci/install.sh makes a Python that has the websockets package; without it the system's has to have it.
	venv := filepath.Join(root, ".tools", "venv", "bin")
	s.env = append(s.env, "REPO="+root, "HOME="+s.dir, "PATH="+strings.Join([]string{bin, venv, os.Getenv("PATH")}, string(filepath.ListSeparator)),
		"CHATCTL_SERVER=http://"+s.addr, "CHATD_LISTEN="+s.addr, "CHATD_DATA_DIR=./chatd-data")
	check := exec.CommandContext(t.Context(), "bash", "-c", "python3 -c 'import websockets'")
	check.Env = append(check.Env, s.env...)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("the README's Python example needs the package websockets; ci/test.sh installs it, or: ci/install.sh tests\n%s", out)
	}
	return s
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// stand-ins for what the README has to say to somebody who stands in the repository.
var standIns = strings.NewReplacer("go run ./cmd/chatd", "chatd", "go build -o bin/ ./cmd/...", "true", "PATH=$PWD/bin:$PATH", "true", "go run ./hello.go", `go run -C "$REPO" "$PWD/hello.go"`)

var (
	asksSecret = regexp.MustCompile(`(Password|Again|password).*:$`)
	ready      = regexp.MustCompile(regexp.QuoteMeta(prompt) + `$`)
)

// play types a block into its terminal and waits for what it shows.
func (s *stage) play(b block) {
	s.t.Helper()
	tm := s.terminals[b.name]
	if tm == nil {
		tm = openTerminal(s.t, b.name, s.dir, s.env)
		s.terminals[b.name] = tm
	}
	for i, line := range b.lines {
		s.line = b.line + 1 + i
		command, isCommand := strings.CutPrefix(line, "$ ")
		input, isInput := strings.CutPrefix(line, "> ")
		switch {
		case line == "^C":
			tm.typeText("\x03")
		case isCommand:
			s.expect(tm, ready, "the shell's prompt before: "+line)
			tm.typeText(strings.ReplaceAll(standIns.Replace(command), "127.0.0.1:8080", s.addr) + "\n")
			s.expect(tm, regexp.MustCompile(`\n`), "the echo of: "+line)
		case isInput:
			tm.typeText(input + "\n")
		case strings.TrimSpace(line) == "":
		default:
			s.expect(tm, s.pattern(line), line)
			if asksSecret.MatchString(line) {
				tm.typeText(secrets[b.name] + "\n")
			}
		}
	}
}

func (s *stage) expect(tm *terminal, re *regexp.Regexp, what string) {
	s.t.Helper()
	if shown, ok := tm.expect(re); !ok {
		s.t.Fatalf("README.md:%d: terminal %s never shows\n%s\nit shows\n%s", s.line, tm.name, what, shown)
	}
}

// pattern is that of the package, with the stage's address for the README's.
func (s *stage) pattern(line string) *regexp.Regexp {
	shown := pattern(line).String()
	shown = strings.ReplaceAll(shown, regexp.QuoteMeta("127.0.0.1:8080"), regexp.QuoteMeta(s.addr))
	shown = strings.ReplaceAll(shown, "chatctl +register", "chatctl(?: --server \\S+)? +register")
	return regexp.MustCompile(shown)
}

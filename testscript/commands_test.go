package testscript

import (
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits: exits CODE PROGRAM [ARG…] runs a program that has to end with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// waitForLine: wait-for-line FILE REGEXP [N] waits until N lines of a growing file match, 1 unless given.
func waitForLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: wait-for-line FILE REGEXP [N]")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	n := 1
	if len(args) == 3 {
		n, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	until(ts, args[0]+" has "+strconv.Itoa(n)+" × "+args[1]+"\n"+tailOf(ts, args[0]), func() bool {
		return len(re.FindAllStringIndex(readFrom(ts, args[0], 0), n)) >= n
	})
}

// tailOf is the end of a file, for the message of a failure.
func tailOf(ts *testscript.TestScript, name string) string {
	text := readFrom(ts, name, 0)
	return text[max(0, len(text)-2000):]
}

// sameBytes: same-bytes FILE FILE.
func sameBytes(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] same-bytes FILE FILE")
	}
	a, b := []byte(ts.ReadFile(args[0])), []byte(ts.ReadFile(args[1]))
	same := bytes.Equal(a, b)
	switch {
	case same && neg:
		ts.Fatalf("%s and %s are the same", args[0], args[1])
	case same || neg:
		return
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	line := 1 + bytes.Count(a[:i], []byte("\n"))
	ts.Fatalf("%s (%d bytes) and %s (%d bytes) differ at byte %d, line %d: %.200q and %.200q", args[0], len(a), args[1], len(b), i, line, a[i:], b[i:])
}

// record is what scripts look at in an event record.
type record struct {
	Seq  int64  `json:"seq"`
	Type string `json:"type"`
	Data struct {
		Text string `json:"text"`
	} `json:"data"`
}

func records(ts *testscript.TestScript, file string) []record {
	raw, err := os.ReadFile(ts.MkAbs(file))
	ts.Check(err)
	var all []record
	for line := range bytes.Lines(raw) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			ts.Fatalf("%s: line %d is no event record: %v: %.200q", file, len(all)+1, err, line)
		}
		all = append(all, r)
	}
	return all
}

// texts: texts FILE OUT writes the text of each message among FILE's event records as a line of OUT.
func texts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: texts FILE OUT")
	}
	var b strings.Builder
	for _, r := range records(ts, args[0]) {
		if r.Type == "message.posted" {
			b.WriteString(r.Data.Text + "\n")
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

// dense: dense FILE FROM TO checks that FILE's event records are numbered FROM, FROM+1 … TO; TO may be -, for any.
func dense(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: dense FILE FROM TO")
	}
	next, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	for i, r := range records(ts, args[0]) {
		if r.Seq != next {
			ts.Fatalf("%s: record %d has seq %d, want %d", args[0], i+1, r.Seq, next)
		}
		next++
	}
	if args[2] != "-" && args[2] != strconv.FormatInt(next-1, 10) {
		ts.Fatalf("%s ends at %d, want %s", args[0], next-1, args[2])
	}
}

// realText: real-text FILE writes the text of testdata: 20,000 lines in many scripts, and edge cases.
func realText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: real-text FILE")
	}
	f, err := os.Open(filepath.Join("testdata", "declaration.txt.bz2"))
	ts.Check(err)
	defer f.Close()
	declaration, err := io.ReadAll(bzip2.NewReader(f))
	ts.Check(err)
	edges, err := os.ReadFile(filepath.Join("testdata", "edges.txt"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(declaration, edges...), 0o600))
}

// noArgv: no-argv NAME TEXT fails if TEXT stands in the command line of a background program.
func noArgv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: no-argv NAME TEXT")
	}
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(processNamed(ts, args[0]).cmd.Process.Pid) + "/cmdline")
	if errors.Is(err, os.ErrNotExist) {
		return // not this kind of system
	}
	ts.Check(err)
	if bytes.Contains(raw, []byte(args[1])) {
		ts.Fatalf("%s has it in its command line: %q", args[0], raw)
	}
}

// fileMode: mode OCTAL FILE… checks permissions.
func fileMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode OCTAL FILE…")
	}
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := "0" + strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}

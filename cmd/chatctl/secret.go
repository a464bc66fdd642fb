package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// maxSecretBytes bounds what is read as a password, token or invitation.
const maxSecretBytes = 4096

// ask is the terminal that questions are put to. It is /dev/tty where that opens, so that a
// redirected stderr hides no question, and stderr elsewhere.
type ask struct {
	in  *os.File
	out io.Writer
}

// terminal returns where to ask, or nil if stdin is no terminal: then nothing is ever asked.
func (c *cli) terminal() *ask {
	in, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		return &ask{in, tty} // lives as long as the process
	}
	return &ask{in, os.Stderr}
}

// secret asks without echo.
func (a *ask) secret(question string) (string, error) {
	fmt.Fprint(a.out, question)
	answer, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.out)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return string(answer), nil
}

// line asks with echo. It reads byte by byte, to leave what follows to the next question.
func (a *ask) line(question string) (string, error) {
	fmt.Fprint(a.out, question)
	var b strings.Builder
	for buf := make([]byte, 1); ; {
		n, err := a.in.Read(buf)
		if n == 1 && buf[0] == '\n' {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading the answer: %w", err)
		}
		b.Write(buf[:n])
	}
	return strings.TrimSpace(b.String()), nil
}

// passwordFlags say where a password comes from; never from the command line.
type passwordFlags struct {
	file  string
	stdin bool
}

// password finds the password: file, stdin, or the terminal, where it is asked for twice if it is new.
func (c *cli) password(f *passwordFlags, isNew bool) (string, error) {
	switch {
	case f.file != "" && f.stdin:
		return "", usagef("", "--password-file and --password-stdin exclude each other")
	case f.file != "":
		return c.secretFrom(f.file)
	case f.stdin:
		return readSecret(c.in, "stdin")
	}
	t := c.terminal()
	if t == nil {
		return "", usagef("--password-file FILE or --password-stdin", "stdin is no terminal to ask for a password on")
	}
	password, err := t.secret("Password: ")
	if err != nil || !isNew {
		return password, err
	}
	again, err := t.secret("Again: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", usagef("", "the two passwords differ")
	}
	return password, nil
}

// secretFrom reads a secret from a file that the user names, and warns if others can read it too.
func (c *cli) secretFrom(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", usagef("", "%v", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if wide := tooWide(info); wide != "" {
			c.note("%s %s", path, wide)
		}
	}
	return readSecret(f, path)
}

// readSecret reads the first line; the rest, if any, is refused rather than ignored.
func readSecret(r io.Reader, name string) (string, error) {
	raw, err := io.ReadAll(bufio.NewReader(io.LimitReader(r, maxSecretBytes+1)))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case s == "":
		return "", usagef("", "%s is empty", name)
	case len(raw) > maxSecretBytes || strings.ContainsAny(s, "\r\n"):
		return "", usagef("", "%s holds more than one line", name)
	}
	return s, nil
}

// tooWide says that others than the owner may read the file; "" if not.
func tooWide(info fs.FileInfo) string {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Sprintf("can be read by others (mode %04o)", mode)
	}
	return ""
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"
)

// maxSecretBytes bounds what is read as a password, token or invitation.
const maxSecretBytes = 4096

// echoPatience is how long a question waits for the echo to be off, if it is not off already.
const echoPatience = 200 * time.Millisecond

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

// secret asks without echo. The question comes when the echo is off: who types at once would be shown what they type.
func (a *ask) secret(ctx context.Context, question string) (string, error) {
	fd := int(a.in.Fd())
	echoing, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	asked := make(chan struct{})
	go func() { // ends within echoPatience
		defer close(asked)
		for begin := time.Now(); time.Since(begin) < echoPatience; time.Sleep(time.Millisecond) {
			if now, err := term.GetState(fd); err != nil || *now != *echoing {
				break
			}
		}
		fmt.Fprint(a.out, question)
	}()
	answer, err := untilDone(ctx, func() (string, error) {
		raw, err := term.ReadPassword(fd)
		return string(raw), err
	})
	if ctx.Err() != nil {
		_ = term.Restore(fd, echoing) // nothing more can be done about it
	}
	<-asked
	fmt.Fprintln(a.out)
	return answer, err
}

// line asks with echo. It reads byte by byte, to leave what follows to the next question.
func (a *ask) line(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.out, question)
	return untilDone(ctx, func() (string, error) {
		var b strings.Builder
		for buf := make([]byte, 1); ; {
			n, err := a.in.Read(buf)
			if n == 1 && buf[0] == '\n' {
				return strings.TrimSpace(b.String()), nil
			}
			if err != nil {
				return "", err
			}
			b.Write(buf[:n])
		}
	})
}

// untilDone waits for read, but no longer than ctx. A read cannot be cut short: its goroutine ends
// with it, or with the process.
func untilDone[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1) // one answer, which nobody may want any more
	go func() {
		value, err := read()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// input is stdin, for reading until ctx ends.
func (c *cli) input(ctx context.Context) io.Reader { return &patientReader{ctx: ctx, r: c.in} }

// patientReader is a reader that Ctrl-C can interrupt.
type patientReader struct {
	ctx context.Context
	r   io.Reader
	buf [64 << 10]byte
	got []byte // read and not yet returned; a part of buf
}

func (p *patientReader) Read(dst []byte) (int, error) {
	if len(p.got) == 0 {
		n, err := untilDone(p.ctx, func() (int, error) { return p.r.Read(p.buf[:]) })
		if n == 0 {
			return 0, err
		}
		p.got = p.buf[:n] // an error comes again with the next read
	}
	n := copy(dst, p.got)
	p.got = p.got[n:]
	return n, nil
}

// passwordFlags say where a password comes from; never from the command line.
type passwordFlags struct {
	file  string
	stdin bool
}

// password finds the password: file, stdin, or the terminal, where it is asked for twice if it is new.
func (c *cli) password(ctx context.Context, f *passwordFlags, isNew bool) (string, error) {
	switch {
	case f.file != "" && f.stdin:
		return "", usagef("", "--password-file and --password-stdin exclude each other")
	case f.file != "":
		return c.secretFrom(f.file)
	case f.stdin:
		return readSecret(c.input(ctx), "stdin")
	}
	t := c.terminal()
	if t == nil {
		return "", usagef("--password-file FILE or --password-stdin", "stdin is no terminal to ask for a password on")
	}
	password, err := t.secret(ctx, "Password: ")
	if err != nil || !isNew {
		return password, err
	}
	again, err := t.secret(ctx, "Again: ")
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

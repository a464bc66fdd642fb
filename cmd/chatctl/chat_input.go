package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/term"
)

// chatInput is where the lines of a conversation come from.
type chatInput struct {
	lines  chan string // unbuffered; closed at the end of the input
	err    error       // set before lines is closed: why it ended, nil for an ordinary end
	echoes bool        // what is typed shows on the screen
	keys   *keys       // tells when somebody types; nil: only whole lines are seen
	status func(string)
	close  func() // puts the terminal back as it was
}

// openInput reads from a terminal with line editing where there is one, and plain lines elsewhere.
// Its goroutine cannot be stopped in the middle of a read: it ends with the input, with ctx when a
// line is read, or with the process.
func (h *chat) openInput(ctx context.Context) (*chatInput, error) {
	t := h.terminal()
	in := &chatInput{lines: make(chan string), echoes: t != nil, status: func(string) {}, close: func() {}}
	next := plainLines(newLineReader(h.in, int(h.client.Server().Limits.MaxTextBytes)))
	if t != nil && h.out.tty && !h.json && h.getenv("TERM") != "dumb" {
		editor, err := h.openEditor(t.in)
		if err != nil {
			return nil, err
		}
		next, in.close = editor.next, editor.close
		in.keys, in.status = editor.keys, editor.status
	}
	go func() {
		defer close(in.lines)
		for {
			line, err := next()
			if err != nil {
				in.err = err
				if errors.Is(err, io.EOF) {
					in.err = nil
				}
				return
			}
			select {
			case in.lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return in, nil
}

// plainLines reads lines as they are.
func plainLines(r *lineReader) func() (string, error) {
	return func() (string, error) {
		line, err := r.raw()
		return string(line), err
	}
}

// editor is a line editor on a terminal in raw mode, above which the conversation scrolls: both
// printers write through it, so that it can lift the line being typed out of their way.
type editor struct {
	in    *os.File
	term  *term.Terminal
	keys  *keys
	state *term.State
	c     *cli
	once  sync.Once

	width, height int // owned by next
}

func (h *chat) openEditor(in *os.File) (*editor, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	k := &keys{r: in, typed: make(chan struct{}, 1)}
	e := &editor{in: in, keys: k, state: state, c: h.cli}
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, os.Stdout}, prompt)
	e.fit()
	h.out.redirect(e.term)
	h.talk.redirect(e.term)
	return e, nil
}

// next returns the next line; Ctrl-D ends the input, Ctrl-C the program.
func (e *editor) next() (string, error) {
	e.fit()
	line, err := e.term.ReadLine()
	if errors.Is(err, io.EOF) && e.keys.interrupted.Load() {
		return "", errInterrupted
	}
	return line, err
}

const prompt = "> "

// status shows what goes on in front of the line, which it draws anew.
func (e *editor) status(what string) {
	if what != "" {
		what = "(" + what + ") "
	}
	e.term.SetPrompt(what + prompt)
	_, _ = e.term.Write(nil) // an error of the terminal shows at the next line
}

// fit tells the editor how wide the terminal is now. Once a line is often enough.
func (e *editor) fit() {
	if w, h, err := term.GetSize(int(e.in.Fd())); err == nil && (w != e.width || h != e.height) && w > 0 {
		e.width, e.height = w, h
		_ = e.term.SetSize(w, h) // an error of the terminal shows at the next write
	}
}

func (e *editor) close() {
	e.once.Do(func() {
		e.c.out.redirect(os.Stdout)
		e.c.talk.redirect(os.Stderr)
		_ = term.Restore(int(e.in.Fd()), e.state) // nothing more can be done about it
		_, _ = os.Stdout.WriteString("\r\x1b[K")  // the prompt goes
	})
}

// keys passes on what is typed and notices Ctrl-C, which the editor does not tell from Ctrl-D, and that something is being
// written that is to be said.
type keys struct {
	r           io.Reader
	interrupted atomic.Bool
	typed       chan struct{} // 1 deep: a key of a line that has not ended
	lines       atomic.Int64  // that have ended

	// Owned by Read.

	begun   bool // the line has something in it
	command bool // which begins with a slash
}

func (k *keys) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if bytes.IndexByte(p[:n], 3) >= 0 {
		k.interrupted.Store(true)
	}
	for _, b := range p[:n] {
		switch {
		case b == '\r' || b == '\n':
			k.lines.Add(1)
			k.begun = false
		case b >= ' ' && !k.begun:
			k.begun, k.command = true, b == '/'
		}
	}
	if k.begun && !k.command {
		select {
		case k.typed <- struct{}{}:
		default:
		}
	}
	return n, err
}

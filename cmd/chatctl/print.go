package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"reflect"
	"sync"

	"golang.org/x/term"

	"github.com/chatd-dev/chatd/internal/termsafe"
)

// printer writes to a stream for people or programs. All its methods but raw make what they print
// harmless to a terminal. It is safe for concurrent use.
type printer struct {
	tty   bool // static after construction
	color bool // static after the flags are read

	mu sync.Mutex
	w  *bufio.Writer // guarded by mu
}

func newPrinter(w io.Writer) *printer {
	f, ok := w.(*os.File)
	return &printer{tty: ok && term.IsTerminal(int(f.Fd())), w: bufio.NewWriterSize(w, 32<<10)}
}

// ours is text of our own making, escape sequences included; it is printed as it stands.
type ours string

// printf prints like fmt.Printf, but strings, errors and Stringers among args are made harmless and
// kept on one line. Numbers and ours pass.
func (p *printer) printf(format string, args ...any) {
	for i, a := range args {
		switch v := a.(type) {
		case ours:
		case string:
			args[i] = termsafe.Line(v)
		case error:
			args[i] = termsafe.Line(v.Error())
		case fmt.Stringer:
			args[i] = termsafe.Line(v.String())
		default:
			switch reflect.ValueOf(a).Kind() {
			case reflect.Bool, reflect.Int, reflect.Int64:
			default:
				args[i] = termsafe.Line(fmt.Sprint(v))
			}
		}
	}
	p.raw(fmt.Sprintf(format, args...))
}

// raw prints s, which must be harmless.
func (p *printer) raw(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.w.WriteString(s) // the error stays in the writer; Flush returns it
}

// Write is for cobra's own output: help, and the scripts of completion.
func (p *printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Write(b)
}

// Flush hands on what has been printed.
func (p *printer) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Flush()
}

// redirect hands on what has been printed, and writes to w from now on.
func (p *printer) redirect(w io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.w.Flush() // an error would come again with the next write
	p.w.Reset(w)
}

// document prints one JSON document: on a terminal indented and with every control escaped,
// elsewhere its exact bytes; a newline ends it.
func (p *printer) document(doc []byte) {
	if p.tty {
		var indented []byte
		if v, err := indentJSON(doc); err == nil {
			indented = v
		} else {
			indented = doc
		}
		doc = termsafe.AppendJSON(nil, indented)
	}
	p.line(doc)
}

// record prints one line of JSON Lines: like document, but never indented.
func (p *printer) record(doc []byte) {
	if p.tty {
		doc = termsafe.AppendJSON(nil, doc)
	}
	p.line(doc)
}

func (p *printer) line(doc []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.w.Write(doc) // the error stays in the writer; Flush returns it
	_ = p.w.WriteByte('\n')
}

func indentJSON(doc []byte) ([]byte, error) {
	var v json.RawMessage = doc
	return json.MarshalIndent(v, "", "  ")
}

// dim is s in a quiet colour, if the stream is coloured.
func (p *printer) dim(s string) ours { return p.paint("2", s) }

// nick is a username in a colour of its own, the same one everywhere. It is never told apart by
// the colour alone.
func (p *printer) nick(name string) ours {
	colors := [...]string{"31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "95", "96"}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return p.paint("1;"+colors[h.Sum32()%uint32(len(colors))], name)
}

func (p *printer) paint(sgr, s string) ours {
	s = termsafe.Line(s)
	if !p.color || s == "" {
		return ours(s)
	}
	return ours("\x1b[" + sgr + "m" + s + "\x1b[0m")
}

package rpcserver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write down what the server says now in testdata/conversations")

// TestConversations plays the conversations in testdata/conversations, in fake time.
//
//	# prose
//	>> ada {"jsonrpc":…}     ada sends; her connection is made when she is first named
//	<< bob {"jsonrpc":…}     bob receives
//	>> ada connect Name: v   ada connects, with that header, also anew
//	>> ada drop              ada's connection breaks
//	>> clock 5s              time passes
//
// After each step the server is let come to rest. Ids, tokens and the like are $names in the order
// of their first appearance. A file "options" may say: registration closed, presence_grace 5s.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			talk := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "talk" })
			before := string(archive.Files[talk].Data)
			after := play(t, archive, before)
			if *update {
				archive.Files[talk].Data = []byte(after)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")); diff != "" {
				t.Errorf("run with -update if this is right (-file +server):\n%s", diff)
			}
		})
	}
}

// play plays a conversation and gives it as it went.
func play(t *testing.T, archive *txtar.Archive, script string) (transcript string) {
	configure := func(co *chat.Options, so *Options, _ *FanoutOptions) {
		for _, f := range archive.Files {
			if f.Name != "options" {
				continue
			}
			for line := range strings.Lines(string(f.Data)) {
				setOption(t, co, so, strings.Fields(line))
			}
		}
	}
	bubbleChat(t, configure, func(t *testing.T, x *chatFixture) {
		p := &player{t: t, x: x, clients: map[string]*chatClient{}, names: map[string]string{}, values: map[string]string{}}
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "<< ") {
				continue
			}
			p.out.WriteString(line + "\n")
			if step, ok := strings.CutPrefix(line, ">> "); ok {
				p.step(step)
			}
		}
		transcript = p.out.String()
	})
	return transcript
}

func setOption(t *testing.T, co *chat.Options, so *Options, words []string) {
	t.Helper()
	switch words[0] {
	case "registration":
		co.Registration = api.Registration(words[1])
	case "setup_token":
		co.SetupToken = words[1]
	case "presence_grace":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		co.PresenceGrace = d
	case "retention_max_messages":
		fmt.Sscan(words[1], &co.Retention.MaxMessages)
	case "max_in_flight":
		fmt.Sscan(words[1], &so.Limits.MaxInFlight)
	default:
		t.Fatalf("no such option: %q", words)
	}
}

type player struct {
	t       *testing.T
	x       *chatFixture
	clients map[string]*chatClient
	out     strings.Builder

	names  map[string]string // of values
	values map[string]string // of names
}

func (p *player) step(step string) {
	who, what, _ := strings.Cut(step, " ")
	switch {
	case who == "clock":
		d, err := time.ParseDuration(what)
		if err != nil {
			p.t.Fatal(err)
		}
		time.Sleep(d)
	case what == "connect" || strings.HasPrefix(what, "connect "):
		var header []string
		if h := strings.TrimPrefix(strings.TrimPrefix(what, "connect"), " "); h != "" {
			header = append(header, p.fill(h))
		}
		p.clients[who] = p.x.connect(p.t, header...)
	case what == "drop":
		p.clients[who].sock.Close()
	default:
		if p.clients[who] == nil {
			p.clients[who] = p.x.connect(p.t)
		}
		p.clients[who].send(p.fill(what))
	}
	p.rest(acts.MatchString(what))
}

// acts are the methods that wait for a commit with others.
var acts = regexp.MustCompile(`"(message\.(post|edit|delete)|(reaction|pin)\.(add|remove))"`)

// rest lets the server come to rest and writes down what has come, by name. An act is answered
// while its event is handed out: either may come first, and the answer is written first. Signals have no place among events:
// they are written last.
func (p *player) rest(acting bool) {
	if acting {
		time.Sleep(2 * time.Millisecond) // as long as a commit waits for other posts at most
	}
	synctest.Wait()
	who := make([]string, 0, len(p.clients))
	for name := range p.clients {
		who = append(who, name)
	}
	slices.Sort(who)
	for _, name := range who {
		msgs := p.clients[name].got()
		slices.SortStableFunc(msgs, func(a, b string) int { return rank(a) - rank(b) })
		for i, msg := range msgs {
			msgs[i] = p.hide(msg)
		}
		slices.SortStableFunc(msgs, func(a, b string) int { // rooms are told of a profile in no order
			if r := rank(a) - rank(b); r != 0 || rank(a) < 3 {
				return r
			}
			return strings.Compare(a, b)
		})
		for _, msg := range msgs {
			p.out.WriteString("<< " + name + " " + msg + "\n")
		}
	}
}

func rank(msg string) int {
	switch {
	case strings.HasPrefix(msg, `{"jsonrpc":"2.0","method":"user.updated",`):
		return 3
	case strings.HasPrefix(msg, `{"jsonrpc":"2.0","method":"room.signal",`):
		return 2
	case strings.HasPrefix(msg, `{"jsonrpc":"2.0","method":`):
		return 1
	}
	return 0
}

var changing = regexp.MustCompile(`\b(user|room|session|token|epoch|invite|export|import|job)_[0-9a-z]{26}\b|\b(chd|inv|req)_[0-9A-Za-z_-]+`)

// hide gives what differs from run to run a name.
func (p *player) hide(msg string) string {
	return changing.ReplaceAllStringFunc(msg, func(value string) string {
		kind, _, _ := strings.Cut(value, "_")
		switch kind {
		case "chd":
			kind = "token"
		case "token":
			kind = "tokenid"
		case "invite":
			kind = "inviteid"
		case "inv":
			kind = "invite"
		case "req":
			return "$request"
		}
		if p.names[value] == "" {
			for n := 1; p.names[value] == ""; n++ {
				if name := fmt.Sprintf("$%s%d", kind, n); p.values[name] == "" {
					p.names[value], p.values[name] = name, value
				}
			}
		}
		return p.names[value]
	})
}

var placeholder = regexp.MustCompile(`\$[a-z]+[0-9]+`)

func (p *player) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if p.values[name] == "" {
			p.t.Fatalf("%s has not appeared yet", name)
		}
		return p.values[name]
	})
}

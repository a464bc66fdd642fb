package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newSend(c *cli) *cobra.Command {
	s := &send{cli: c}
	var format, data string
	var replyTo, thread int64
	cmd := &cobra.Command{
		Use:     "send ROOM [TEXT | -]",
		GroupID: groupMessages,
		Short:   "Post a message, or every line of a text.",
		Long: `Post a message: TEXT, or stdin without it, or a file. With --lines every line becomes a
message of its own, in order; blank lines too, and nothing of a line is changed.

It ends when the server has the messages on disk. When the connection is lost on the way it
comes back by itself and continues; no line is lost and none comes twice. A line that cannot be
a message (no UTF-8, a NUL character, too long) is refused with its number, and nothing after it
is sent.

With --idempotency-key KEY the command can be run again without posting anything twice, also
after it was killed; the line numbered N has the key KEY-N.`,
		Example: `  chatctl send lobby 'I am Groot.'
  uptime | chatctl send ops
  chatctl send library --lines --file war-and-peace.txt --idempotency-key war-and-peace`,
		Args:              wants("ROOM", "[TEXT | -]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.name = args[0]
			s.params.Mentions = usersTyped(s.params.Mentions)
			s.params.Format = api.TextFormat(format)
			if cmd.Flags().Changed("reply-to") {
				s.params.ReplyTo = (*api.Seq)(&replyTo)
			}
			if cmd.Flags().Changed("thread") {
				s.params.Thread = (*api.Seq)(&thread)
			}
			if data != "" {
				s.params.Data = json.RawMessage(data)
				if !json.Valid(s.params.Data) {
					return usagef(cmd.UseLine(), "--data is no JSON")
				}
			}
			if len(args) > 1 && args[1] != "-" {
				s.text, s.hasText = args[1], true
			}
			if s.hasText && s.text == "" && data == "" {
				return usagef("", "TEXT is empty: nothing to send")
			}
			if s.hasText && (s.lines || s.file != "") {
				return usagef(cmd.UseLine(), "TEXT excludes --lines and --file")
			}
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&s.lines, "lines", false, "every line is a message")
	f.StringVar(&s.file, "file", "", "read the text from `FILE` rather than stdin")
	f.StringVar(&s.params.IdempotencyKey, "idempotency-key", "", "`KEY` under which this is posted once, for ever")
	f.StringVar(&format, "format", "", "how to read the text: plain or markdown")
	f.Int64Var(&replyTo, "reply-to", 0, "`SEQ` of the message that this answers")
	f.Int64Var(&thread, "thread", 0, "`SEQ` of the message under which this belongs")
	f.StringSliceVar(&s.params.Mentions, "mention", nil, "whom it means: `USER`s or @room; empty: nobody; without it, the @names in the text")
	f.StringVar(&data, "data", "", "a `JSON` object for programs, to go with the text")
	return cmd
}

// send is one run of the command.
type send struct {
	*cli

	// Set by the arguments and flags.

	name    string                // of the room, as it was typed
	params  api.MessagePostParams // of every message, but for text and key
	text    string
	hasText bool
	lines   bool
	file    string
}

func (s *send) run(ctx context.Context) error {
	var text io.Reader
	if !s.hasText {
		in, err := s.source(ctx)
		if err != nil {
			return err
		}
		defer in.Close()
		text = in
	}
	client, err := s.dial(ctx, needUser, &chatclient.Options{OnWait: s.waitTeller(), OnState: s.stateTeller()})
	if err != nil {
		return err
	}
	defer hangUp(client)
	if s.params.Room, err = s.roomRef(ctx, client, s.name); err != nil {
		return err
	}
	limit := int(client.Server().Limits.MaxTextBytes)
	if s.lines {
		return s.sendLines(ctx, client, newLineReader(text, limit))
	}
	if !s.hasText {
		if s.text, err = readMessage(text, limit); err != nil {
			return err
		}
	} else if err := checkText([]byte(s.text), 0, limit); err != nil {
		return err
	}
	return aboutRoom(s.name, s.sendOne(ctx, client))
}

// source is the file, or stdin.
func (s *send) source(ctx context.Context) (io.ReadCloser, error) {
	if s.file == "" || s.file == "-" {
		if s.terminal() != nil {
			s.note("type the message; Ctrl-D on a line of its own ends it")
		}
		return io.NopCloser(s.input(ctx)), nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, usagef("", "%v", err)
	}
	return f, nil
}

// readMessage reads a whole text as one message; the newline that ends a piped text is no part of it.
func readMessage(r io.Reader, maxBytes int) (string, error) {
	if maxBytes > 0 {
		r = io.LimitReader(r, int64(maxBytes)+2) // a byte more than fits, besides the newline
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("reading the message: %w", err)
	}
	raw = bytes.TrimSuffix(raw, []byte("\n"))
	switch {
	case len(raw) == 0:
		return "", &badInput{what: "is empty: nothing to send"}
	case maxBytes > 0 && len(raw) > maxBytes:
		return "", &badInput{what: fmt.Sprintf("is longer than the server's limit of %d bytes; --lines sends every line by itself", maxBytes)}
	}
	return string(raw), checkText(raw, 0, maxBytes)
}

func (s *send) sendOne(ctx context.Context, client *chatclient.Client) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	p := s.params
	p.Text = s.text
	res, err := client.MessagePost(ctx, &p)
	if err != nil {
		return err
	}
	switch {
	case s.json:
		s.out.document(res.AppendJSON(nil))
	case res.Duplicate:
		s.note("posted before, as number %d", res.Seq)
	}
	return nil
}

// count is n with the right form of a noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands is n in groups of three digits.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newMessage(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "message",
		GroupID: groupMessages,
		Short:   "Messages as they stand: ls, show, edit, delete, react, unreact, pin, unpin, pins.",
		Long: `Messages as they stand now, with what became of them. Each has a number, SEQ, which these
commands show as #SEQ and take with or without the #.`,
		Args: noSuchCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		newMessageLs(c), newMessageShow(c), newMessageEdit(c), newMessageDelete(c), newMessageReact(c), newMessageUnreact(c),
		newMessagePin(c), newMessageUnpin(c), newMessagePins(c),
	)
	return cmd
}

// seqArg reads a message's number, as people type it.
func seqArg(usage, text string) (api.Seq, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || n < 1 {
		return 0, usagef(usage, "%q is no number of a message", text)
	}
	return api.Seq(n), nil
}

// onMessage is a command on one message: ROOM and SEQ, and so many more arguments.
func (c *cli) onMessage(cmd *cobra.Command, do func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, args []string) error, args ...string) *cobra.Command {
	cmd.Args = wants(append([]string{"ROOM", "SEQ"}, args...)...)
	cmd.ValidArgsFunction = c.completeRooms
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		seq, err := seqArg(cmd.UseLine(), args[1])
		if err != nil {
			return err
		}
		return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
			room, err := c.roomRef(ctx, client, args[0])
			if err != nil {
				return err
			}
			return aboutMessage(args[0], seq, do(ctx, client, room, seq, args[2:]))
		})
	}
	return cmd
}

// aboutMessage says which message an error is about.
func aboutMessage(room string, seq api.Seq, err error) error {
	if err == nil {
		return nil
	}
	var refused *api.Error
	if !errors.As(err, &refused) {
		return aboutRoom(room, err)
	}
	switch field := refused.Data.Field; field {
	case "seq", "reply_to", "thread":
		return &aboutError{what: fmt.Sprintf("room %q, message #%d", room, seq), err: reword(err, strings.TrimPrefix(refused.Message, field+": "))}
	case "if_seq":
		return &aboutError{
			what: fmt.Sprintf("room %q, message #%d", room, seq), err: reword(err, "--if-seq: "+refused.Message),
			hint: fmt.Sprintf("chatctl message show %s %d", room, seq),
		}
	}
	return aboutRoom(room, err)
}

// done prints a result as JSON, or says what happened: that it did, or that nothing was to do.
func (c *cli) done(result interface{ AppendJSON([]byte) []byte }, changed bool, did, already string) {
	switch {
	case c.json:
		c.out.document(result.AppendJSON(nil))
	case changed:
		c.note("%s", did)
	default:
		c.note("%s", already)
	}
}

func newMessageShow(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "show ROOM SEQ",
		Short: "Print one message as it stands.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		res, err := client.MessageGet(ctx, &api.MessageGetParams{Room: room, Seq: seq})
		if err != nil {
			return err
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		c.out.raw(c.renderer().message(&res.Message))
		return c.out.Flush()
	})
}

func newMessageEdit(c *cli) *cobra.Command {
	params := &api.MessageEditParams{}
	var format, data string
	var ifSeq int64
	cmd := c.onMessage(&cobra.Command{
		Use:   "edit ROOM SEQ [TEXT | -]",
		Short: "Change what you have said; TEXT, or stdin without it.",
		Example: `  chatctl message edit lobby 12 'We are Groot.'
  chatctl message edit ops 40 --if-seq 40 < report.md`,
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, args []string) error {
		params.Mentions = usersTyped(params.Mentions)
		params.Room, params.Seq, params.Format = room, seq, api.TextFormat(format)
		if data != "" {
			if params.Data = json.RawMessage(data); !json.Valid(params.Data) {
				return usagef("", "--data is no JSON")
			}
		}
		if ifSeq != 0 {
			params.IfSeq = (*api.Seq)(&ifSeq)
		}
		limit := int(client.Server().Limits.MaxTextBytes)
		if len(args) > 0 && args[0] != "-" {
			params.Text = args[0]
			if err := checkText([]byte(params.Text), 0, limit); err != nil {
				return err
			}
		} else {
			var err error
			if params.Text, err = readMessage(c.input(ctx), limit); err != nil {
				return err
			}
		}
		return c.report(editMessage(ctx, client, params))
	}, "[TEXT | -]")
	f := cmd.Flags()
	f.StringVar(&format, "format", "", "how to read the text: plain or markdown")
	f.StringVar(&data, "data", "", "a `JSON` object for programs, to go with the text")
	f.StringSliceVar(&params.Mentions, "mention", nil, "whom it means now: `USER`s or @room; empty: nobody; without it, the @names in the text")
	f.Int64Var(&ifSeq, "if-seq", 0, "only if the message stands at `SEQ`: that of its last edit, or its own")
	return cmd
}

func newMessageDelete(c *cli) *cobra.Command {
	var reason string
	cmd := c.onMessage(&cobra.Command{
		Use:   "delete ROOM SEQ",
		Short: "Remove what a message said, for everyone and for good.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		return c.report(deleteMessage(ctx, client, &api.MessageDeleteParams{Room: room, Seq: seq, Reason: reason}))
	})
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` for those who wonder")
	return cmd
}

func newMessageReact(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:     "react ROOM SEQ EMOJI",
		Short:   "React to a message.",
		Example: `  chatctl message react lobby 12 👍`,
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, args []string) error {
		return c.report(react(ctx, client, &api.ReactionAddParams{Room: room, Seq: seq, Emoji: args[0]}))
	}, "EMOJI")
}

func newMessageUnreact(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "unreact ROOM SEQ EMOJI",
		Short: "Take a reaction of yours back.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, args []string) error {
		return c.report(unreact(ctx, client, &api.ReactionRemoveParams{Room: room, Seq: seq, Emoji: args[0]}))
	}, "EMOJI")
}

func newMessagePin(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "pin ROOM SEQ",
		Short: "Pin a message, for all who come.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		return c.report(pin(ctx, client, &api.PinAddParams{Room: room, Seq: seq}))
	})
}

func newMessageUnpin(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "unpin ROOM SEQ",
		Short: "Unpin a message.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		return c.report(unpin(ctx, client, &api.PinRemoveParams{Room: room, Seq: seq}))
	})
}

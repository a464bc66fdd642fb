package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPresenceTyping(c *cli) *cobra.Command {
	var thread int64
	var last time.Duration
	cmd := &cobra.Command{
		Use:   "typing ROOM",
		Short: "Show that you are typing, for a while.",
		Long: `Show those who follow the room that you are typing, for a while or until Ctrl-C: for a program that
works on its answer. End it before you give that: what you say hides it for some seconds only. If it is
killed, others see you typing for some seconds more.`,
		Example: `  chatctl presence typing ops --for 30s
  chatctl presence typing ops --thread 12`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last <= 0 {
				return usagef(cmd.UseLine(), "--for %s: must be more than nothing", last)
			}
			params := &api.TypingSetParams{Typing: true}
			if cmd.Flags().Changed("thread") {
				params.Thread = (*api.Seq)(&thread)
			}
			return c.showMyTyping(cmd.Context(), args[0], params, last)
		},
	}
	cmd.Flags().Int64Var(&thread, "thread", 0, "under the message `SEQ`")
	cmd.Flags().DurationVar(&last, "for", 10*time.Second, "so long")
	return cmd
}

func (c *cli) showMyTyping(ctx context.Context, name string, params *api.TypingSetParams, last time.Duration) error {
	client, err := c.dial(ctx, needUser, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	if params.Room, err = c.roomRef(ctx, client, name); err != nil {
		return err
	}
	said, err := c.setTyping(ctx, client, params)
	if err != nil {
		return aboutRoom(name, err)
	}
	if !said.Shown {
		c.note("nobody is shown it: the room is too large")
		return nil
	}
	again, end := time.NewTicker(typingAgain), time.NewTimer(last)
	defer again.Stop()
	defer end.Stop()
	for {
		select {
		case <-again.C:
			if _, err := c.setTyping(ctx, client, params); err != nil {
				return aboutRoom(name, err)
			}
			continue
		case <-end.C:
		case <-ctx.Done():
		}
		params.Typing = false
		_, _ = c.setTyping(context.WithoutCancel(ctx), client, params) // or it is forgotten in a moment
		return context.Cause(ctx)
	}
}

func (c *cli) setTyping(ctx context.Context, client *chatclient.Client, params *api.TypingSetParams) (*api.TypingSetResult, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return client.TypingSet(ctx, params)
}

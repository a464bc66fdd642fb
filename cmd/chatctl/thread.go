package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newThread(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "thread",
		GroupID: groupMessages,
		Short:   "Threads: ls, show, follow, unfollow.",
		Long: `Threads: the answers under a message, which is SEQ here. You follow those in which you answer, those
under what you said, and those in which you are meant, unless you unfollow them.

Answer: chatctl send ROOM TEXT --thread SEQ. Read: chatctl message ls ROOM --thread SEQ. Say that you
have read one: chatctl read ROOM --thread SEQ.`,
		Args: noSuchCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(newThreadLs(c), newThreadShow(c), newThreadFollow(c), newThreadUnfollow(c))
	return cmd
}

func newThreadLs(c *cli) *cobra.Command {
	var all, unread bool
	cmd := &cobra.Command{
		Use:   "ls [ROOM]",
		Short: "List the threads that you follow, the one answered last first.",
		Example: `  chatctl thread ls
  chatctl thread ls --unread
  chatctl thread ls lobby --all      not only those that you follow`,
		Args:              wants("[ROOM]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			params := &api.ThreadListParams{}
			if len(args) > 0 {
				params.Room = args[0]
			} else if all {
				return usagef(cmd.UseLine(), "--all is for one ROOM")
			}
			if err := exclusive(cmd, "all", "unread"); err != nil {
				return err
			}
			if !all {
				followed := true
				params.Followed = &followed
			}
			if unread {
				params.Unread = &unread
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := params.Room
				var err error
				if params.Room, err = c.roomRef(ctx, client, typed); err != nil {
					return err
				}
				return aboutRoom(typed, c.listThreads(ctx, client, params))
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "all threads of ROOM")
	f.BoolVar(&unread, "unread", false, "only those that you have not read to the end")
	return cmd
}

func (c *cli) listThreads(ctx context.Context, client *chatclient.Client, params *api.ThreadListParams) error {
	names := map[api.RoomID]string{}
	r, none := c.renderer(), true
	if err := eachThread(ctx, client, params, func(t *api.Thread) {
		none = false
		if c.json {
			c.out.record(t.AppendJSON(nil))
			return
		}
		c.out.raw(r.thread(roomName(ctx, client, names, t.RoomID), t))
	}); err != nil {
		return err
	}
	if none && !c.json {
		c.note("no threads")
	}
	return c.out.Flush()
}

// eachThread walks through all pages.
func eachThread(ctx context.Context, client *chatclient.Client, params *api.ThreadListParams, do func(t *api.Thread)) error {
	limit := int64(pageLimit)
	params.Limit = &limit
	for {
		page, err := client.ThreadList(ctx, params)
		if err != nil {
			return err
		}
		for i := range page.Threads {
			do(&page.Threads[i])
		}
		if params.Cursor = page.NextCursor; params.Cursor == "" {
			return nil
		}
	}
}

// unreadThreads counts the threads with unread answers, by room; nil: who asks may not know.
func unreadThreads(ctx context.Context, client *chatclient.Client, room string) (map[api.RoomID]int, error) {
	unread := true
	n := map[api.RoomID]int{}
	err := eachThread(ctx, client, &api.ThreadListParams{Room: room, Unread: &unread}, func(t *api.Thread) { n[t.RoomID]++ })
	if isCode(err, api.CodePermissionDenied) { // a token that is not for it
		return nil, nil
	}
	return n, err
}

// thread is the line or lines for a thread: how much of it is unread, and what stands above it.
func (r *renderer) thread(room string, t *api.Thread) string {
	return fmt.Sprintf("%s, %s: %s", termsafe.Line(room), r.p.dim(threadRead(t)), r.message(t.Message))
}

// threadRead says how much of a thread is unread.
func threadRead(t *api.Thread) string {
	if t.Read == nil {
		return "not followed"
	}
	return unread(&api.ReadState{Unread: t.Read.Unread, Mentions: t.Read.Mentions})
}

func newThreadShow(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "show ROOM SEQ",
		Short: "Show whether you follow a thread, and how much of it is unread.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		res, err := client.ThreadGet(ctx, &api.ThreadGetParams{Room: room, Seq: seq})
		if err != nil {
			return err
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		c.out.raw(c.renderer().thread(roomName(ctx, client, map[api.RoomID]string{}, res.Thread.RoomID), &res.Thread))
		return c.out.Flush()
	})
}

// showThread prints a message and the newest answers under it, or under that under which it stands itself.
func (c *cli) showThread(ctx context.Context, client *chatclient.Client, room string, seq api.Seq) error {
	res, err := client.MessageGet(ctx, &api.MessageGetParams{Room: room, Seq: seq})
	if err != nil {
		return err
	}
	if root := res.Message.Thread; root != nil {
		seq = *root
		if res, err = client.MessageGet(ctx, &api.MessageGetParams{Room: room, Seq: seq}); err != nil {
			return err
		}
	}
	if err := c.showMessages([]api.Message{res.Message}, ""); err != nil {
		return err
	}
	return c.listMessages(ctx, client, &api.MessageListParams{Room: room, Thread: &seq}, "")
}

func newThreadFollow(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "follow ROOM SEQ",
		Short: "Follow the thread under a message; what is there counts as read.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		res, err := client.ThreadFollow(ctx, &api.ThreadFollowParams{Room: room, Seq: seq})
		if err != nil {
			return err
		}
		c.done(res, res.Changed, fmt.Sprintf("you follow the thread under #%d now", seq), fmt.Sprintf("you follow the thread under #%d already; %s", seq, threadRead(&res.Thread)))
		return nil
	})
}

func newThreadUnfollow(c *cli) *cobra.Command {
	return c.onMessage(&cobra.Command{
		Use:   "unfollow ROOM SEQ",
		Short: "Not follow a thread any more, whatever is said in it.",
	}, func(ctx context.Context, client *chatclient.Client, room string, seq api.Seq, _ []string) error {
		res, err := client.ThreadUnfollow(ctx, &api.ThreadUnfollowParams{Room: room, Seq: seq})
		if err != nil {
			return err
		}
		c.done(res, res.Changed, fmt.Sprintf("you do not follow the thread under #%d any more", seq), fmt.Sprintf("you did not follow the thread under #%d, and will not", seq))
		return nil
	})
}

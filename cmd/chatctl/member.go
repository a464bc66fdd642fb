package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newMember(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "member",
		GroupID: groupRooms,
		Short:   "People in a room: invite, remove, ban, unban, bans, mute, unmute, role.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(
		newMemberInvite(c), newMemberRemove(c), newMemberRole(c),
		newMemberBan(c), newMemberUnban(c), newMemberBans(c), newMemberMute(c), newMemberUnmute(c),
	)
	return cmd
}

// onMember is a command on somebody in a room: ROOM and USER, and so many more arguments.
func (c *cli) onMember(cmd *cobra.Command, do func(ctx context.Context, client *chatclient.Client, room, user string, args []string) error, args ...string) *cobra.Command {
	cmd.Args = wants(append([]string{"ROOM", "USER"}, args...)...)
	cmd.ValidArgsFunction = c.completeRooms
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
			room, err := c.roomRef(ctx, client, args[0])
			if err != nil {
				return err
			}
			return aboutMember(args[0], args[1], do(ctx, client, room, args[1], args[2:]))
		})
	}
	return cmd
}

// aboutMember says whom an error is about.
func aboutMember(room, user string, err error) error {
	if err == nil {
		return nil
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Data.Field == "user" {
		return &aboutError{what: fmt.Sprintf("room %q, user %q", room, user), err: reword(err, refused.Message)}
	}
	return aboutRoom(room, err)
}

const forUsage = "for so long, such as 7d or 24h; until it is undone unless given"

// lasting is the flag for how long something lasts, and what it comes to by the server's clock.
type lasting struct{ d time.Duration }

func (l *lasting) flag(cmd *cobra.Command, usage string) {
	cmd.Flags().Var(lengthFlag{&l.d, true}, "for", usage)
}

func (l *lasting) until(ctx context.Context, client *chatclient.Client) (*api.Timestamp, error) {
	if l.d == 0 {
		return nil, nil
	}
	pong, err := client.ServerPing(ctx, &api.ServerPingParams{})
	if err != nil {
		return nil, err
	}
	at := pong.At + api.Timestamp(l.d.Milliseconds())
	return &at, nil
}

func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "`TEXT` for those who wonder")
}

func newMemberInvite(c *cli) *cobra.Command {
	return c.onMember(&cobra.Command{
		Use:   "invite ROOM USER",
		Short: "Make somebody a member of a room, a private one too.",
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		res, err := client.MemberInvite(ctx, &api.MemberInviteParams{Room: room, User: user})
		if err != nil {
			return err
		}
		c.done(res, res.Invited, fmt.Sprintf("%s is in %s now", user, room), fmt.Sprintf("%s is in %s already", user, room))
		return nil
	})
}

func newMemberRemove(c *cli) *cobra.Command {
	params := &api.MemberRemoveParams{}
	cmd := c.onMember(&cobra.Command{
		Use:   "remove ROOM USER",
		Short: "End somebody's membership; they may come back.",
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		params.Room, params.User = room, user
		res, err := client.MemberRemove(ctx, params)
		if err != nil {
			return err
		}
		c.done(res, res.Removed, fmt.Sprintf("removed %s from %s", user, room), fmt.Sprintf("%s is not in %s", user, room))
		return nil
	})
	reasonFlag(cmd, &params.Reason)
	return cmd
}

func newMemberRole(c *cli) *cobra.Command {
	return c.onMember(&cobra.Command{
		Use:     "role ROOM USER ROLE",
		Short:   "Make a member an owner, a moderator or a member.",
		Example: `  chatctl member role ops thanos moderator`,
	}, func(ctx context.Context, client *chatclient.Client, room, user string, args []string) error {
		res, err := client.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: room, User: user, Role: api.Role(args[0])})
		if err != nil {
			return err
		}
		c.done(res, res.Changed, fmt.Sprintf("made %s %s of %s", user, args[0], room), fmt.Sprintf("%s is %s of %s already", user, args[0], room))
		return nil
	}, "ROLE")
}

func newMemberMute(c *cli) *cobra.Command {
	params := &api.MemberMuteParams{}
	var last lasting
	cmd := c.onMember(&cobra.Command{
		Use:     "mute ROOM USER",
		Short:   "Let a member read only.",
		Example: `  chatctl member mute lobby thanos --for 1h --reason 'too loud'`,
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		var err error
		if params.Until, err = last.until(ctx, client); err != nil {
			return err
		}
		params.Room, params.User = room, user
		res, err := client.MemberMute(ctx, params)
		if err != nil {
			return err
		}
		c.done(res, res.Muted, fmt.Sprintf("muted %s in %s", user, room), fmt.Sprintf("%s is muted in %s already", user, room))
		return nil
	})
	last.flag(cmd, forUsage)
	reasonFlag(cmd, &params.Reason)
	return cmd
}

func newMemberUnmute(c *cli) *cobra.Command {
	return c.onMember(&cobra.Command{
		Use:   "unmute ROOM USER",
		Short: "Let somebody speak again.",
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		res, err := client.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: room, User: user})
		if err != nil {
			return err
		}
		c.done(res, res.Unmuted, fmt.Sprintf("%s may speak in %s again", user, room), fmt.Sprintf("%s is not muted in %s", user, room))
		return nil
	})
}

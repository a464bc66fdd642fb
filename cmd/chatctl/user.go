package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newUser(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "user",
		GroupID: groupServer,
		Short:   "People and bots: ls, show; for administrators: create, set-password, set-admin, suspend, restore.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newUserLs(c), newUserShow(c), newUserCreate(c), newUserSetPassword(c), newUserSetAdmin(c), newUserSuspend(c), newUserRestore(c))
	return cmd
}

// aboutUser says which user an error is about.
func aboutUser(name string, err error) error {
	if err == nil {
		return nil
	}
	e := &aboutError{what: fmt.Sprintf("user %q", name), err: err}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.CodeNotFound {
		e.err, e.hint = reword(err, "not found"), "chatctl user ls"
	}
	return e
}

// onUser is a command that does something to one user.
func (c *cli) onUser(cmd *cobra.Command, do func(ctx context.Context, client *chatclient.Client, name string) error) *cobra.Command {
	cmd.Args = wants("USER")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
			return aboutUser(args[0], do(ctx, client, args[0]))
		})
	}
	return cmd
}

func newUserLs(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List users by name, or only those whose name begins so.",
		Long: `List users by name, or only those whose name begins so. Administrators are shown who is suspended,
and until when; chatctl user show says why.`,
		Args: wants("[PREFIX]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			limit := int64(pageLimit)
			params := &api.UserListParams{Limit: &limit}
			if len(args) == 1 {
				params.Prefix = args[0]
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				all := &api.UserListResult{Users: []api.User{}}
				for {
					page, err := client.UserList(ctx, params)
					if err != nil {
						return err
					}
					all.Users, all.Suspensions = append(all.Users, page.Users...), append(all.Suspensions, page.Suspensions...)
					if params.Cursor = page.NextCursor; params.Cursor == "" {
						break
					}
				}
				if c.json {
					c.out.document(all.AppendJSON(nil))
					return nil
				}
				return c.orNone(c.userTable(all), "no users")
			})
		},
	}
}

// userTable is a row a user; with a column of who is suspended if anybody is and the caller may know.
func (c *cli) userTable(all *api.UserListResult) *table {
	suspended := map[api.UserID]string{}
	for i := range all.Suspensions {
		s := &all.Suspensions[i]
		suspended[s.UserID] = "suspended " + c.suspendedUntil(&s.Suspension)
	}
	header := []string{"USER", "KIND", "SINCE", "NAME"}
	if len(suspended) > 0 {
		header = append(header, "STATE")
	}
	t := c.table(header...)
	for i := range all.Users {
		u := &all.Users[i]
		row := []string{u.Username, userKind(u), c.day(u.CreatedAt), u.DisplayName}
		if state := suspended[u.ID]; state != "" {
			row = append(row, state)
		}
		t.row(row...)
	}
	return t
}

func (c *cli) suspendedUntil(s *api.Suspension) string {
	if s.Until == nil {
		return "until restored"
	}
	return "until " + c.day(*s.Until)
}

func userKind(u *api.User) string {
	switch {
	case u.Deleted:
		return "deleted"
	case u.Bot:
		return "bot"
	case u.Admin:
		return "administrator"
	}
	return "user"
}

func newUserShow(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "show USER", Short: "Show one user."}
	return c.onUser(cmd, func(ctx context.Context, client *chatclient.Client, name string) error {
		res, err := client.UserGet(ctx, &api.UserGetParams{User: name})
		if err != nil {
			return err
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		u := &res.User
		t := c.table()
		t.row("user", u.Username)
		if u.DisplayName != "" {
			t.row("name", u.DisplayName)
		}
		t.row("id", string(u.ID))
		t.row("kind", userKind(u))
		if u.OwnerID != "" {
			t.row("owner", string(u.OwnerID))
		}
		t.row("since", c.day(u.CreatedAt))
		if s := res.Suspension; s != nil {
			t.row("suspended", c.day(s.At)+", "+c.suspendedUntil(s))
			t.row("reason", orDash(s.Reason))
		}
		return t.end()
	})
}

func newUserCreate(c *cli) *cobra.Command {
	params := &api.UserCreateParams{}
	var from passwordFlags
	var admin bool
	cmd := &cobra.Command{
		Use:   "create USER",
		Short: "Make an account for somebody.",
		Long: `Make an account for somebody, who signs in with the password and changes it. The password, 8
characters at least, is asked for without echo, or read with --password-stdin or --password-file.`,
		Args: wants("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Username = args[0]
			if admin {
				params.Admin = &admin
			}
			var err error
			if params.Password, err = c.password(cmd.Context(), &from, true); err != nil {
				return err
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.UserCreate(ctx, params)
				if err != nil {
					return refusedName(args[0], err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("made the account %s", res.User.Username)
				return nil
			})
		},
	}
	addPasswordFlags(cmd, &from)
	cmd.Flags().StringVar(&params.DisplayName, "display-name", "", "`NAME` for people, in any script")
	cmd.Flags().BoolVar(&admin, "admin", false, "an administrator")
	return cmd
}

// refusedName says which name is taken.
func refusedName(name string, err error) error {
	if isCode(err, api.CodeAlreadyExists) {
		err = reword(err, "the name is taken")
	}
	return &aboutError{what: fmt.Sprintf("user %q", name), err: err}
}

func newUserSetAdmin(c *cli) *cobra.Command {
	var off bool
	cmd := &cobra.Command{
		Use:   "set-admin USER",
		Short: "Make a user an administrator, or with --off one no longer.",
		Long: `Make a user an administrator, or with --off one no longer. It counts at once, where they are signed
in too. The last administrator stays one.`,
		Example: `  chatctl user set-admin rocket
  chatctl user set-admin rocket --off`,
	}
	cmd.Flags().BoolVar(&off, "off", false, "no longer an administrator")
	return c.onUser(cmd, func(ctx context.Context, client *chatclient.Client, name string) error {
		res, err := client.UserSetAdmin(ctx, &api.UserSetAdminParams{User: name, Admin: !off})
		switch {
		case err != nil:
			return err
		case c.json:
			c.out.document(res.AppendJSON(nil))
		case res.Changed && off:
			c.note("%s is an administrator no longer", name)
		case res.Changed:
			c.note("%s is an administrator", name)
		case off:
			c.note("%s was no administrator", name)
		default:
			c.note("%s was an administrator already", name)
		}
		return nil
	})
}

func newUserSuspend(c *cli) *cobra.Command {
	var reason string
	var last lasting
	cmd := &cobra.Command{
		Use:   "suspend USER",
		Short: "Keep a user and their bots out; they are signed out everywhere.",
		Example: `  chatctl user suspend rocket --reason "the bomb"
  chatctl user suspend rocket --for 24h`,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that they are told when they try to sign in")
	last.flag(cmd, "for so long, such as 7d or 24h; until restored unless given")
	return c.onUser(cmd, func(ctx context.Context, client *chatclient.Client, name string) error {
		until, err := last.until(ctx, client)
		if err != nil {
			return err
		}
		params := &api.UserSuspendParams{User: name, Reason: reason, Until: until}
		res, err := client.UserSuspend(ctx, params)
		switch {
		case err != nil:
			return err
		case c.json:
			c.out.document(res.AppendJSON(nil))
		case res.Suspended:
			c.note("%s is suspended", name)
		default:
			c.note("%s was suspended already; reason and end are as said now", name)
		}
		return nil
	})
}

func newUserRestore(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "restore USER", Short: "Let a suspended user in again."}
	return c.onUser(cmd, func(ctx context.Context, client *chatclient.Client, name string) error {
		res, err := client.UserRestore(ctx, &api.UserRestoreParams{User: name})
		switch {
		case err != nil:
			return err
		case c.json:
			c.out.document(res.AppendJSON(nil))
		case res.Restored:
			c.note("%s may sign in again", name)
		default:
			c.note("%s was not suspended", name)
		}
		return nil
	})
}

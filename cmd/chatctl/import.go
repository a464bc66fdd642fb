package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newImport(c *cli) *cobra.Command {
	opts := &chatclient.ImportOptions{}
	var users, rooms []string
	cmd := &cobra.Command{
		Use:     "import [FILE]",
		GroupID: groupServer,
		Short:   "Give back what an export took; ls, abort.",
		Long: `Give back what chatctl export took, from FILE or stdin: all of it, or nothing that anybody
sees. For administrators. A file is checked before anything is sent, if it can be read twice.

Users who are here already, by their id, stay as they are. Others come without a password:
chatctl user set-password lets them in. A username or a room's name that is another's here is
refused, unless it is given another one; what was written keeps the name that was.

What is cut off stays open, unseen: the same command goes on with it, chatctl import abort
throws it away.`,
		Example: `  chatctl import --dry-run server.jsonl
  chatctl import server.jsonl --keep-admins
  gunzip -c rooms.jsonl.gz | chatctl import --rename-room ops=old-ops`,
		Args: wants("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.RenameUsers, err = renames("--rename-user", users); err != nil {
				return err
			}
			if opts.RenameRooms, err = renames("--rename-room", rooms); err != nil {
				return err
			}
			return c.importFile(cmd.Context(), args, opts)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.DryRun, "dry-run", false, "only look whether it could be imported; nothing is written")
	f.BoolVar(&opts.KeepAdmins, "keep-admins", false, "administrators there are administrators here")
	f.StringArrayVar(&users, "rename-user", nil, "`OLD=NEW`: who is OLD in the file is NEW here; may be repeated")
	f.StringArrayVar(&rooms, "rename-room", nil, "`OLD=NEW`: what is OLD in the file is NEW here; may be repeated")
	cmd.AddCommand(newImportLs(c), newImportAbort(c))
	return cmd
}

func renames(flag string, pairs []string) (map[string]string, error) {
	all := map[string]string{}
	for _, pair := range pairs {
		from, to, ok := strings.Cut(pair, "=")
		if !ok || from == "" || to == "" {
			return nil, usagef(flag+" OLD=NEW", "%s %q: wants OLD=NEW", flag, pair)
		}
		all[from] = to
	}
	return all, nil
}

func (c *cli) importFile(ctx context.Context, args []string, opts *chatclient.ImportOptions) error {
	in := c.in
	if len(args) == 1 {
		file, err := os.Open(args[0])
		if err != nil {
			return usagef("", "%v", err)
		}
		defer file.Close()
		in = file
	} else if c.terminal() != nil {
		return usagef("chatctl import FILE", "stdin is a terminal, no file")
	}
	return c.withoutEnd(ctx, func(ctx context.Context, client *chatclient.Client) error {
		show := c.newProgress()
		opts.Progress = func(so api.ExportEnd) { show.at(func() string { return "imported " + summary(&so) }) }
		res, err := client.Import(ctx, in, opts)
		show.clear()
		if err != nil {
			return openImport(res, err)
		}
		if c.json && !opts.DryRun {
			c.out.document(res.Import.AppendJSON(nil))
			return nil
		}
		if c.json {
			c.out.document((&api.ImportCheckResult{KnownUsers: res.Known}).AppendJSON(nil))
			return nil
		}
		switch {
		case opts.DryRun:
			c.note("nothing is against it: %s; %s here already", summary(&res.File), count(int(res.Known), "user is", "users are"))
		case res.Already:
			c.note("it was imported already, on %s", c.day(*res.Import.FinishedAt))
		default:
			c.note("imported %s; chatctl user set-password lets people in", summary(&res.File))
		}
		return nil
	})
}

// openImport says of an import that was cut off that it is there still.
func openImport(res *chatclient.Imported, err error) error {
	var file *chatclient.ExportFileError
	if errors.As(err, &file) {
		err = fmt.Errorf("line %d of the file %s", file.Line, file.What)
	}
	var refused *api.Error
	if errors.As(err, &refused) && strings.HasPrefix(refused.Data.Field, "lines") {
		err = reword(err, refused.Message) // which names the line of the file, and what in it
	}
	if res == nil || res.Import.ID == "" || res.Import.FinishedAt != nil {
		return err
	}
	return &aboutError{what: "import " + string(res.Import.ID), err: err, hint: "the same command again, or chatctl import abort " + string(res.Import.ID)}
}

func newImportLs(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List imports, the newest first: an open one, and those that are finished.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.ImportList(ctx, &api.ImportListParams{})
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				t := c.table("IMPORT", "BEGUN", "FINISHED", "USERS", "ROOMS", "EVENTS")
				for i := range res.Imports {
					im := &res.Imports[i]
					finished := "open"
					if im.FinishedAt != nil {
						finished = c.day(*im.FinishedAt)
					}
					t.row(string(im.ID), c.day(im.BegunAt), finished, fmt.Sprint(im.Users), fmt.Sprint(im.Rooms), fmt.Sprint(im.Events))
				}
				return c.orNone(t, "no imports")
			})
		},
	}
}

func newImportAbort(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "abort IMPORT",
		Short: "Throw away what an open import has brought.",
		Args:  wants("IMPORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.ImportAbort(ctx, &api.ImportAbortParams{Import: api.ImportID(args[0])})
				if err != nil {
					return err
				}
				c.done(res, res.Aborted, "the import is gone", "there is no such import that is open")
				return nil
			})
		},
	}
}

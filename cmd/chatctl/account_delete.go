package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newAccountDelete(c *cli) *cobra.Command {
	d := &accountDeletion{cli: c}
	cmd := &cobra.Command{
		Use:   "delete USERNAME",
		Short: "Delete your account, for good.",
		Long: `Delete your account, for good. What is yours goes, and you leave every room; what you said
stays under your name, which nobody can take any more.

With --export FILE all that chatctl account export prints is saved first, in a new file that you
alone may read; if that fails, nothing is deleted.

USERNAME has to be yours, and the password is asked for without echo, or read with
--password-stdin or --password-file.`,
		Example: `  chatctl account delete groot --export groot.jsonl`,
		Args:    wants("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("export") && d.export == "" { // a variable of a script that is not set
				return usagef(cmd.UseLine(), "--export: FILE is empty")
			}
			return d.run(cmd.Context(), args[0])
		},
	}
	addPasswordFlags(cmd, &d.from)
	cmd.Flags().StringVar(&d.export, "export", "", "first save all that the server keeps about you in `FILE`, which must not be there yet")
	return cmd
}

// accountDeletion is one run of the command.
type accountDeletion struct {
	*cli
	from   passwordFlags
	export string // the file; "": it is not saved
}

func (d *accountDeletion) run(ctx context.Context, username string) error {
	cred, err := d.credential()
	if err != nil {
		return err
	}
	if d.export == "" && d.from == (passwordFlags{}) && d.terminal() != nil {
		d.note("This deletes %s for good, and saves nothing: with --export FILE it saves all first.", username)
	}
	password, err := d.password(ctx, &d.from, false)
	if err != nil {
		return err
	}
	client, err := d.dial(ctx, needUser, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	if err := d.isMine(ctx, client, username); err != nil {
		return err
	}
	if d.export != "" {
		if err := d.saveAccount(ctx, client, d.export); err != nil {
			d.note("nothing is deleted")
			return err
		}
	}
	res, err := d.delete(ctx, client, password)
	if err != nil {
		return err
	}
	if cred.login != nil {
		logins, err := d.logins()
		if err != nil {
			return err
		}
		if err := logins.remove(cred.token); err != nil {
			return err
		}
	}
	if d.json {
		d.out.document(res.AppendJSON(nil))
		return d.out.Flush()
	}
	d.note("the account %s is gone", username)
	return nil
}

// isMine refuses another name than the caller's.
func (d *accountDeletion) isMine(ctx context.Context, client *chatclient.Client, username string) error {
	ctx, cancel := d.within(ctx)
	defer cancel()
	me, err := client.AccountGet(ctx, &api.AccountGetParams{})
	if err == nil && me.User.Username != username {
		err = usagef("", "you are signed in as %q, not %q", me.User.Username, username)
	}
	return err
}

// delete deletes the account. If that is refused, what was saved goes too: it would be in the way the next time.
func (d *accountDeletion) delete(ctx context.Context, client *chatclient.Client, password string) (*api.AccountDeleteResult, error) {
	ctx, cancel := d.within(ctx)
	defer cancel()
	res, err := client.AccountDelete(ctx, &api.AccountDeleteParams{Password: password})
	switch {
	case d.export == "" || err == nil:
	case isThere(err):
		_ = os.Remove(d.export) // what was refused is worse
		d.note("nothing is deleted, and %s is not kept", d.export)
	default:
		d.note("whether the account is deleted is not known; %s is kept", d.export)
	}
	return res, err
}

// isThere tells whether err, of a deletion, says for certain that the account is there still: the server's last word is a refusal
// of this very call. A call that had no answer may have taken effect, whatever was said before it; and who is not let in any more
// may have been deleted elsewhere.
func isThere(err error) bool {
	if errors.As(err, new(*chatclient.ConnectionError)) || errors.As(err, new(*chatclient.SessionError)) {
		return false
	}
	return errors.Is(err, api.ErrPermissionDenied) || errors.Is(err, api.ErrFailedPrecondition) || errors.Is(err, api.ErrRateLimited)
}

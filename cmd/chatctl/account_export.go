package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newAccountExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all that the server keeps about you, as JSON.",
		Long: `Print all that the server keeps about you, as JSON: a line with your account, sessions, tokens
(never their secrets), bots, invitations, rooms and the threads that you follow, then a line for
each event that you have sent.`,
		Example: `  chatctl account export > me.jsonl`,
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.Context(), needUser, nil)
			if err != nil {
				return err
			}
			defer hangUp(client)
			_, err = c.exportAccount(cmd.Context(), client, c.out)
			return err
		},
	}
}

// exportAccount prints what the server keeps about the caller, and tells how many events that was.
func (c *cli) exportAccount(ctx context.Context, client *chatclient.Client, to *printer) (events int, err error) {
	var own *api.AccountExportResult // until it is printed: threads come with the pages before the first event
	for params := (&api.AccountExportParams{}); ; {
		page, err := c.exportPage(ctx, client, params)
		if err != nil {
			return events, err
		}
		switch {
		case own != nil:
			own.Threads = append(own.Threads, page.Threads...)
		case params.Cursor == "":
			first := *page
			first.Events, first.NextCursor = []api.Event{}, ""
			own = &first
		}
		if own != nil && (len(page.Events) > 0 || page.NextCursor == "") {
			to.record(own.AppendJSON(nil))
			own = nil
		}
		for i := range page.Events {
			to.record(page.Events[i].AppendJSON(nil))
		}
		events += len(page.Events)
		if params.Cursor = page.NextCursor; params.Cursor == "" {
			return events, to.Flush()
		}
	}
}

// exportPage reads one page; each may take --timeout.
func (c *cli) exportPage(ctx context.Context, client *chatclient.Client, params *api.AccountExportParams) (*api.AccountExportResult, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return client.AccountExport(ctx, params)
}

// saveAccount writes it to a new file that its owner alone may read: all of it, and on the disk, or an error and no file.
func (c *cli) saveAccount(ctx context.Context, client *chatclient.Client, path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = os.Remove(path) // the first error says it all
		}
	}()
	events, err := c.exportAccount(ctx, client, newPrinter(f))
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	c.note("saved your account and %s in %s", count(events, "event", "events"), path)
	return nil
}

// syncDir sees to it that a new file is found after a power cut, where folders can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

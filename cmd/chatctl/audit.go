package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newAudit(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		GroupID: groupServer,
		Short:   "The audit log, for administrators: ls.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newAuditLs(c))
	return cmd
}

func newAuditLs(c *cli) *cobra.Command {
	params := &api.AuditListParams{}
	var limit int64
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Who did what to whom; the newest first.",
		Long: `Who did what to whom, from where and when, and what came of it; the newest first, and with
--json a record a line. For administrators.`,
		Example: `  chatctl audit ls --action user.suspend
  chatctl audit ls --subject rocket --action auth. --limit 20`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit 100", "--limit %d: must be 1 or more", limit)
			}
			params.Action = strings.TrimSuffix(params.Action, "*")
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				none := true
				t := c.table("WHEN", "WHO", "FROM", "WHAT", "ON", "OUTCOME", "")
				for left := limit; left > 0; {
					page := min(left, pageLimit)
					params.Limit = &page
					res, err := client.AuditList(ctx, params)
					if err != nil {
						return err
					}
					for i := range res.Records {
						r := &res.Records[i]
						if c.json {
							c.out.record(r.AppendJSON(nil))
							continue
						}
						t.row(c.day(r.At), orDash(r.ActorName), orDash(r.Address), r.Action, orDash(r.SubjectName), r.Outcome, r.Detail)
					}
					none = none && len(res.Records) == 0
					left -= int64(len(res.Records))
					if params.Cursor = res.NextCursor; params.Cursor == "" {
						break
					}
				}
				if none {
					c.note("no records")
				}
				return t.end()
			})
		},
	}
	f := cmd.Flags()
	userFlag(cmd, &params.Actor, "actor", "only what this `USER` did")
	userFlag(cmd, &params.Subject, "subject", "only what was done to this `USER`, or session or token by id")
	f.StringVar(&params.Action, "action", "", "only this `METHOD`, or user. and the like")
	f.Int64Var(&limit, "limit", 100, "at most `N` records")
	return cmd
}

package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// completionTimeout is how long a person who pressed Tab is kept waiting.
const completionTimeout = 500 * time.Millisecond

// completeRooms completes the first argument with names of rooms; whatever goes wrong there is
// simply nothing to offer.
func (c *cli) completeRooms(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 || c.settle() != nil {
		return nil, none
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var names []cobra.Completion
	_ = c.asUser(ctx, func(ctx context.Context, client *chatclient.Client) error {
		rooms, err := allRooms(ctx, client, false, false)
		for i := range rooms {
			if name := called(&rooms[i], client.UserID()); strings.HasPrefix(name, typed) {
				names = append(names, cobra.CompletionWithDesc(name, termsafe.Line(rooms[i].Title)))
			}
		}
		return err
	})
	return names, none
}

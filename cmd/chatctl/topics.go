package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newExitCodesTopic is `help exit-codes`, written from the table that decides them.
func newExitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("How chatctl ends, for scripts. The names in brackets are the reasons in the server's errors.\n\n")
	for _, row := range exitTable {
		fmt.Fprintf(&b, "  %3d  %s\n", row.exit, row.means)
		var reasons []string
		for _, code := range row.codes {
			reasons = append(reasons, code.Reason())
		}
		if len(reasons) > 0 {
			fmt.Fprintf(&b, "       (%s)\n", strings.Join(reasons, ", "))
		}
	}
	b.WriteString("\nAnother signal than Ctrl-C ends chatctl with 128 and the signal's number, such as 143 for SIGTERM.")
	return &cobra.Command{Use: "exit-codes", Short: "How chatctl ends, for scripts.", Long: b.String()}
}

// newEnvironmentTopic is `help environment`.
func newEnvironmentTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "Variables and files that chatctl reads.",
		Long: `Variables and files that chatctl reads. A flag beats a variable.

  CHATCTL_SERVER     the server, as in --server
  CHATCTL_PROFILE    the saved login to use, as in --profile
  CHATCTL_TOKEN      sign in with this token rather than a saved login
  CHATCTL_INVITE     the invitation or setup token that register uses, and room join without ROOM
  NO_COLOR           if not empty: no colours
  TERM=dumb          no colours, and chat takes whole lines rather than single keys
  XDG_CONFIG_HOME    where logins are saved, in chatctl/; ~/.config unless set

Logins are saved as $XDG_CONFIG_HOME/chatctl/logins/SERVER/NAME.json with mode 0600, and
refused if others can read them. NAME is the profile or the username; so several people, or
one with several accounts, can work side by side:

  CHATCTL_PROFILE=groot chatctl chat lobby      in one terminal
  CHATCTL_PROFILE=thanos chatctl chat lobby     in another

Without a profile, the one who registered or signed in last without a profile is used.`,
	}
}

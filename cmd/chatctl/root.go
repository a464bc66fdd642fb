package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultServer is where chatd listens when nothing is configured.
const defaultServer = "http://127.0.0.1:8080"

// cli is one run of chatctl: where it runs, and what the flags of all commands say.
type cli struct {
	// Static after construction.

	in     io.Reader
	out    *printer // data
	talk   *printer // everything else
	getenv func(string) string

	// Set by the flags.

	server    string
	profile   string
	tokenFile string

	profileGiven bool // by flag, not by the environment

	colorMode string
	json      bool
	utc       bool
	quiet     bool
	timeout   time.Duration
}

const (
	groupAccount  = "account"
	groupRooms    = "rooms"
	groupMessages = "messages"
	groupServer   = "server"
)

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "chatctl",
		Short: "Talk to a chatd server from a terminal or a script.",
		Long: `Talk to a chatd server from a terminal or a script.

What you asked for goes to stdout, everything else to stderr. Secrets are never taken from
the command line. Nothing is ever asked when stdin is no terminal.`,
		Example: `  chatctl register groot          make an account and stay signed in
  chatctl chat lobby              talk, line by line
  echo done | chatctl send ops    post from a script
  chatctl tail ops -f --json      follow a room, an event a line`,
		Args:              noSuchCommand,
		RunE:              showHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return c.settle() },
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd.CommandPath()+" --help", "%s", flagFault(err))
	})
	f := root.PersistentFlags()
	f.StringVarP(&c.server, "server", "s", "", "`URL` of the server (default: $CHATCTL_SERVER or "+defaultServer+")")
	f.StringVar(&c.profile, "profile", "", "use the saved login called `NAME` (default: $CHATCTL_PROFILE, or who signed in last)")
	f.StringVar(&c.tokenFile, "token-file", "", "sign in with the token in `FILE` rather than a saved login")
	f.BoolVar(&c.json, "json", false, "print JSON: one document, or a line for each event")
	f.StringVar(&c.colorMode, "color", "auto", "colours: auto, always or never")
	f.BoolVar(&c.utc, "utc", false, "show times in UTC")
	f.DurationVar(&c.timeout, "timeout", 30*time.Second, "how long to wait for the server; 0 for ever")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "say nothing on stderr but errors")

	root.AddGroup(
		&cobra.Group{ID: groupAccount, Title: "Account:"},
		&cobra.Group{ID: groupRooms, Title: "Rooms:"},
		&cobra.Group{ID: groupMessages, Title: "Messages:"},
		&cobra.Group{ID: groupServer, Title: "Server and plumbing:"},
	)
	root.AddCommand(
		newRegister(c), newLogin(c), newLogout(c), newWhoami(c), newPasswd(c), newAccount(c), newSession(c), newToken(c), newBot(c), newInvite(c), newPresence(c), newWatch(c),
		newRoom(c), newMember(c),
		newChat(c), newDm(c), newSend(c), newTail(c), newHistory(c), newRead(c), newSearch(c), newMessage(c), newThread(c),
		newUser(c), newPermission(c), newExport(c), newImport(c), newAudit(c), newServer(c), newPurge(c), newJob(c), newCall(c), newPing(c), newVersion(c),
		newExitCodesTopic(), newEnvironmentTopic(),
	)
	root.SetCompletionCommandGroupID(groupServer)
	nameUsageErrors(root)
	root.SetHelpCommand(newHelp(root))
	return root
}

// newHelp is cobra's help, but a command that there is not is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		GroupID:           groupServer,
		Short:             "Help about any command",
		ValidArgsFunction: completeCommands,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && cmd.HasSubCommands() {
				return noSuchCommand(cmd, rest)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// completeCommands completes the commands that help is asked for.
func completeCommands(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if at, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
		for _, sub := range at.Commands() {
			if (sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand()) && strings.HasPrefix(sub.Name(), typed) {
				names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// settle fills in what flags left to the environment, and judges the rest.
func (c *cli) settle() error {
	if c.server == "" {
		c.server = c.getenv("CHATCTL_SERVER")
	}
	server, err := serverURL(c.server)
	if err != nil {
		return err
	}
	c.server = server
	c.profileGiven = c.profile != ""
	if !c.profileGiven {
		c.profile = c.getenv("CHATCTL_PROFILE")
	}
	if c.timeout < 0 {
		return usagef("", "--timeout %v: must not be negative", c.timeout)
	}
	plain := c.getenv("NO_COLOR") != "" || c.getenv("TERM") == "dumb"
	for _, p := range []*printer{c.out, c.talk} {
		switch c.colorMode {
		case "auto":
			p.color = p.tty && !plain
		case "always":
			p.color = true
		case "never":
			p.color = false
		default:
			return usagef("--color auto", "--color %q: auto, always or never", c.colorMode)
		}
	}
	return nil
}

// note says something to the person on stderr, unless they want quiet.
func (c *cli) note(format string, args ...any) {
	if c.quiet {
		return
	}
	c.talk.printf(format+"\n", args...)
	_ = c.talk.Flush() // if stderr is gone there is nobody to tell
}

// within bounds ctx by --timeout: for commands that ask once and end.
func (c *cli) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// zone is the time zone that times are shown in.
func (c *cli) zone() *time.Location {
	if c.utc {
		return time.UTC
	}
	return time.Local
}

// configDir is where saved logins live.
func (c *cli) configDir() (string, error) {
	if dir := c.getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir + string(os.PathSeparator) + "chatctl", nil
	}
	home := c.getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // an error leaves it empty
	}
	if home == "" {
		return "", usagef("", "neither XDG_CONFIG_HOME nor HOME says where to keep logins")
	}
	return strings.Join([]string{home, ".config", "chatctl"}, string(os.PathSeparator)), nil
}

// showHelp is what a command does that only holds others.
func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// noSuchCommand refuses arguments of a command that only holds others, with a guess at what was meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = cmd.CommandPath() + " " + near[0]
	}
	return usagef(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// nameUsageErrors makes every refusal of arguments a usageError that says how the command is used.
func nameUsageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if _, ok := err.(*usageError); ok || err == nil { //nolint:errorlint // our own, never wrapped
				return err
			}
			return usagef(cmd.UseLine(), "%v", err)
		}
	}
	for _, sub := range cmd.Commands() {
		nameUsageErrors(sub)
	}
}

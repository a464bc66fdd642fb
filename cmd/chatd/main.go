package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1 // the server could not run or not go on
	exitUsage = 2 // wrong command line or configuration
)

// process is what a command has of the operating system; tests have their own.
type process struct {
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	// signals brings SIGHUP, SIGINT and SIGTERM. 4 deep: an impatient operator's second one must not be lost.
	signals <-chan os.Signal
	// attended tells whether the terminal is still there from which the server was started; nil means that there never was one.
	attended func() bool
}

func main() {
	signals := make(chan os.Signal, 4)
	stays := signal.Ignored(syscall.SIGHUP) // as nohup(1) has it: the server is to outlive its terminal
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE) // whoever read the log has gone: Go would end the process at its next line
	p := &process{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals}
	if !stays && hasTerminal() {
		p.attended = hasTerminal
	}
	os.Exit(p.main(os.Args[1:]))
}

// hasTerminal tells whether the process has a controlling terminal, wherever its output goes. The kernel takes it away when the
// terminal is closed; see tty(4).
func hasTerminal() bool {
	fd, err := syscall.Open("/dev/tty", syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err == nil {
		_ = syscall.Close(fd)
	}
	return !errors.Is(err, syscall.ENXIO) && !errors.Is(err, syscall.ENOENT) // any other error is none of the terminal's
}

// main runs one command line and returns the exit status.
func (p *process) main(args []string) int {
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(context.Background())
	var problems config.Problems
	var fault *runError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &problems):
		fmt.Fprintln(p.stderr, problems)
		return exitUsage
	case errors.As(err, &fault):
		fmt.Fprintf(p.stderr, "chatd: %v\n", fault)
		return exitError
	default:
		fmt.Fprintf(p.stderr, "chatd: %v\nTry: chatd --help\n", err)
		return exitUsage
	}
}

// runError is a fault that lies neither in the command line nor in the configuration.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

func (p *process) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "chatd",
		Short: "The chat server",
		Long: `chatd serves group chat over JSON-RPC 2.0: WebSocket and POST on /rpc.

With nothing given it listens on 127.0.0.1:8080 and keeps everything in ./chatd-data.
Every setting: chatd config init. What holds, and why: chatd config show --origin.

Signals: SIGTERM and SIGINT finish what is under way and end (twice: at once);
SIGHUP reads the configuration and the certificate anew, unless its terminal was closed:
then it is SIGTERM.
Exit status: 0 ended as asked, 1 could not run or not go on, 2 wrong command line or configuration.`,
		Example: `  chatd
  chatd --listen :8443 --tls-cert cert.pem --tls-key key.pem --data /var/lib/chatd
  chatd --config /etc/chatd.yaml`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := p.load(cmd)
			if err != nil {
				return err
			}
			return p.run(cmd.Context(), cfg, func() (*config.Config, error) {
				again, _, err := p.load(cmd)
				return again, err
			})
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("config", "", "read the configuration from `FILE` (default: $CHATD_CONFIG, or none)")
	config.AddFlags(root.PersistentFlags())
	root.AddCommand(p.configCommand(), p.versionCommand())
	return root
}

// load reads the configuration as the command line says.
func (p *process) load(cmd *cobra.Command) (*config.Config, config.Origins, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, nil, err
	}
	return config.Load(&config.Source{File: file, Environ: p.environ, Flags: cmd.Flags()})
}

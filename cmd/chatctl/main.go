package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1) // one is enough: the second falls back to what it does by default
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() { // lives as long as the process
		sig := <-signals
		signal.Stop(signals)
		if sig == os.Interrupt {
			cancel(errInterrupted)
			return
		}
		cancel(&killedError{sig})
	}()
	os.Exit(run(ctx, os.Args[1:], &cli{
		in:     os.Stdin,
		out:    newPrinter(os.Stdout),
		talk:   newPrinter(os.Stderr),
		getenv: os.Getenv,
	}))
}

// run is chatctl from its arguments to its exit code.
func run(ctx context.Context, args []string, c *cli) int {
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.talk)
	err := root.ExecuteContext(ctx)
	if flushErr := c.out.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("writing the output: %w", flushErr)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // whatever failed did so because of it
	}
	var silent errSilent
	if err != nil && !errors.As(err, &silent) && !errors.Is(err, errInterrupted) {
		c.talk.raw(complain(err))
	}
	_ = c.talk.Flush() // if stderr is gone there is nobody to tell
	var killed *killedError
	if errors.As(err, &killed) {
		return killed.exit()
	}
	return int(exitOf(err))
}

// killedError is the cause of a context that a signal other than Ctrl-C ended.
type killedError struct{ sig os.Signal }

func (e *killedError) Error() string { return "ended: " + e.sig.String() }

// exit is what a shell reports of a program that the signal killed.
func (e *killedError) exit() int {
	if n, ok := e.sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return int(exitError)
}

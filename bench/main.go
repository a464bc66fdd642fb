package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/peer"
)

func main() {
	runtime.LockOSThread() // children end with the thread that started them; this one stays
	if err := command(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	switch what {
	case "load":
		job, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		result, err := load.Run(job)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(result)
		return err
	case "floor":
		return peer.Floor()
	case "hub":
		return peer.Hub()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE) // of a pipe that nobody reads too: there is something to clean up
	defer stop()
	return run(ctx, args)
}

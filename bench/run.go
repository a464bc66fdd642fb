package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

// scenario is something that is measured.
type scenario struct {
	name, title string
	run         func(ctx context.Context, b *bench) ([]report.Row, error)
}

func scenarios() []scenario {
	var all []scenario
	for _, f := range fanouts {
		all = append(all, scenario{f.name, f.title, f.run})
	}
	return append(all,
		scenario{"sustained", "highest sustained rate to 1,000 followers", runSustained},
		scenario{"idle", "idle connections, signed in and following", runIdle},
		scenario{"connect", "connect, resume by token and join", runConnect},
		scenario{"posts", "durable posts: 1, 16 and 64 publishers, and one connection with 64 in flight", runPosts},
		scenario{"ping", "the CPU of a request", runPing},
		scenario{"history", "a page of history from a small and a large room", runHistory},
		scenario{"resume", "resume from far behind", runResume},
		scenario{"lane", "posts to another room while 1,000 followers get events", runLane},
	)
}

// options are what the command line says.
type options struct {
	size  size
	list  bool
	chatd string
	dir   string
	out   string
	names []string
}

func parse(args []string) (*options, error) {
	o := &options{size: shortSize}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	full := flags.Bool("full", false, "measure everything at length, and write the results to --out")
	smoke := flags.Bool("smoke", false, "only see that every scenario works")
	flags.BoolVar(&o.list, "list", false, "name the scenarios")
	flags.StringVar(&o.chatd, "chatd", "", "measure this `binary` instead of building one")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "keep data in `DIR`, on the disk that is to be measured")
	flags.StringVar(&o.out, "out", "", "write performance.json and performance.svg to `DIR` (default with --full and no names: docs)")
	repeat := flags.Int("repeat", 0, "how often to repeat each measurement")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: bench [flags] [SCENARIO…]")
		flags.PrintDefaults()
	}
	for len(args) > 0 { // flags may stand after names
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) > 0 {
			o.names, args = append(o.names, args[0]), args[1:]
		}
	}
	switch {
	case *full && *smoke:
		return nil, fmt.Errorf("--full or --smoke, not both")
	case *full:
		o.size = fullSize
		if len(o.names) == 0 && o.out == "" {
			o.out = filepath.Join("..", "docs")
		}
	case *smoke:
		o.size = smokeSize
	}
	if *repeat > 0 {
		o.size.repeat = *repeat
	}
	return o, nil
}

// choose gives the scenarios of these names: all if there are none, and a name that ends in * means all that begin so.
func choose(names []string) ([]scenario, error) {
	all := scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []scenario
	for _, name := range names {
		before := len(chosen)
		for _, s := range all {
			prefix, isPrefix := strings.CutSuffix(name, "*")
			if s.name == name || isPrefix && strings.HasPrefix(s.name, prefix) {
				chosen = append(chosen, s)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no scenario %q; --list names them", name)
		}
	}
	return chosen, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.list {
		for _, s := range scenarios() {
			fmt.Printf("%-14s %s\n", s.name, s.title)
		}
		return nil
	}
	chosen, err := choose(o.names)
	if err != nil {
		return err
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer b.clean()
	begin := time.Now()
	var rows []report.Row
	var failed []string
	for i, s := range chosen {
		b.say("[%d/%d] %s: %s", i+1, len(chosen), s.name, s.title)
		start := time.Now()
		more, err := s.run(ctx, b)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		if err != nil {
			b.say("    FAILED: %v", err)
			failed = append(failed, s.name)
		}
		b.say("    %.1f s", time.Since(start).Seconds())
		rows = append(rows, more...)
	}
	doc := &report.Document{Machine: proc.ThisMachine(b.dir), Form: b.size.name, Rows: rows, Groups: b.groups, Measurements: b.raw, Others: report.SpreadOf(b.busy...), Lost: b.lost, Event: b.event}
	if !b.size.smoke { // whose figures mean nothing
		fmt.Print(doc.Markdown())
	}
	b.say("%d scenarios in %v", len(chosen), time.Since(begin).Round(time.Second))
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	if o.out != "" {
		return doc.Write(o.out)
	}
	return nil
}

// clean removes everything that was written.
func (b *bench) clean() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.say("not everything is cleaned up: %v", err)
	}
}

// sweep removes what runs that were killed have left in dir: a database may be gigabytes.
func sweep(dir string) {
	found, err := filepath.Glob(filepath.Join(dir, "chatd-bench-*"))
	if err != nil {
		return
	}
	for _, path := range found {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(path), seed.DirForm, &pid); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(path) // the next run tries again
		}
	}
}

// prepare finds and builds what is measured. The program is run in its own folder, beneath chatd's module.
func prepare(ctx context.Context, o *options) (*bench, error) {
	b := &bench{size: o.size, log: os.Stderr, seeded: map[string]string{}, chatd: o.chatd}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.module, err = filepath.Abs(".."); err != nil {
		return nil, err
	}
	for _, dir := range []string{o.dir, seed.Memory} {
		sweep(dir)
	}
	if b.dir, err = os.MkdirTemp(o.dir, fmt.Sprintf(seed.DirForm, os.Getpid())); err != nil {
		return nil, err
	}
	if b.chatd == "" {
		b.chatd = filepath.Join(b.dir, "chatd")
		b.say("building chatd")
		if out, err := proc.Run(ctx, []string{"go", "build", "-o", b.chatd, "./cmd/chatd"}, b.module, nil); err != nil {
			b.clean()
			return nil, fmt.Errorf("build chatd in %s: %w %s", b.module, err, slices.Clip(out))
		}
	}
	return b, nil
}

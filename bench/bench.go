package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/report"
	"github.com/chatd-dev/chatd/bench/internal/seed"
)

// bench is one run of the program.
type bench struct {
	// Static after construction.

	self   string // this program
	chatd  string // the server's binary
	module string // chatd's module
	dir    string // of everything that is written; removed at the end
	size   size
	log    io.Writer

	seeded map[string]string // data directories by plan, to be copied
	dirs   int
	groups []report.Group
	raw    []report.Measurement
	busy   []float64 // what others had of the processors, of each measurement
	lost   []string  // measurements that were made again
	event  int       // bytes of a delivery on the wire; 0: none was seen
}

// patience is how long one step of a measurement may take before the run is given up.
const patience = 60 * time.Second

// say reports progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, format+"\n", args...)
}

// newDir makes a directory that is removed with the run.
func (b *bench) newDir() (string, error) {
	b.dirs++
	dir := filepath.Join(b.dir, fmt.Sprint(b.dirs))
	return dir, os.Mkdir(dir, 0o700)
}

// seed gives a data directory that is filled as planned. A small one is filled once and copied then.
func (b *bench) seed(ctx context.Context, p *seed.Plan) (string, error) {
	progress := func(s string) { b.say("    %s", s) }
	dir, err := b.newDir()
	if err != nil {
		return "", err
	}
	if len(p.Events) > 0 {
		return dir, seed.Dir(ctx, dir, p, progress)
	}
	key := fmt.Sprint(*p)
	from := b.seeded[key]
	if from == "" {
		if from, err = b.newDir(); err != nil {
			return "", err
		}
		if err := seed.Dir(ctx, from, p, progress); err != nil {
			return "", err
		}
		b.seeded[key] = from
	}
	return dir, seed.Copy(dir, from)
}

// settings are settings of chatd, as its environment has them.
type settings map[string]string

// startChatd starts chatd on a data directory.
func (b *bench) startChatd(ctx context.Context, dir string, set settings) (*proc.Server, error) {
	env := []string{"CHATD_LISTEN=127.0.0.1:0", "CHATD_DATA_DIR=" + dir}
	for key, value := range set {
		env = append(env, "CHATD_"+key+"="+value)
	}
	return proc.StartServer(ctx, "chatd", []string{b.chatd}, env)
}

// onChatd does a job at a chatd that is started for it, on data of its own.
func (b *bench) onChatd(ctx context.Context, p *seed.Plan, set settings, job *load.Job, result any) error {
	dir, err := b.seed(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the end of the run removes what is left
	s, err := b.startChatd(ctx, dir, set)
	if err != nil {
		return err
	}
	defer s.Kill()
	return b.do(ctx, s, job, result)
}

// onPeer does a job at a baseline that is started for it.
func (b *bench) onPeer(ctx context.Context, kind string, job *load.Job, result any) error {
	job.Kind = kind
	s, err := proc.StartServer(ctx, kind, []string{b.self, kind}, nil)
	if err != nil {
		return err
	}
	defer s.Kill()
	return b.do(ctx, s, job, result)
}

// do has a load process do a job at a server and decodes its result.
func (b *bench) do(ctx context.Context, s *proc.Server, j *load.Job, result any) error {
	addr, err := netip.ParseAddrPort(s.Addr)
	if err != nil {
		return fmt.Errorf("where the server listens: %w", err)
	}
	j.Addr, j.PID = addr, s.PID
	if j.Patience == 0 {
		j.Patience = patience
	}
	input, err := json.Marshal(j)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*j.Patience)
	defer cancel()
	out, err := proc.Run(ctx, []string{b.self, "load"}, "", input)
	if err != nil {
		if ended := s.Ended(); ended != nil {
			return fmt.Errorf("%w; %w", ended, err)
		}
		return err
	}
	return json.Unmarshal(out, result)
}

// others notes what others had of the processors during a measurement, and tells it if it is much.
func (b *bench) others(u load.Usage) string {
	b.busy = append(b.busy, 100*u.Others)
	if u.Others < 0.03 {
		return ""
	}
	return fmt.Sprintf(" (others had %.0f %% of the machine)", 100*u.Others)
}

// keep notes a raw figure for the file.
func (b *bench) keep(scenario, variant string, result any) {
	b.raw = append(b.raw, report.Measurement{Scenario: scenario, Variant: variant, Result: result})
}

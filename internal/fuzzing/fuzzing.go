package fuzzing

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	executions = flag.Int64("executions", 0, "run the fuzz target on so many mutations of its corpus, in this process")
	seed       = flag.Uint64("fuzzseed", 1, "seed of the mutations of -executions")
	more       = flag.String("fuzzcorpus", "", "also mutate what is in this `directory`, such as the one that go test -fuzz keeps in its cache")
)

// Options describe a target's inputs.
type Options struct {
	Seeds   []string // besides those of testdata/fuzz
	Words   []string // to be put in: names and values that mean something to the target; none empty
	Head    int      // so many bytes before the text choose something: they are set, not edited
	MaxSize int      // of a mutation in bytes; 0 means 1024
}

// Run is the body of a fuzz target: check is called with each input, which it must neither change nor
// keep. It fails the test by its t.
func Run(f *testing.F, o *Options, check func(t testing.TB, in []byte)) {
	f.Helper()
	for _, s := range o.Seeds {
		f.Add([]byte(s))
	}
	if *executions > 0 {
		drive(f, o, check)
	}
	f.Fuzz(func(t *testing.T, in []byte) { check(t, in) })
}

// drive runs check on mutations.
func drive(f *testing.F, o *Options, check func(t testing.TB, in []byte)) {
	corpus, err := readCorpus(filepath.Join("testdata", "fuzz", f.Name()), true)
	if err == nil && *more != "" {
		var found [][]byte
		found, err = readCorpus(*more, false)
		corpus = append(corpus, found...)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range o.Seeds {
		corpus = append(corpus, []byte(s))
	}
	d := &driver{name: f.Name(), total: *executions, begun: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	m := newMutator(*seed, corpus, o) // what is longer than a mutation may be is only replayed
	go d.report()
	d.run(f, m, check)
	fmt.Printf("%s: %d executions in process, seed %d, %.0f/s\n", d.name, d.done.Load(), *seed, d.rate())
}

// driver is one run.
type driver struct {
	name          string
	total         int64
	begun         time.Time
	done          atomic.Int64
	current       atomic.Pointer[[]byte] // what check has now; its bytes change while it has nothing
	stop, stopped chan struct{}
}

func (d *driver) run(t testing.TB, m *mutator, check func(t testing.TB, in []byte)) {
	ended := false
	var in []byte
	d.current.Store(&in)
	defer func() { // also after FailNow and a panic
		close(d.stop)
		<-d.stopped
		if !ended || t.Failed() {
			fmt.Printf("%s: execution %d of seed %d failed\n%s\n", d.name, d.done.Load(), *seed, save(d.name, in))
		}
	}()
	for d.done.Load() < d.total && !t.Failed() {
		in = m.next()
		d.done.Add(1)
		check(t, in)
	}
	ended = true
}

func (d *driver) rate() float64 { return float64(d.done.Load()) / time.Since(d.begun).Seconds() }

// report tells how far the run is, and ends the process when it has stood still; it ends with the run.
func (d *driver) report() {
	defer close(d.stopped)
	tick := time.NewTicker(20 * time.Second)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		now := d.done.Load()
		fmt.Printf("%s: %d of %d, %.0f/s\n", d.name, now, d.total, d.rate())
		if now == last {
			panic(fmt.Sprintf("%s: one execution takes more than 20 s\n%s", d.name, save(d.name, *d.current.Load())))
		}
		last = now
	}
}

const header = "go test fuzz v1"

// save writes an input to where go test finds it, and tells where that is.
func save(name string, in []byte) string {
	text := []byte(header + "\n[]byte(" + strconv.Quote(string(in)) + ")\n")
	path := filepath.Join("testdata", "fuzz", name, fmt.Sprintf("%x", sha256.Sum256(text))[:16])
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Sprintf("could not be saved (%v): %q", err, in)
	}
	return "saved; go test -run '^" + name + "$/" + filepath.Base(path) + "' runs it again"
}

// readCorpus reads the inputs in a directory, which need not be there. Unless strict, it leaves out those of another type.
func readCorpus(dir string, strict bool) ([][]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	var corpus [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		in, err := parse(string(text))
		switch {
		case err == nil:
			corpus = append(corpus, in)
		case strict:
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return corpus, nil
}

// parse reads a file of the corpus that holds one []byte.
func parse(text string) ([]byte, error) {
	literal, ok := strings.CutPrefix(strings.TrimSpace(text), header+"\n[]byte(")
	if !ok || !strings.HasSuffix(literal, ")") {
		return nil, fmt.Errorf("not one []byte after %q", header)
	}
	in, err := strconv.Unquote(strings.TrimSuffix(literal, ")"))
	return []byte(in), err
}

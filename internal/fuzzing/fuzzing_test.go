package fuzzing

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestSameSeedSameInputs(t *testing.T) {
	corpus := [][]byte{[]byte(`{"a":[1,{"b":"c"}],"d":null}`), []byte("limits:\n  max_batch: 50\n")}
	a, b, c := newMutator(7, corpus, &Options{}), newMutator(7, corpus, &Options{}), newMutator(8, corpus, &Options{MaxSize: 64})
	seen := map[string]bool{}
	valid, same := 0, 0
	for range 20_000 {
		in := a.next()
		if !bytes.Equal(in, b.next()) {
			t.Fatal("one seed gives two inputs")
		}
		other := c.next()
		if bytes.Equal(in, other) {
			same++
		}
		if len(in) > 1024 || len(other) > 64 {
			t.Fatalf("inputs of %d and %d bytes", len(in), len(other))
		}
		seen[string(in)] = true
		if len(in) > 2 && json.Valid(in) {
			valid++
		}
	}
	if len(seen) < 10_000 || valid < 4000 || same > 5000 {
		t.Errorf("%d different inputs, %d of them JSON, %d the same under another seed", len(seen), valid, same)
	}
}

func TestSavedIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	in := []byte("a\x00\xff\"\n`")
	save("FuzzX", in)
	dir := filepath.Join("testdata", "fuzz", "FuzzX")
	corpus, err := readCorpus(dir, true)
	if err != nil || len(corpus) != 1 || !bytes.Equal(corpus[0], in) {
		t.Errorf("%q, %v", corpus, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad"), []byte("go test fuzz v1\nint(1)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readCorpus(dir, true); err == nil {
		t.Error("a file of another type is taken")
	}
	if corpus, err := readCorpus(dir, false); err != nil || len(corpus) != 1 {
		t.Errorf("%q, %v", corpus, err)
	}
}

// failing is a test that is failed by the target, not by this one.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Failed() bool          { return f.failed }
func (f *failing) Fatalf(string, ...any) { f.failed = true; panic("fatal") }

func TestAFailureIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	d := &driver{name: "FuzzX", total: 100_000, stop: make(chan struct{}), stopped: make(chan struct{})}
	go d.report()
	f := &failing{TB: t}
	func() {
		defer func() { _ = recover() }()
		d.run(f, newMutator(1, [][]byte{[]byte("abc")}, &Options{Words: []string{"needle"}}), func(t testing.TB, in []byte) {
			if bytes.Contains(in, []byte("needle")) {
				t.Fatalf("found")
			}
		})
	}()
	corpus, err := readCorpus(filepath.Join("testdata", "fuzz", "FuzzX"), true)
	if err != nil || !f.failed || len(corpus) != 1 || !bytes.Contains(corpus[0], []byte("needle")) {
		t.Errorf("%q, %v after %d executions", corpus, err, d.done.Load())
	}
}

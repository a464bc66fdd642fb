package main

import (
	"bytes"
	"flag"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What is printed for small documents is looked at by people once, and compared from then on.
func TestGolden(t *testing.T) {
	for _, name := range []string{"bare", "tea"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			files := generateFrom(t, filepath.Join(dir, "openrpc.json"))
			for file, content := range files {
				if ready[filepath.Base(file)] {
					continue
				}
				golden := filepath.Join(dir, strings.ReplaceAll(file, "/", "-")+".golden")
				if *update {
					if err := os.WriteFile(golden, content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(content, want) {
					t.Errorf("%s is not as in %s (go test -update writes it)", file, golden)
				}
			}
			typecheck(t, files)
		})
	}
}

// ready are files that do not depend on the document, or are the document.
var ready = map[string]bool{"text_gen.go": true, "scan_gen.go": true, "values_gen.go": true, "chars_gen.go": true, "openrpc_gen.json": true}

func generateFrom(t *testing.T, doc string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	list, err := generate(text)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range list {
		files[f.Name] = f.Content
	}
	return files
}

// typecheck compiles the package api as far as types go, tests included.
func typecheck(t *testing.T, files map[string][]byte) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for name, content := range files {
		if !strings.HasPrefix(name, "api/") || filepath.Ext(name) != ".go" {
			continue
		}
		f, err := parser.ParseFile(fset, name, content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := conf.Check("api", fset, parsed, nil); err != nil {
		t.Error(err)
	}
}

// The files in the repository are what openrpc.json gives.
func TestNoDrift(t *testing.T) {
	const root = "../.."
	for name, want := range generateFrom(t, filepath.Join(root, "openrpc.json")) {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date: run go generate ./api (%v)", name, err)
		}
	}
	for _, pattern := range []string{"api/*_gen*", "sdk/go/chatclient/*_gen.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		generated := generateFrom(t, filepath.Join(root, "openrpc.json"))
		for _, f := range files {
			name, _ := filepath.Rel(root, f)
			if generated[filepath.ToSlash(name)] == nil {
				t.Errorf("%s is not generated any more: remove it", name)
			}
		}
	}
}

// What is printed for a document with every kind of schema does what it should, in a module of its own.
func TestGeneratedCodeRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a module")
	}
	dir := t.TempDir()
	if err := run(filepath.Join("testdata", "tea", "openrpc.json"), dir); err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile("testdata/tea/tea_test.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"go.mod": "module tea\n\ngo 1.26\n", "api/tea_test.go": string(test)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "./api")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRun(t *testing.T) {
	root := t.TempDir()
	doc := filepath.Join("testdata", "bare", "openrpc.json")
	if err := run(doc, root); err != nil {
		t.Fatal(err)
	}
	for name, want := range generateFrom(t, doc) {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := run("testdata/none.json", root); err == nil {
		t.Error("a document that is not there was read")
	}
	broken := filepath.Join(root, "broken.json")
	if err := os.WriteFile(broken, []byte(`{"openrpc": "1.4.1", "colour": "red"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(broken, root); err == nil || !strings.Contains(err.Error(), `broken.json: `) || !strings.Contains(err.Error(), `/colour: unknown member "colour"`) {
		t.Errorf("got %v", err)
	}
}

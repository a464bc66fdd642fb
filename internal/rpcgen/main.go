package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/chatd-dev/chatd/internal/rpcgen/docgen"
	"github.com/chatd-dev/chatd/internal/rpcgen/gogen"
	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func main() {
	doc := flag.String("doc", "openrpc.json", "the document")
	root := flag.String("root", ".", "the folder under which api/, docs/ and sdk/ stand")
	flag.Parse()
	if err := run(*doc, *root); err != nil {
		fmt.Fprintf(os.Stderr, "rpcgen: %v\n", err)
		os.Exit(1)
	}
}

func run(doc, root string) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	files, err := generate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	for _, f := range files {
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // sources, for everybody to read
			return err
		}
		if err := os.WriteFile(name, f.Content, 0o644); err != nil { //nolint:gosec // sources, for everybody to read
			return err
		}
	}
	return nil
}

// generate gives all files, named from the repository's root.
func generate(text []byte) ([]gogen.File, error) {
	d, err := ir.Read(text)
	if err != nil {
		return nil, err
	}
	out := []gogen.File{{Name: "api/openrpc_gen.json", Content: text}}
	for _, target := range []struct {
		folder string
		print  func(*ir.Document) ([]gogen.File, error)
	}{
		{"api", gogen.API},
		{"sdk/go/chatclient", gogen.Client},
		{"docs", page},
	} {
		files, err := target.print(d)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out = append(out, gogen.File{Name: path.Join(target.folder, f.Name), Content: f.Content})
		}
	}
	return out, nil
}

func page(d *ir.Document) ([]gogen.File, error) {
	text, err := docgen.Page(d)
	return []gogen.File{{Name: "API.md", Content: text}}, err
}

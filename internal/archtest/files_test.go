package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is where a file is looked at again: is it still one noun or one job?
const maxLines = 450

// trackedFiles lists the files that are in the repository, or would be with the next git add.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("SKIPPED: git ls-files: %v (no repository around the sources?)", err)
	}
	var names []string
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(root(t), name)); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFilesAreShort(t *testing.T) {
	for _, name := range trackedFiles(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_gen.go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			continue
		}
		if n := bytes.Count(read(t, name), []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d", name, n, maxLines)
		}
	}
}

func TestArchitectureIsShort(t *testing.T) {
	if n := bytes.Count(read(t, "docs/ARCHITECTURE.md"), []byte("\n")); n > 150 {
		t.Errorf("docs/ARCHITECTURE.md has %d lines, more than 150", n)
	}
}

// machinePath finds absolute paths that exist on one machine only. Built from parts, so that this file does not hold one.
var machinePath = regexp.MustCompile(`(^|[\s"'=(:\x60])/(` + strings.Join([]string{"root", "work", "home", "Users"}, "|") + `)/[A-Za-z0-9._-]+`)

func TestNoPathOfThisMachine(t *testing.T) {
	for _, name := range trackedFiles(t) {
		text := read(t, name)
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			continue // binary
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := machinePath.FindString(line); m != "" {
				t.Errorf("%s:%d: %s is a path of one machine", name, i+1, strings.TrimSpace(m))
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range trackedFiles(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(read(t, name)), -1) {
			if _, err := os.Stat(filepath.Join(root(t), filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range listPackages(t) {
		dir := strings.TrimPrefix(p.ImportPath, module)
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		text, err := os.ReadFile(filepath.Join(root(t), dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go", dir)
			continue
		}
		head, _, _ := bytes.Cut(text, []byte("\npackage "))
		if n := bytes.Count(head, []byte("\n")) + 1; n > 30 {
			t.Errorf("%s/doc.go says it in %d lines, more than 30", dir, n)
		}
	}
}

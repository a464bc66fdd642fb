package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoginStore(t *testing.T) {
	dir := t.TempDir()
	s, err := newLoginStore(dir, "http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(""); !errors.Is(err, errNoLogin) {
		t.Fatalf("an empty store: %v", err)
	}
	groot := &savedLogin{Server: s.server, Username: "groot", Token: "chd_1"}
	hulk := &savedLogin{Server: s.server, Username: "hulk", Token: "chd_2"}
	if err := errors.Join(s.save("groot", groot, true), s.save("work", hulk, false)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "groot", "groot": "groot", "work": "hulk"} {
		if l, err := s.load(name); err != nil || l.Username != want {
			t.Errorf("%q: %+v, %v; want %s", name, l, err, want)
		}
	}
	other, err := newLoginStore(dir, "http://127.0.0.1:8081")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.load("groot"); !errors.Is(err, errNoLogin) {
		t.Errorf("another server: %v", err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path("work"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load("work"); exitOf(err) != exitSignedOut || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v", err)
	}
	if err := s.remove("chd_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(""); !errors.Is(err, errNoLogin) {
		t.Errorf("after the logout: %v", err)
	}
	for _, name := range []string{"../x", "a/b", ".hidden", "a b", strings.Repeat("x", 65)} {
		if err := s.save(name, groot, false); exitOf(err) != exitUsage {
			t.Errorf("%q: %v", name, err)
		}
	}
}
